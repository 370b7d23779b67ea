import { describe, expect, it } from 'vitest';
import type { Job } from '../../src/core/job.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import { decide } from '../../src/core/schedule/schedule.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const green: Outcome = { result: 'success', reason: 'exit', message: 'ok' };
const red: Outcome = { result: 'failure', reason: 'exit', message: 'exit 1', exitCode: 1 };
const left: Outcome = { result: 'skipped', reason: 'condition', message: 'if: false' };
const notRun: Outcome = { result: 'skipped', reason: 'need_failed', message: 'not run: a did not succeed' };
const cancelled: Outcome = { result: 'cancelled', reason: 'cancelled_by', message: 'cancelled' };

function over(name: string, outcome: Outcome, changes: Partial<Job> = {}): Job {
  const spec = makeSpec(name, { needs: changes.waitsFor, ...changes.spec });
  return makeJob(name, { state: 'finished', outcome, ...changes, spec });
}

/** What becomes of a job with this condition that needs all the others, or some. */
function told(condition: string, others: readonly Job[], needs = others.map(({ spec }) => spec.key)): string {
  const waitsFor = others.filter(({ spec }) => needs.includes(spec.key)).map(({ name }) => name);
  const spec = makeSpec('job', { condition, needs: [...new Set(needs)] });
  const jobs = [...others, makeJob('job', { waitsFor, spec })].map((job, index) => ({ ...job, id: index + 1 }));
  const snapshot = { runs: [{ run: makeRun(), context: makeContext(), jobs }], workers: [] };
  const [decision] = decide(snapshot, new Date(0), 1).filter(({ job }) => job === jobs.length);
  if (decision?.action !== 'finish') return decision?.action ?? 'nothing';
  return `${decision.outcome.reason}: ${decision.outcome.message}`;
}

describe('a condition that comes out false after a failure', () => {
  const failed = [over('a', red), over('b', green)];

  it.each([
    'success()',
    "success() && github.ref == 'refs/heads/main'",
    '!failure()',
    '!(failure() || cancelled())',
    "always() && needs.a.result == 'success'",
    "!cancelled() && !contains(needs.*.result, 'failure')",
    "always() && needs.a.outputs.backend == 'true'",
    "always() && needs['a']['outputs'].backend == 'true'",
    "always() && contains(needs.*.outputs.go, 'yes')",
    "always() && needs.a.result == 'success' && fromJSON(needs.b.outputs.list)[0] == 'x'",
  ])('says that the job was not run, and never that it was left out: %s', (condition) => {
    expect(told(condition, failed)).toBe('need_failed: not run: a did not succeed');
  });

  it.each([
    'always() && false',
    "failure() && github.ref == 'refs/heads/other'",
    "always() && needs.b.result == 'failure'",
    "always() && needs.b.outputs.notify == 'yes'",
  ])('leaves out a job that nobody wanted in any case: %s', (condition) => {
    expect(told(condition, failed)).toBe(`condition: if: ${condition}`);
  });

  it('leaves the job out when the failure was allowed, or when nothing failed', () => {
    const allowed = over('a', red, { spec: makeSpec('a', { continueOnError: true }) });
    expect(told("always() && needs.a.result == 'success'", [allowed])).toMatch(/^condition: /);
    expect(told('success()', [over('a', left)])).toMatch(/^condition: /);
    expect(told('success()', [over('a', left), over('b', red)])).toMatch(/^condition: /);
  });
});

describe('failure()', () => {
  const chain = [over('a', red), over('b', notRun, { waitsFor: ['a'] }), over('c', notRun, { waitsFor: ['b'] })];

  it('is true after a failure anywhere before the job, as on GitHub', () => {
    expect(told('failure()', chain, ['c'])).toBe('queue');
    expect(told('failure()', [over('a', red), over('b', green, { waitsFor: ['a'] })], ['b'])).toBe('queue');
  });

  it('is false when what failed is not before the job', () => {
    expect(told('failure()', [over('a', red), over('b', green)], ['b'])).toBe('condition: if: failure()');
  });
});

describe('cancelled()', () => {
  const part = (index: number, outcome: Outcome, failFast = true): Job =>
    over(`test (${index})`, outcome, {
      spec: makeSpec(`test (${index})`, { key: 'test', group: { index, total: 2, failFast, maxParallel: null } }),
    });

  it('is not true of combinations that fail-fast ended: nobody cancelled anything', () => {
    const matrix = [part(0, red), part(1, cancelled)];
    expect(told('!cancelled()', matrix)).toBe('queue');
    expect(told('cancelled()', matrix)).toBe('condition: if: cancelled()');
  });

  it('is true when somebody ended one of them', () => {
    expect(told('cancelled()', [part(0, green), part(1, cancelled)])).toBe('queue');
    expect(told('cancelled()', [part(0, red, false), part(1, cancelled, false)])).toBe('queue');
    expect(told('cancelled()', [over('a', cancelled)])).toBe('queue');
  });
});

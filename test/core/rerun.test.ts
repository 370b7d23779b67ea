import { describe, expect, test } from 'vitest';
import { planRerun, type RerunFacts } from '../../src/core/rerun.ts';
import { originOf, type Job } from '../../src/core/job.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import type { Run } from '../../src/core/run.ts';
import { makeJob, makeRun, makeSpec } from '../support/make.ts';

const passed: Outcome = { result: 'success', reason: 'exit', message: 'passed' };
const broken: Outcome = { result: 'failure', reason: 'exit', message: 'exit 1', exitCode: 1 };
const notRun: Outcome = { result: 'skipped', reason: 'need_failed', message: 'not run: b did not succeed' };
const leftOut: Outcome = { result: 'skipped', reason: 'condition', message: 'if: false' };
const stopped: Outcome = { result: 'cancelled', reason: 'superseded', message: 'superseded by bbbbbbb' };
const nothingSpecial: RerunFacts = { defaultBranch: 'main', repeatedBy: null, underWay: null, lost: new Set() };
const ended = (changes: Partial<Run> = {}) => makeRun({ id: 5, state: 'finished', outcome: broken, ...changes });

function job(name: string, outcome: Outcome | null, waitsFor: readonly string[] = []): Job {
  return makeJob(name, { state: outcome === null ? 'running' : 'finished', outcome, waitsFor });
}

const diamond = [
  job('a', passed),
  job('b', broken, ['a']),
  job('c', passed, ['a']),
  job('d', notRun, ['b', 'c']),
  job('e', leftOut, ['a']),
  job('f', leftOut, ['d']),
];

function again(asked: { failed?: boolean; job?: string }, facts: Partial<RerunFacts> = {}, jobs = diamond): string {
  const plan = planRerun(ended(), jobs, { failed: false, job: null, ...asked }, { ...nothingSpecial, ...facts });
  return plan.ok ? [...plan.value.again].toSorted().join('') : plan.problem.message;
}

describe('which jobs run again', () => {
  test('all of them when nothing else is said', () => {
    expect(again({})).toBe('abcdef');
  });

  test('what failed and what waits for it; what a condition left out only when something before it runs', () => {
    expect(again({ failed: true })).toBe('bdf');
  });

  test('what was stopped counts as failed', () => {
    expect(again({ failed: true }, {}, [job('a', passed), job('b', stopped)])).toBe('b');
  });

  test('what may fail did not fail, and runs again only by its name', () => {
    const tolerated = { ...job('b', broken), spec: makeSpec('b', { continueOnError: true }) };
    expect(again({ failed: true }, {}, [tolerated, job('c', passed, ['b'])])).toContain('No job of run 5 failed');
    expect(again({ failed: true }, {}, [tolerated, job('c', broken, ['b'])])).toBe('c');
    expect(again({ job: 'b' }, {}, [tolerated, job('c', passed, ['b'])])).toBe('bc');
  });

  test('one job and what waits for it', () => {
    expect(again({ job: 'c' })).toBe('cdf');
  });

  test('also what they need and whose artifacts are gone, with what waits for that', () => {
    expect(again({ failed: true }, { lost: new Set(['c']) })).toBe('bcdf');
    expect(again({ job: 'f' }, { lost: new Set(['a', 'c', 'd']) })).toBe('abcdef');
    expect(again({ job: 'f' }, { lost: new Set(['a', 'd']) })).toBe('df');
    expect(again({ failed: true }, { lost: new Set(['e']) })).toBe('bdf');
  });

  test('nothing when nothing failed', () => {
    expect(again({ failed: true }, {}, [job('a', passed), job('b', leftOut)])).toContain('No job of run 5 failed');
  });
});

describe('what cannot be run again', () => {
  test.each<[string, Partial<Run>, Partial<RerunFacts>, string]>([
    ['a run that goes on', { state: 'running', outcome: null }, {}, 'Cancel it first'],
    ['a fork that nobody approved', { trust: 'T4' }, {}, 'waits for approval'],
    ['one that was repeated', {}, { repeatedBy: 8 }, 'as run 8'],
    ['one whose commit is under way', {}, { underWay: 9 }, 'Run 9 of the same commit'],
  ])('%s', (_what, run, facts, message) => {
    const plan = planRerun(ended(run), diamond, { failed: false, job: null }, { ...nothingSpecial, ...facts });
    expect(plan).toMatchObject({ ok: false, problem: { kind: 'conflict' } });
    expect(plan.ok ? '' : plan.problem.message).toContain(message);
  });

  test('a run without jobs says why it had none', () => {
    const plan = planRerun(ended(), [], { failed: false, job: null }, nothingSpecial);
    expect(plan).toMatchObject({ ok: false, problem: { message: expect.stringContaining('exit 1') as string } });
  });

  test('a job that is not there is named, with those that are', () => {
    const plan = planRerun(ended(), diamond, { failed: false, job: 'x' }, nothingSpecial);
    expect(plan).toMatchObject({
      ok: false,
      problem: { kind: 'no-job', message: 'Run 5 has no job x; its jobs: a, b, c, d, e, f.' },
    });
  });
});

describe('the trust class', () => {
  const trustOf = (run: Partial<Run>, defaultBranch: string | null, asked = { failed: false }) =>
    planRerun(ended(run), diamond, { job: null, ...asked }, { ...nothingSpecial, defaultBranch });

  test('falls when the default branch is another one now, and nothing of a higher class is taken over then', () => {
    expect(trustOf({}, 'trunk')).toMatchObject({ ok: true, value: { trust: 'T2' } });
    expect(trustOf({}, 'trunk', { failed: true })).toMatchObject({
      ok: false,
      problem: { message: expect.stringContaining('Run all its jobs again') as string },
    });
  });

  test('stays for tags, merge queues and when nobody told the default branch; it never rises', () => {
    expect(trustOf({ ref: 'refs/tags/v1' }, 'trunk')).toMatchObject({ value: { trust: 'T1' } });
    expect(trustOf({ eventName: 'merge_group' }, 'trunk')).toMatchObject({ value: { trust: 'T1' } });
    expect(trustOf({}, null)).toMatchObject({ value: { trust: 'T1' } });
    expect(trustOf({ trust: 'T2' }, 'main')).toMatchObject({ value: { trust: 'T2' } });
    expect(trustOf({ trust: 'T3' }, 'main')).toMatchObject({ value: { trust: 'T3' } });
  });
});

test('log and artifacts are those of the run in which the job was observed', () => {
  const own = makeJob('a', { id: 3, runId: 2, attempt: 2 });
  expect(originOf(own)).toEqual({ runId: 2, jobId: 3, attempt: 2 });
  const origin = { runId: 1, jobId: 1, attempt: 1 };
  expect(originOf({ ...own, origin })).toEqual(origin);
});

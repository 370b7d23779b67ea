import { describe, expect, it, test } from 'vitest';
import { afterLook, matchRun } from '../../../src/core/lane/match.ts';
import { endOf, nextStep, type Following, type Pace } from '../../../src/core/lane/next-step.ts';
import { progressLines } from '../../../src/core/lane/progress.ts';
import { readyDispatch } from '../../../src/core/lane/ready-dispatch.ts';
import { verdictOf } from '../../../src/core/lane/verdict.ts';
import { isProven, supersededBy } from '../../../src/core/outcome.ts';
import type { WorkflowJob, WorkflowRun } from '../../../src/core/workflow.ts';
import type { Claim } from '../../../src/core/ports.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../../support/make.ts';

const sha = 'a'.repeat(40);
const other = 'b'.repeat(40);
const repo = { id: 10, owner: 'octo', name: 'hello' };

function there(more: Partial<WorkflowRun> = {}): WorkflowRun {
  return {
    ...{ id: 5, repo, attempt: 1, event: 'workflow_dispatch', headSha: sha, headBranch: 'main' },
    ...{ path: '.github/workflows/build.yml', title: 'build', url: 'https://x.test/5', state: 'queued' },
    ...{ conclusion: null, createdAt: new Date(10_000) },
    ...more,
  };
}

function jobThere(more: Partial<WorkflowJob> = {}): WorkflowJob {
  return {
    ...{ id: 11, repo, runId: 5, attempt: 1, workflow: 'build', name: 'one', url: 'https://x.test/11' },
    ...{ headSha: sha, labels: [], state: 'queued', conclusion: null, runner: null },
    ...{ createdAt: null, startedAt: null, completedAt: null },
    ...more,
  };
}

describe('the run that a dispatch began', () => {
  const asked = { askedAt: new Date(10_000), known: [3], workflow: 'build.yml', ref: 'main' };
  const match = (runs: readonly WorkflowRun[], taken: readonly number[] = []) =>
    matchRun(asked, sha, runs, new Set(taken)).kind;

  it('is the only new one of that workflow at the commit', () => {
    expect(matchRun(asked, sha, [there()], new Set())).toEqual({ kind: 'one', run: there() });
    expect(match([there({ path: null, headBranch: null })])).toBe('one');
  });

  it.each([
    ['was there before', { id: 3 }],
    ['is older', { createdAt: new Date(9_000) }],
    ['was pushed', { event: 'push' }],
    ['is of another workflow', { path: '.github/workflows/rebuild.yml' }],
    ['is of another branch', { headBranch: 'next' }],
  ])('is none that %s', (_, more) => {
    expect(match([there(more)])).toBe('none');
  });

  it('is none that another job has', () => {
    expect(match([there()], [5])).toBe('none');
    expect(match([there(), there({ id: 6 })], [5])).toBe('one');
  });

  it('is not guessed: neither of two, nor of one at another commit', () => {
    expect(match([there(), there({ id: 6 })])).toBe('doubtful');
    expect(match([there({ headSha: other })])).toBe('doubtful');
    expect(match([there(), there({ id: 6, headSha: other })])).toBe('doubtful');
  });

  it('is looked for until it would be listed, and asked for once more at most', () => {
    const none = { kind: 'none' } as const;
    expect(afterLook(none, { asks: 1, isAccepted: false }, 59, 60)).toEqual({ kind: 'look' });
    expect(afterLook(none, { asks: 1, isAccepted: false }, 60, 60)).toEqual({ kind: 'ask' });
    expect(afterLook(none, { asks: 2, isAccepted: false }, 60, 60).kind).toBe('give up');
    expect(afterLook(none, { asks: 1, isAccepted: true }, 60, 60).kind).toBe('give up');
    expect(afterLook({ kind: 'doubtful', runs: [there()] }, { asks: 1, isAccepted: false }, 0, 60).kind).toBe(
      'give up',
    );
  });
});

describe('the verdict', () => {
  test.each([
    ['success', 'success', 'exit'],
    ['failure', 'failure', 'exit'],
    ['timed_out', 'failure', 'timeout'],
    ['cancelled', 'cancelled', 'cancelled_by'],
    ['skipped', 'skipped', 'condition'],
    ['startup_failure', 'error', 'config'],
    ['action_required', 'error', 'config'],
    ['stale', 'error', 'forge'],
    ['neutral', 'error', 'forge'],
    ['splendid', 'error', 'forge'],
    [null, 'error', 'forge'],
  ])('on %s is %s, %s', (conclusion, result, reason) => {
    expect(verdictOf({ conclusion }, [])).toMatchObject({ result, reason });
  });

  it('names the first job that failed, and how many more', () => {
    const failed = (name: string) => jobThere({ name, state: 'completed', conclusion: 'failure' });
    expect(verdictOf({ conclusion: 'failure' }, [jobThere(), failed('a b'), failed('c')]).message).toBe(
      'failed on GitHub: "a b" and 1 more',
    );
  });

  it('is good only with the run of the workflow on record', () => {
    const evidence = { exitCode: 0, logSha256: 'f', logBytes: 1, droppedBytes: 0 };
    const workflow = { runId: 5, attempt: 1, url: 'u', conclusion: 'success' };
    expect(isProven(evidence, false)).toBe(true);
    expect(isProven(evidence, true)).toBe(false);
    expect(isProven({ ...evidence, workflow: { ...workflow, conclusion: 'failure' } }, true)).toBe(false);
    expect(isProven({ ...evidence, workflow }, true)).toBe(true);
    expect(isProven(null, false)).toBe(false);
  });
});

const pace: Pace = { lookMs: 2, askMs: 30, urgentMs: 5, cancelMs: 300 };

function following(more: Partial<Following> = {}): Following {
  return {
    ...{ sha, ref: 'main', run: there({ state: 'in_progress' }), jobs: [], askedAt: 100, notBefore: -Infinity },
    ...{ isConfirmed: false, deadline: 1_000, stop: null, cancel: null },
    ...more,
  };
}

describe('while a run is followed', () => {
  const step = (of: Partial<Following>, now: number) => nextStep(following(of), now, pace);

  it('GitHub is asked at once, then every so often, and what webhooks brought is read in between', () => {
    expect(step({ askedAt: null }, 0)).toEqual({ kind: 'ask' });
    expect(step({}, 110)).toEqual({ kind: 'wait', ms: 2 });
    expect(step({}, 129)).toEqual({ kind: 'wait', ms: 1 });
    expect(step({}, 130)).toEqual({ kind: 'ask' });
  });

  it('GitHub is not asked before the time it named', () => {
    expect(step({ notBefore: 200 }, 150)).toEqual({ kind: 'wait', ms: 2 });
    expect(step({ notBefore: 200 }, 200)).toEqual({ kind: 'ask' });
  });

  it('an end that a webhook told is asked about once more, unless GitHub does not want to be asked', () => {
    const run = there({ state: 'completed', conclusion: 'success' });
    expect(step({ run }, 110)).toEqual({ kind: 'ask' });
    expect(step({ run, isConfirmed: true }, 110)).toEqual({ kind: 'end' });
    expect(step({ run, notBefore: 200 }, 110)).toEqual({ kind: 'end' });
  });

  it('it is cancelled when it is to end, when its branch had moved, and when its time is over and it still runs', () => {
    expect(step({ stop: supersededBy(other) }, 110)).toEqual({ kind: 'cancel' });
    expect(step({ run: there({ headSha: other }) }, 110)).toEqual({ kind: 'cancel' });
    expect(step({ askedAt: 999 }, 1_000)).toEqual({ kind: 'ask' });
    expect(step({ askedAt: 1_000 }, 1_001)).toEqual({ kind: 'cancel' });
    expect(step({ askedAt: 999, notBefore: 2_000 }, 1_001)).toEqual({ kind: 'cancel' });
  });

  it('a cancel that GitHub did not take is tried again, and the end is waited for, not for ever', () => {
    const cancel = { since: 1_000, triedAt: 1_000, isAccepted: false };
    expect(step({ cancel, askedAt: 1_003 }, 1_005)).toEqual({ kind: 'cancel' });
    expect(step({ cancel: { ...cancel, isAccepted: true }, askedAt: 1_003 }, 1_005)).toEqual({ kind: 'wait', ms: 2 });
    expect(step({ cancel: { ...cancel, isAccepted: true }, askedAt: 1_000 }, 1_005)).toEqual({ kind: 'ask' });
    expect(step({ cancel, askedAt: 1_299 }, 1_300)).toEqual({ kind: 'end' });
  });
});

describe('at its end', () => {
  const over = there({ state: 'completed', conclusion: 'success' });
  const end = (of: Partial<Following>) => endOf(following(of), 'timed out');
  const cancel = { since: 0, triedAt: 0, isAccepted: true };

  it('the first of: what was asked for, the moved branch, the time, the conclusion', () => {
    expect(end({ run: over })).toMatchObject({ result: 'success' });
    expect(end({ run: over, stop: supersededBy(other) })).toMatchObject({ reason: 'superseded' });
    expect(end({ run: { ...over, headSha: other }, cancel })).toMatchObject({ result: 'error', reason: 'config' });
    expect(end({ cancel })).toMatchObject({ result: 'failure', reason: 'timeout', message: 'timed out' });
    expect(end({ run: over, cancel })).toMatchObject({ reason: 'timeout' });
  });

  it('what was over before GitHub took the cancel counts', () => {
    expect(end({ run: over, cancel: { ...cancel, isAccepted: false } })).toMatchObject({ result: 'success' });
  });
});

describe('the log', () => {
  it('has a line for each state of each job, and nothing of what names hold can leave its line', () => {
    const job = jobThere({ name: 'a\u001b[2J\nb', state: 'in_progress', runner: 'r' });
    const done = {
      ...job,
      state: 'completed' as const,
      conclusion: 'success',
      startedAt: new Date(0),
      completedAt: new Date(9_400),
    };
    expect(progressLines(null, [jobThere(), job, done])).toEqual([
      'one: waits for a runner  https://x.test/11',
      'a [2J b: runs on r  https://x.test/11',
      'a [2J b: success on r after 9 s  https://x.test/11',
    ]);
    expect(progressLines(there({ attempt: 2 }), [])).toEqual(['attempt 2 on GitHub']);
  });
});

describe('what is dispatched', () => {
  const lane = {
    kind: 'github' as const,
    workflow: 'build.yml',
    inputs: { a: '${{ needs.b.outputs.c }}-${{ matrix.k }}' },
  };
  function claim(run: Parameters<typeof makeRun>[0] = {}, headRef: string | null = null): Claim {
    const job = makeJob('remote', { spec: makeSpec('remote', { lane, axes: { k: 'x' } }) });
    const needs = { b: { result: 'success', outputs: { c: '7' } } };
    return { job, run: makeRun(run), context: makeContext({ headRef }), needs, artifacts: [], stop: null };
  }
  const ready = (...of: Parameters<typeof claim>) => readyDispatch(claim(...of), lane);

  it('has its inputs filled in, at the name of the branch or tag', () => {
    expect(ready()).toEqual({ ok: true, value: { repo, workflow: 'build.yml', ref: 'main', inputs: { a: '7-x' } } });
    expect(ready({ ref: 'refs/tags/v1/rc' })).toMatchObject({ value: { ref: 'v1/rc' } });
  });

  it('is at the head branch of a pull request from this repository', () => {
    expect(ready({ ref: 'refs/pull/3/head', prNumber: 3, trust: 'T2' }, 'topic/a')).toMatchObject({
      value: { ref: 'topic/a' },
    });
  });

  it('is nothing for a fork, approved or not, and nothing without a branch or tag', () => {
    for (const trust of ['T3', 'T4'] as const)
      expect(ready({ ref: 'refs/pull/3/head', prNumber: 3, trust }, 'topic').ok).toBe(false);
    expect(ready({ ref: sha }).ok).toBe(false);
  });

  it('is not more than GitHub takes', () => {
    const big = readyDispatch(claim(), { ...lane, inputs: { a: 'x'.repeat(65_535) } });
    expect(big).toMatchObject({ ok: false, problem: expect.stringContaining('65535') as string });
  });
});

import { describe, expect, it } from 'vitest';
import type { Job } from '../../src/core/job.ts';
import { error, type Outcome } from '../../src/core/outcome.ts';
import type { JobGroup, JobSpec } from '../../src/core/pipeline/pipeline.ts';
import type { Run } from '../../src/core/run.ts';
import { decide, type Snapshot } from '../../src/core/schedule/schedule.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const now = new Date(1_000_000);
const LEASE_MS = 60_000;
const leaseUntil = new Date(now.getTime() + LEASE_MS);
const green: Outcome = { result: 'success', reason: 'exit', message: 'ok' };
const red: Outcome = { result: 'failure', reason: 'exit', message: 'exit 1', exitCode: 1 };
const skipped: Outcome = { result: 'skipped', reason: 'need_failed', message: 'not run' };

const worker = (slots: number, id = 'w', until = leaseUntil) => ({ id, slots, leaseUntil: until });
const finished = (name: string, outcome: Outcome, changes: Partial<Job> = {}) =>
  makeJob(name, { state: 'finished', outcome, ...changes });

function snapshot(jobs: readonly Job[], workers: Snapshot['workers'] = [worker(8)], run: Partial<Run> = {}): Snapshot {
  return {
    runs: [{ run: makeRun(run), context: makeContext(), jobs: jobs.map((job, index) => ({ ...job, id: index + 1 })) }],
    workers,
  };
}

/** Decisions as `name: action`, so that a test is one line of data. */
function told(of: Snapshot): readonly string[] {
  const names = new Map(of.runs.flatMap(({ jobs }) => jobs.map((job) => [job.id, job.name])));
  return decide(of, now, LEASE_MS).map((decision) => {
    const detail =
      decision.action === 'claim'
        ? ` by ${decision.worker}`
        : decision.action === 'finish' || decision.action === 'stop'
          ? ` ${decision.outcome.result}: ${decision.outcome.message}`
          : '';
    return `${names.get(decision.job)}: ${decision.action}${detail}`;
  });
}

describe('decide', () => {
  it('queues a job without needs and one whose needs succeeded', () => {
    expect(told(snapshot([makeJob('a'), finished('b', green), makeJob('c', { waitsFor: ['b'] })]))).toEqual([
      'a: queue',
      'c: queue',
    ]);
  });

  it('leaves a job waiting while one of its needs is unfinished', () => {
    const jobs = [
      finished('a', green),
      makeJob('b', { state: 'running', worker: 'w', attempt: 1, leaseUntil }),
      makeJob('c', { waitsFor: ['a', 'b'] }),
    ];
    expect(told(snapshot(jobs))).toEqual([]);
  });

  it('skips a job whose need failed, and says which, without waiting for the other needs', () => {
    const jobs = [finished('a', red), makeJob('b', { state: 'queued' }), makeJob('c', { waitsFor: ['b', 'a'] })];
    expect(told(snapshot(jobs, []))).toEqual(['c: finish skipped: not run: a did not succeed']);
  });

  it('hands a skip on to what waits for the skipped job', () => {
    expect(told(snapshot([finished('a', skipped), makeJob('b', { waitsFor: ['a'] })]))).toEqual([
      'b: finish skipped: not run: a was not run',
    ]);
  });

  it('goes on after a failure that the pipeline tolerates, but not after an error', () => {
    const tolerant = { spec: makeSpec('a', { continueOnError: true }) };
    expect(told(snapshot([finished('a', red, tolerant), makeJob('b', { waitsFor: ['a'] })]))).toEqual(['b: queue']);
    expect(told(snapshot([finished('a', error('disk', 'full'), tolerant), makeJob('b', { waitsFor: ['a'] })]))).toEqual(
      ['b: finish skipped: not run: a did not succeed'],
    );
  });

  it('never runs a job that waits for one which is not there', () => {
    expect(told(snapshot([makeJob('a', { waitsFor: ['gone'] })]))).toEqual([]);
  });

  it('claims no more jobs than there are free slots, in the order of the file', () => {
    const jobs = [
      makeJob('a', { state: 'running', worker: 'w', attempt: 1, leaseUntil }),
      ...['b', 'c', 'd'].map((name) => makeJob(name, { state: 'queued' })),
    ];
    expect(told(snapshot(jobs, [worker(3)]))).toEqual(['b: claim by w', 'c: claim by w']);
  });

  it('serves the older run first', () => {
    const runs = [1, 2].map((id) => ({
      run: makeRun({ id }),
      context: makeContext(),
      jobs: [makeJob(`of run ${id}`, { id, runId: id, state: 'queued' })],
    }));
    expect(told({ runs, workers: [worker(1)] })).toEqual(['of run 1: claim by w']);
  });

  it('spreads claims over workers by their free slots', () => {
    const jobs = ['a', 'b', 'c'].map((name) => makeJob(name, { state: 'queued' }));
    expect(told(snapshot(jobs, [worker(1, 'small'), worker(2, 'big')]))).toEqual([
      'a: claim by big',
      'b: claim by small',
      'c: claim by big',
    ]);
  });

  it('gives nothing to a worker that was not heard of', () => {
    expect(told(snapshot([makeJob('a', { state: 'queued' })], [worker(4, 'w', new Date(now.getTime() - 1))]))).toEqual(
      [],
    );
  });

  it('gives a claim its lease and the attempt it saw', () => {
    expect(decide(snapshot([makeJob('a', { state: 'queued', attempt: 3 })]), now, LEASE_MS)).toEqual([
      { job: 1, attempt: 3, action: 'claim', worker: 'w', leaseUntil },
    ]);
  });

  it('ends a running job whose lease ran out, and no other', () => {
    const running = (name: string, until: number) =>
      makeJob(name, { state: 'running', worker: 'w', attempt: 1, leaseUntil: new Date(until) });
    expect(told(snapshot([running('a', now.getTime() - 1), running('b', now.getTime())], []))).toEqual([
      'a: finish error: the worker stopped answering while it ran this job',
    ]);
  });

  it('ends what has not started when the run is ending, and leaves running jobs to their worker', () => {
    const ending: Outcome = { result: 'cancelled', reason: 'superseded', message: 'superseded by abc1234' };
    const jobs = [
      makeJob('a'),
      makeJob('b', { state: 'queued' }),
      makeJob('c', { state: 'running', worker: 'w', attempt: 1, leaseUntil }),
      finished('d', green),
    ];
    expect(told(snapshot(jobs, [worker(8)], { ending }))).toEqual([
      'a: finish cancelled: superseded by abc1234',
      'b: finish cancelled: superseded by abc1234',
    ]);
  });

  it('never claims a job of a fork that nobody approved', () => {
    expect(told(snapshot([makeJob('a', { state: 'queued' })], [worker(8)], { trust: 'T4' }))).toEqual([]);
  });
});

describe('a condition', () => {
  const left: Outcome = { result: 'skipped', reason: 'condition', message: 'if: false' };
  const job = (condition: string, waitsFor: readonly string[] = [], changes: Partial<JobSpec> = {}): Job =>
    makeJob('job', { waitsFor, spec: makeSpec('job', { condition, needs: waitsFor, ...changes }) });

  it.each([
    ["github.ref == 'refs/heads/main'", 'job: queue'],
    ["github.ref == 'refs/heads/other'", "job: finish skipped: if: github.ref == 'refs/heads/other'"],
    ["needs.a.result == 'success' && needs.a.outputs.go == 'yes'", 'job: queue'],
    ["matrix.os == 'linux'", 'job: queue'],
    ["fromJSON('{').x", "job: finish error: if: ${{ fromJSON('{').x }}: Error parsing JSON when evaluating fromJson"],
  ])('%s', (condition, expected) => {
    const jobs = [finished('a', green, { outputs: { go: 'yes' } }), job(condition, ['a'], { axes: { os: 'linux' } })];
    expect(told(snapshot(jobs))).toEqual([expected]);
  });

  it('is not looked at before all needs are over', () => {
    const jobs = [makeJob('a', { state: 'queued' }), job('false', ['a'])];
    expect(told(snapshot(jobs, []))).toEqual([]);
  });

  it('that names a status function decides alone after a failure; any other asks for success', () => {
    for (const [condition, expected] of [
      ['always()', 'job: queue'],
      ['failure()', 'job: queue'],
      ['!failure()', 'job: finish skipped: not run: a did not succeed'],
      ['true', 'job: finish skipped: not run: a did not succeed'],
    ] as const) {
      expect(told(snapshot([finished('a', red), job(condition, ['a'])]))).toEqual([expected]);
    }
  });

  it('that left a job out leaves out what needs it, which is no failure', () => {
    const of = snapshot([
      finished('a', left),
      makeJob('b', { waitsFor: ['a'], spec: makeSpec('b', { needs: ['a'] }) }),
    ]);
    expect(told(of)).toEqual(['b: finish skipped: a was skipped']);
    expect(decide(of, now, LEASE_MS)[0]).toMatchObject({ outcome: { reason: 'condition' } });
  });

  it('that left a job out does not stop later phases, nor jobs that need it optionally', () => {
    const phased = makeJob('b', { waitsFor: ['a'] });
    const optional = makeJob('c', { waitsFor: ['a'], spec: makeSpec('c', { needs: ['a'], optionalNeeds: ['a'] }) });
    expect(told(snapshot([finished('a', left), phased, optional]))).toEqual(['b: queue', 'c: queue']);
    expect(told(snapshot([finished('a', red), optional]))).toEqual(['c: finish skipped: not run: a did not succeed']);
  });
});

it('a delayed job is claimed when its time has come, and not before', () => {
  const delayed = (queuedAt: number): Job => {
    const timings = { queuedAt: new Date(queuedAt), claimedAt: null, startedAt: null, finishedAt: null };
    return makeJob('late', { state: 'queued', timings, spec: makeSpec('late', { startDelayMs: 5_000 }) });
  };
  expect(told(snapshot([delayed(now.getTime() - 4_999)]))).toEqual([]);
  expect(told(snapshot([delayed(now.getTime() - 5_000)]))).toEqual(['late: claim by w']);
});

describe('a matrix', () => {
  const one = (index: number, changes: Partial<Job> = {}, group: Partial<JobGroup> = {}): Job =>
    makeJob(`test (${index})`, {
      spec: makeSpec(`test (${index})`, {
        key: 'test',
        group: { index, total: 3, failFast: true, maxParallel: null, ...group },
      }),
      ...changes,
    });
  const running = { state: 'running', worker: 'w', attempt: 1, leaseUntil } as const;

  it('ends the others when one fails', () => {
    const jobs = [one(0, { state: 'finished', outcome: red }), one(1, running), one(2, { state: 'queued' })];
    expect(told(snapshot(jobs))).toEqual([
      'test (1): stop cancelled: cancelled: test (0) failed (fail-fast)',
      'test (2): finish cancelled: cancelled: test (0) failed (fail-fast)',
    ]);
  });

  it('is not ended by one that failed in the run that this one repeats', () => {
    const origin = { runId: 0, jobId: 0, attempt: 1 };
    const jobs = [one(0, { state: 'finished', outcome: red, origin }), one(1, running)];
    expect(told(snapshot(jobs))).toEqual([]);
  });

  it('asks a running one only once', () => {
    const ending: Outcome = { result: 'cancelled', reason: 'cancelled_by', message: 'x' };
    expect(told(snapshot([one(0, { state: 'finished', outcome: red }), one(1, { ...running, ending })]))).toEqual([]);
  });

  it('goes on when it is told not to fail fast, or when the failure is tolerated', () => {
    const patient = { failFast: false };
    const jobs = [one(0, { state: 'finished', outcome: red }, patient), one(1, { state: 'queued' }, patient)];
    expect(told(snapshot(jobs))).toEqual(['test (1): claim by w']);
    const [first, ...rest] = [one(0, { state: 'finished', outcome: red }), one(1, { state: 'queued' })];
    const tolerated = { ...first, spec: { ...first.spec, continueOnError: true } };
    expect(told(snapshot([tolerated, ...rest]))).toEqual(['test (1): claim by w']);
  });

  it('is not ended by one that was cancelled', () => {
    const byHand: Outcome = { result: 'cancelled', reason: 'cancelled_by', message: 'cancelled by ada' };
    const jobs = [one(0, { state: 'finished', outcome: byHand }), one(1, { state: 'queued' })];
    expect(told(snapshot(jobs))).toEqual(['test (1): claim by w']);
  });

  it('runs at most so many at once, also when several could start together', () => {
    const limit = { maxParallel: 2 };
    const jobs = [0, 1, 2].map((index) => one(index, { state: 'queued' }, limit));
    expect(told(snapshot(jobs))).toEqual(['test (0): claim by w', 'test (1): claim by w']);
    const full = [one(0, running, limit), one(1, running, limit), one(2, { state: 'queued' }, limit)];
    expect(told(snapshot(full))).toEqual([]);
  });
});

describe('a job that runs as a workflow of GitHub', () => {
  const lane = { kind: 'github' as const, workflow: 'build.yml', inputs: {} };
  const there = (name: string, changes: Partial<Job> = {}, spec: Partial<Job['spec']> = {}): Job =>
    makeJob(name, { state: 'queued', spec: makeSpec(name, { steps: [], lane, ...spec }), ...changes });
  const running = { state: 'running' as const, worker: 'w', attempt: 1, leaseUntil };

  it('takes no slot, and starts where there is none', () => {
    const jobs = [
      there('a'),
      makeJob('b', { state: 'queued' }),
      there('c', running),
      makeJob('d', { state: 'queued' }),
    ];
    expect(told(snapshot(jobs, [worker(1)]))).toEqual(['a: claim by w', 'b: claim by w']);
    expect(told(snapshot(jobs, [worker(0)]))).toEqual(['a: claim by w']);
  });

  it('waits for a worker that answers', () => {
    expect(told(snapshot([there('a')], []))).toEqual([]);
    expect(told(snapshot([there('a')], [worker(1, 'w', new Date(0))]))).toEqual([]);
  });

  it('keeps to max-parallel of its matrix', () => {
    const group = { index: 0, total: 3, failFast: true, maxParallel: 2 };
    const jobs = ['m (1)', 'm (2)', 'm (3)'].map((name) => there(name, {}, { key: 'm', group }));
    expect(told(snapshot(jobs))).toEqual(['m (1): claim by w', 'm (2): claim by w']);
  });
});

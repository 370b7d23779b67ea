import { describe, expect, it } from 'vitest';
import type { RecordedDuration } from '../../src/core/schedule/critical-path.ts';
import type { Job } from '../../src/core/job.ts';
import { PATIENCE_MS } from '../../src/core/schedule/order.ts';
import type { Capacity, Resources } from '../../src/core/resources.ts';
import { decide, type Snapshot } from '../../src/core/schedule/schedule.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const now = new Date(1_000_000);
const leaseUntil = new Date(now.getTime() + 60_000);
const GIB = 1024 ** 3;

interface Wish {
  readonly repo?: number;
  readonly durations?: Readonly<Record<string, number>>;
}

let ids = 0;
/** One run of these jobs; later ones are younger. */
function runOf(jobs: readonly Job[], { repo = 10, durations = {} }: Wish = {}): Snapshot['runs'][number] {
  const id = ++ids;
  return {
    run: makeRun({ id, repo: { id: repo, owner: 'octo', name: `r${repo}` } }),
    context: makeContext(),
    jobs: jobs.map((job) => ({ ...job, id: ++ids, runId: id })),
    durations: Object.entries(durations).map(([job, seconds]): RecordedDuration => ({
      job,
      platform: 'linux/amd64',
      ms: seconds * 1_000,
    })),
  };
}

const queuedFor = (ms: number) => ({
  queuedAt: new Date(now.getTime() - ms),
  claimedAt: null,
  startedAt: null,
  finishedAt: null,
});
const ready = (name: string, changes: Partial<Job['spec']> = {}, waitedMs = 0): Job =>
  makeJob(name, { state: 'queued', spec: makeSpec(name, changes), timings: queuedFor(waitedMs) });
const running = (name: string, changes: Partial<Job['spec']> = {}, worker = 'w'): Job =>
  makeJob(name, { state: 'running', worker, attempt: 1, leaseUntil, spec: makeSpec(name, changes) });
const wants = (wish: Partial<Resources>): { readonly resources: Resources } => ({
  resources: { cpus: null, memoryBytes: null, diskBytes: null, pids: null, ...wish },
});
const box = (slots: number, capacity?: Partial<Capacity>, id = 'w'): Snapshot['workers'][number] => ({
  ...{ id, slots, leaseUntil, platform: 'linux/amd64' },
  ...(capacity === undefined
    ? {}
    : { capacity: { cpus: 4, memoryBytes: 24 * GIB, diskBytes: 100 * GIB, ...capacity } }),
});

/** Names of the jobs that are started, in order; other decisions with what they say. */
function told(runs: Snapshot['runs'], workers: Snapshot['workers']): readonly string[] {
  const names = new Map(runs.flatMap(({ jobs }) => jobs.map((job) => [job.id, job.name])));
  return decide({ runs, workers }, now, 60_000).map((decision) => {
    const name = names.get(decision.job) ?? '';
    if (decision.action === 'claim') return workers.length > 1 ? `${name} on ${decision.worker}` : name;
    return `${name}: ${decision.action === 'finish' ? decision.outcome.message : decision.action}`;
  });
}

describe('inside a run', () => {
  it('the job with the longest remaining path goes first', () => {
    const jobs = [ready('lint'), ready('build'), makeJob('test', { waitsFor: ['build'] })];
    const durations = { lint: 30, build: 10, test: 60 };
    expect(told([runOf(jobs, { durations })], [box(1)])).toEqual(['build']);
  });

  it('phases count as well as needs, and unknown jobs are taken for average ones', () => {
    const jobs = [ready('lint'), ready('build'), makeJob('test', { waitsFor: ['lint', 'build'] }), ready('alone')];
    expect(told([runOf(jobs)], [box(3)])).toEqual(['lint', 'build', 'alone']);
    expect(told([runOf(jobs.toReversed())], [box(3)])).toEqual(['build', 'lint', 'alone']);
  });

  it('among paths that are about equal the higher priority goes first, then the order of the file', () => {
    const jobs = [ready('a'), ready('b', { priority: 5 }), ready('c', { priority: -1 }), ready('d'), ready('long')];
    const durations = { a: 50, b: 49, c: 50, d: 50, long: 300 };
    expect(told([runOf(jobs, { durations })], [box(5)])).toEqual(['long', 'b', 'a', 'd', 'c']);
  });

  it('a job that can be queued now is waited for before a slot is given away', () => {
    const jobs = [
      makeJob('build', { state: 'finished', outcome: { result: 'success', reason: 'exit', message: 'ok' } }),
      makeJob('urgent', { waitsFor: ['build'] }),
      ready('small'),
    ];
    expect(told([runOf(jobs, { durations: { urgent: 100, small: 1 } })], [box(1)])).toEqual(['urgent: queue']);
  });
});

describe('between runs', () => {
  it('of one repository the older one goes first, however long the path of the younger one is', () => {
    const runs = [runOf([ready('old')], { durations: { old: 1 } }), runOf([ready('new')], { durations: { new: 900 } })];
    expect(told(runs, [box(1)])).toEqual(['old']);
  });

  it('a higher priority goes before age', () => {
    expect(told([runOf([ready('old')]), runOf([ready('new', { priority: 1 })])], [box(1)])).toEqual(['new']);
  });

  it('of repositories the one with fewer running jobs goes first', () => {
    const runs = [runOf([running('x'), ready('much')], { repo: 1 }), runOf([ready('little')], { repo: 2 })];
    expect(told(runs, [box(4)])).toEqual(['little', 'much']);
  });

  it('a large pipeline of one repository does not hold back a small one of another, whatever its priority says', () => {
    const large = Array.from({ length: 10 }, (_, index) => ready(`large${index}`, { priority: 100 }));
    const runs = [runOf(large, { repo: 1 }), runOf([ready('small0'), ready('small1')], { repo: 2 })];
    expect(told(runs, [box(4)])).toEqual(['large0', 'large1', 'small0', 'small1']);
  });

  it('what one repository does not need the other one gets', () => {
    const large = Array.from({ length: 10 }, (_, index) => ready(`large${index}`));
    const runs = [runOf(large, { repo: 1 }), runOf([ready('small')], { repo: 2 })];
    expect(told(runs, [box(4)])).toEqual(['large0', 'small', 'large1', 'large2']);
  });
});

describe('a job with resources', () => {
  it('starts where it fits beside what runs there', () => {
    const cpus3 = wants({ cpus: 3 });
    const jobs = [running('x', cpus3), ready('big', cpus3), ready('small', wants({ cpus: 1 })), ready('plain')];
    expect(told([runOf(jobs)], [box(8, {})])).toEqual(['small', 'plain']);
    expect(told([runOf(jobs)], [box(8, {}), box(1, {}, 'v')])).toEqual(['big on v', 'small on w', 'plain on w']);
  });

  it('counts the claims of the same round, and thirds of a core make a whole', () => {
    const third = wants({ cpus: 0.34 });
    const jobs = ['a', 'b', 'c', 'd'].map((name) => ready(name, third));
    expect(told([runOf(jobs)], [box(8, { cpus: 1.02 })])).toEqual(['a', 'b', 'c']);
  });

  it('that fits no worker is an error which names the key and what there is', () => {
    const jobs = [ready('huge', wants({ memoryBytes: 64 * GIB, cpus: 1 }))];
    expect(told([runOf(jobs)], [box(8, { memoryBytes: 8 * GIB }), box(8, {}, 'v')])).toEqual([
      'huge: resources.memory: 64g, the largest worker has 24g; ask for less',
    ]);
    const decisions = decide({ runs: [runOf(jobs)], workers: [box(8, {})] }, now, 60_000);
    expect(decisions).toMatchObject([{ action: 'finish', outcome: { result: 'error', reason: 'config' } }]);
  });

  it('that no worker has all of is an error, too', () => {
    const jobs = [ready('odd', wants({ memoryBytes: 20 * GIB, cpus: 16 }))];
    const workers = [box(8, {}), box(8, { cpus: 32, memoryBytes: 4 * GIB }, 'v')];
    expect(told([runOf(jobs)], workers)).toEqual([
      'odd: resources.cpus: 16, resources.memory: 20g: no worker has all of it; ask for less',
    ]);
  });

  it('waits while no worker is there, or one that did not say what it has', () => {
    const jobs = [ready('huge', wants({ memoryBytes: 64 * GIB }))];
    expect(told([runOf(jobs)], [])).toEqual([]);
    expect(told([runOf(jobs)], [box(0, {}), box(1, undefined, 'v')])).toEqual(['huge on v']);
  });

  it('waits for disk that running jobs may give back, and is an error when nothing runs', () => {
    const jobs = [ready('big', wants({ diskBytes: 200 * GIB }))];
    expect(told([runOf([running('x'), ...jobs])], [box(2, {})])).toEqual([]);
    expect(told([runOf(jobs)], [box(2, {})])).toEqual([
      'big: resources.disk: 200g, the largest worker has 100g; ask for less',
    ]);
  });

  it('that has waited long gets the room that becomes free, and jobs that ask for none go on', () => {
    const small = wants({ cpus: 1 });
    const big = wants({ cpus: 4 });
    const jobs = [running('x', small), ready('small', small), ready('plain')];
    const patient = [runOf([...jobs, ready('big', big, PATIENCE_MS - 1)])];
    expect(told(patient, [box(8, {})])).toEqual(['small', 'plain']);
    const tired = [runOf([...jobs, ready('big', big, PATIENCE_MS)])];
    expect(told(tired, [box(8, {})])).toEqual(['plain']);
    const free = [runOf([...jobs.slice(1), ready('big', big, PATIENCE_MS)])];
    expect(told(free, [box(8, {})])).toEqual(['big', 'plain']);
  });

  it('keeps one worker free while it waits, not all of them', () => {
    const small = wants({ cpus: 1 });
    const jobs = [
      running('x', small, 'v'),
      running('y', small),
      ready('big', wants({ cpus: 4 }), PATIENCE_MS),
      ready('small', small),
    ];
    expect(told([runOf(jobs)], [box(8, {}), box(8, {}, 'v')])).toEqual(['small on v']);
  });
});

it('a large job starts in spite of small ones that come without end', () => {
  const small = (id: number, at: number): Job => ({
    ...ready(`small${id}`, { ...wants({ cpus: 1 }), priority: 100 }),
    ...{ id, timings: { ...queuedFor(0), queuedAt: new Date(at) } },
  });
  let jobs: readonly Job[] = [
    { ...ready('big', wants({ cpus: 4 })), id: 1, timings: { ...queuedFor(0), queuedAt: new Date(0) } },
  ];
  let isStarted = false;
  for (let at = 0; at < 300_000 && !isStarted; at += 5_000) {
    // Each takes 20 s, and one comes every 5 s: four cores are just enough for them.
    jobs = [...jobs, small(at / 5_000 + 2, at)].filter(
      ({ timings }) => timings.claimedAt === null || at - timings.claimedAt.getTime() < 20_000,
    );
    const decisions = decide(
      { runs: [{ ...runOf([]), jobs }], workers: [{ ...box(8, {}), leaseUntil: new Date(1e9) }] },
      new Date(at),
      1e9,
    );
    isStarted = decisions.some(({ job }) => job === 1);
    jobs = jobs.map((job) => {
      const isClaimed = decisions.some((decision) => decision.job === job.id);
      if (!isClaimed) return job;
      const timings = { ...job.timings, claimedAt: new Date(at) };
      return { ...job, state: 'running', worker: 'w', leaseUntil: new Date(1e9), attempt: 1, timings };
    });
  }
  expect(isStarted).toBe(true);
});

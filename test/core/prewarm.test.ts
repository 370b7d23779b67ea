import { describe, expect, it } from 'vitest';
import type { Intake } from '../../src/core/intake.ts';
import type { Job } from '../../src/core/job.ts';
import type { CacheSpec } from '../../src/core/pipeline/pipeline.ts';
import { whatToPrepare, type Outlook, type PastRun } from '../../src/core/schedule/prewarm.ts';
import type { UnfinishedRun } from '../../src/core/schedule/schedule.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const now = new Date(100_000);
const superseded = { result: 'cancelled', reason: 'superseded', message: 'superseded by abc1234' } as const;
const passed = { result: 'success', reason: 'exit', message: 'passed' } as const;
const failed = { result: 'failure', reason: 'exit', message: 'exit 1' } as const;
const layer: CacheSpec = { kind: 'layer', key: ['lock'], paths: ['deps'], install: 'make deps' };
const volume: CacheSpec = { kind: 'volume', path: '/cache' };

/** Queued for `ms` at `now`. */
const since = (ms: number): Job['timings'] => ({
  ...{ queuedAt: new Date(now.getTime() - ms), claimedAt: null, startedAt: null, finishedAt: null },
});

let nextId = 1;
function job(name: string, { spec = {}, ...changes }: Partial<Omit<Job, 'spec'>> & { spec?: object } = {}): Job {
  return makeJob(name, { id: nextId++, ...changes, spec: makeSpec(name, spec) });
}
const queued = (name: string, spec: object = {}, ms = 5_000): Job =>
  job(name, { spec, state: 'queued', timings: since(ms) });
const running = (name: string): Job => job(name, { state: 'running', worker: 'box', attempt: 1 });
const after = (name: string, waitsFor: string[], spec: object = {}): Job => job(name, { waitsFor, spec });

function run(jobs: readonly Job[], changes: Partial<UnfinishedRun['run']> = {}): UnfinishedRun {
  return { run: makeRun(changes), context: makeContext({ caches: { deps: layer, notes: volume } }), jobs };
}

function outlook(runs: readonly UnfinishedRun[], changes: Partial<Outlook> & { readonly slots?: number } = {}) {
  const { slots = 2, ...rest } = changes;
  const workers = [{ id: 'box', slots, leaseUntil: new Date(now.getTime() + 60_000) }];
  return {
    snapshot: { runs, workers },
    coming: [],
    past: [],
    worker: 'box',
    building: new Set<string>(),
    now,
    ...rest,
  };
}

/** `name` alone = its image and its checkout; then what else. */
function wished(parts: Outlook): readonly string[] {
  return whatToPrepare(parts).map(({ job: { name }, slot, build }) =>
    [name, ...(slot ? ['slot'] : []), ...(build ? ['build'] : [])].join(' '),
  );
}

describe('of planned jobs', () => {
  it.each<[string, UnfinishedRun[], readonly string[]]>([
    ['gets a slot: one that waits for a slot', [run([running('a'), running('b'), queued('c')])], ['c slot']],
    ['gets nothing: one that is claimed in this moment', [run([queued('c', {}, 10)])], []],
    ['gets a slot: one that should have been claimed and was not', [run([queued('c', {}, 2_000)])], ['c slot']],
    ['gets a slot: one that waits for a job that runs', [run([running('a'), after('c', ['a'])])], ['c slot']],
    [
      'gets a slot: one of which one need runs and the other is over',
      [run([running('a'), job('b', { state: 'finished', outcome: passed }), after('c', ['a', 'b'])])],
      ['c slot'],
    ],
    [
      'gets nothing but its image: one that waits for a job that waits',
      [run([running('a'), after('b', ['a']), after('c', ['b'], { container: { image: 'other', readOnly: false } })])],
      ['b slot', 'c'],
    ],
    [
      'gets nothing: one whose image is prepared for another job already',
      [run([running('a'), after('b', ['a']), after('c', ['b'])])],
      ['b slot'],
    ],
    [
      'gets no slot: one whose need failed',
      [run([job('a', { state: 'finished', outcome: failed }), after('b', ['a'])])],
      ['b'],
    ],
    ['gets nothing: one of a fork that nobody approved', [run([queued('c')], { trust: 'T4' })], []],
    ['gets nothing: one of a run that is superseded', [run([queued('c')], { ending: superseded })], []],
    ['gets nothing: one that is cancelled', [run([job('c', { state: 'queued', ending: superseded })])], []],
    ['gets a slot: one of an approved fork', [run([running('a'), after('c', ['a'])], { trust: 'T3' })], ['c slot']],
    [
      'gets nothing: one of a run whose group is held by an older run',
      [
        run([running('a')], { id: 1, concurrency: { group: 'g', cancelInProgress: false } }),
        run([queued('c')], { id: 2, concurrency: { group: 'g', cancelInProgress: false } }),
      ],
      [],
    ],
    [
      'gets no slot: one with a condition that nobody has looked at',
      [run([running('a'), after('c', ['a'], { condition: 'x' })])],
      ['c'],
    ],
    [
      'gets no slot: one whose result may be taken over',
      [run([running('a'), after('c', ['a'], { inputs: ['src'] })])],
      ['c'],
    ],
    [
      'gets no slot: one of a group of jobs',
      [run([running('a'), after('c', ['a'], { concurrency: { group: 'g', cancelInProgress: false } })])],
      ['c'],
    ],
    [
      'gets nothing: one whose image a job tells that is not over',
      [
        run([
          running('a'),
          after('c', ['a'], { container: { image: '${{ needs.a.outputs.image }}', readOnly: false } }),
        ]),
      ],
      [],
    ],
    ['gets nothing: one that only another worker can run', [run([queued('c', { runsOn: ['gpu'] })])], []],
    ['gets no slot: one that starts much later', [run([queued('c', { startDelayMs: 60_000 })])], ['c']],
    ['gets a slot: one whose delay is almost over', [run([queued('c', { startDelayMs: 8_000 })], {})], ['c slot']],
  ])('%s', (_what, runs, wishes) => {
    expect(wished(outlook(runs))).toEqual(wishes);
  });

  it('no more get a slot than the worker has', () => {
    const jobs = [running('a'), ...['c', 'd', 'e'].map((name) => after(name, ['a']))];
    expect(wished(outlook([run(jobs)]))).toEqual(['c slot', 'd slot', 'e']);
    expect(whatToPrepare(outlook([run(jobs)], { slots: 0 }))).toEqual([]);
    expect(whatToPrepare(outlook([run(jobs)], { worker: 'another' }))).toEqual([]);
  });

  it('no more of a matrix get a slot than may run at once', () => {
    const group = { index: 0, total: 3, failFast: true, maxParallel: 1 };
    const jobs = [running('a'), ...['c', 'd'].map((name) => after(name, ['a'], { key: 'm', group }))];
    expect(wished(outlook([run(jobs)]))).toEqual(['c slot', 'd']);
  });

  it('those that wait for a slot come before those that wait for jobs', () => {
    expect(wished(outlook([run([running('a'), running('b'), after('c', ['a']), queued('d')])]))).toEqual([
      'd slot',
      'c slot',
    ]);
  });

  it('the same wish has the same name, and another attempt is another wish', () => {
    const runs = (attempt: number) => [run([running('a'), job('c', { id: 99, attempt, waitsFor: ['a'] })])];
    const ids = [0, 0, 1].map((attempt) => whatToPrepare(outlook(runs(attempt)))[0]?.id);
    expect(ids).toEqual(['job 99.0', 'job 99.0', 'job 99.1']);
  });
});

describe('a missing layer', () => {
  const cached = { caches: ['deps'] };

  it.each<[string, UnfinishedRun[], Partial<Outlook> & { slots?: number }, readonly string[]]>([
    ['is built while a slot is free', [run([running('a'), after('c', ['a'], cached)])], {}, ['c slot build']],
    ['of T2 as well', [run([running('a'), after('c', ['a'], cached)], { trust: 'T2' })], {}, ['c slot build']],
    [
      'not of T3: nobody else could use it',
      [run([running('a'), after('c', ['a'], cached)], { trust: 'T3' })],
      {},
      ['c slot'],
    ],
    ['not of T4', [run([running('a'), after('c', ['a'], cached)], { trust: 'T4' })], {}, []],
    ['not while all slots are in use', [run([running('a'), running('b'), after('c', ['a'], cached)])], {}, ['c slot']],
    [
      'not while others wait for the slot',
      [run([running('a'), queued('b', {}, 10), after('c', ['a'], cached)])],
      {},
      ['c slot'],
    ],
    [
      'not for a job with a condition',
      [run([running('a'), after('c', ['a'], { ...cached, condition: 'x' })])],
      {},
      ['c'],
    ],
    ['not where there is none', [run([running('a'), after('c', ['a'], { caches: ['notes'] })])], {}, ['c slot']],
    [
      'no more than there are free slots',
      [run([running('a'), ...['c', 'd', 'e'].map((name) => after(name, ['a'], cached))])],
      { slots: 3 },
      ['c slot build', 'd slot build', 'e slot'],
    ],
  ])('%s', (_what, runs, changes, wishes) => {
    expect(wished(outlook(runs, changes))).toEqual(wishes);
  });

  it('that is being built counts as one, and is built to its end when its room is needed or its job is claimed', () => {
    const building = new Set(['job 501.0']);
    const own = { id: 501, waitsFor: ['a'], spec: cached };
    const others = [running('a'), after('d', ['a'], cached)];
    expect(wished(outlook([run([...others, job('c', own)])], { building }))).toEqual(['c slot build', 'd slot']);
    const full = [...others, running('b'), job('c', own)];
    expect(wished(outlook([run(full)], { building }))).toEqual(['c slot build', 'd slot']);
    const claimed = job('c', { ...own, state: 'running', worker: 'box', attempt: 1 });
    expect(wished(outlook([run([claimed])], { building }))).toEqual(['c build']);
    expect(wished(outlook([run([claimed], { ending: superseded })], { building }))).toEqual([]);
  });
});

describe('of a push that is not planned yet', () => {
  function coming(changes: Partial<Intake & { kind: 'head' }> = {}): Intake {
    return {
      ...{ kind: 'head', eventName: 'push', sha: 'b'.repeat(40), trust: 'T2', event: {}, id: 7, deliveryId: 'x' },
      ...{ repo: makeRun().repo, headRef: 'refs/heads/x', headRepoId: 10, prNumber: null, baseRef: null },
      ...{ defaultBranch: 'main', actor: 'mona', receivedAt: now, tries: 0 },
      ...changes,
    };
  }
  const past = (jobs: readonly Job[], changes: Partial<PastRun['run']> = {}): PastRun => run(jobs, changes);
  const usual = past([job('a'), job('b', { waitsFor: ['a'] }), job('c', { spec: { condition: 'x' } })]);
  const wishes = (changes: Partial<Outlook> & { slots?: number }, runs: readonly UnfinishedRun[] = []) =>
    whatToPrepare(outlook(runs, { coming: [coming()], past: [usual], ...changes }));

  it('the jobs that the last run began with get slots, in the class of the push, and nothing is built', () => {
    expect(
      wishes({}).map(({ kind, slot, build, run: { trust }, job: { name } }) => [kind, name, trust, slot, build]),
    ).toEqual([['likely', 'a', 'T2', true, false]]);
  });

  it.each<[string, Partial<Outlook> & { slots?: number }, readonly UnfinishedRun[]]>([
    ['when nobody approved the fork', { coming: [coming({ trust: 'T4' })] }, []],
    ['when nothing is known of the repository', { past: [] }, []],
    [
      'when only another repository is known',
      { past: [past([job('a')], { repo: { id: 11, owner: 'o', name: 'n' } })] },
      [],
    ],
    [
      'when only what is trusted less tells what to start',
      { coming: [coming({ trust: 'T1' })], past: [past([job('a')], { trust: 'T2' })] },
      [],
    ],
    ['for another worker', { past: [past([job('a', { spec: { platform: 'linux/arm64' } })])] }, []],
    ['when no slot is free', { slots: 1 }, [run([running('z')], { id: 9 })]],
  ])('nothing is prepared %s', (_what, changes, runs) => {
    expect(wishes(changes, runs)).toEqual([]);
  });

  it('the newest run of a pipeline tells, and the pull request of the same commit tells nothing more', () => {
    const newer = past([job('new')], { id: 2, trust: 'T2' });
    const both = [coming(), coming({ id: 8, eventName: 'pull_request', prNumber: 3 })];
    expect(wishes({ coming: both, past: [newer, usual] }).map(({ job: { name } }) => name)).toEqual(['new']);
  });

  it('what is planned goes first', () => {
    const runs = [run([running('y'), after('z', ['y'])], { id: 9 })];
    expect(wishes({ slots: 2 }, runs).map(({ job: { name }, slot }) => `${name} ${slot}`)).toEqual([
      'z true',
      'a true',
    ]);
    expect(
      wishes({ slots: 2 }, [run([running('y'), after('z', ['y']), after('w', ['y'])], { id: 9 })]).map(
        ({ job: { name } }) => name,
      ),
    ).toEqual(['z', 'w']);
  });
});

it('nothing is prepared for jobs that run elsewhere, and they take no room from others', () => {
  const lane = { kind: 'github', workflow: 'build.yml', inputs: {} };
  const there = job('there', { state: 'running', worker: 'box', attempt: 1, spec: { lane } });
  expect(wished(outlook([run([queued('q', { lane }), after('n', ['q'], { lane }), there])]))).toEqual([]);
  const jobs = [there, running('a'), after('c', ['a'])];
  expect(wished(outlook([run(jobs)]))).toEqual(wished(outlook([run(jobs.slice(1))])));
});

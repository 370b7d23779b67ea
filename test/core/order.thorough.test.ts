/** Random runs of several repositories on random workers: who starts when, and what that is worth. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectedDurations, remainingPaths, type RecordedDuration } from '../../src/core/schedule/critical-path.ts';
import type { Job } from '../../src/core/job.ts';
import { amountsOf, fits, minus, plus, NOTHING, type Resources } from '../../src/core/resources.ts';
import { decide, type Decision, type Snapshot } from '../../src/core/schedule/schedule.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';
import { lowerBound, seeded, simulate, type SimulatedJob } from '../support/simulate.ts';

const LEASE_MS = 1e12;
const STEP_MS = 20_000;
const passed = { result: 'success', reason: 'exit', message: 'ok' } as const;

interface PlannedJob {
  readonly needs: readonly number[];
  readonly priority: number;
  readonly cpus: number | null;
  readonly ms: number | undefined;
}

interface Plan {
  readonly runs: readonly { readonly repo: number; readonly at: number; readonly jobs: readonly PlannedJob[] }[];
  readonly workers: readonly { readonly slots: number; readonly cpus: number }[];
  readonly luck: readonly number[];
}

const plans: fc.Arbitrary<Plan> = fc.record({
  runs: fc.array(
    fc.record({
      repo: fc.integer({ min: 1, max: 3 }),
      at: fc.nat(4),
      jobs: fc.array(
        fc.record({
          needs: fc.array(fc.nat(20), { maxLength: 3 }),
          priority: fc.constantFrom(0, 0, 0, 50, -50),
          cpus: fc.constantFrom(null, null, 1, 2, 4, 9),
          ms: fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined }),
        }),
        { minLength: 1, maxLength: 12 },
      ),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  workers: fc.array(fc.record({ slots: fc.integer({ min: 1, max: 4 }), cpus: fc.constantFrom(2, 4, 8) }), {
    minLength: 1,
    maxLength: 3,
  }),
  luck: fc.array(fc.nat(1000), { minLength: 1, maxLength: 50 }),
});

it('never over capacity, never before its needs, never unfair, never idle without a reason, and always to the end', () => {
  fc.assert(
    fc.property(plans, (plan) => {
      play(plan);
    }),
    { numRuns: 1_000 },
  );
}, 60_000);

function play(plan: Plan): void {
  const workers = plan.workers.map(({ slots, cpus }, index) => ({
    ...{ id: `w${index}`, slots, leaseUntil: new Date(LEASE_MS), platform: 'linux/amd64' },
    capacity: { cpus, memoryBytes: 1e9, diskBytes: 1e9 },
  }));
  const most = Math.max(...plan.workers.map(({ cpus }) => cpus));
  let runs = runsOf(plan);
  const alive = (step: number): Snapshot['runs'] => runs.filter((_, index) => (plan.runs[index]?.at ?? 0) < step);
  for (let step = 1; runs.some(({ jobs }) => jobs.some(({ state }) => state !== 'finished')); step++) {
    expect(step, 'something never ends').toBeLessThan(400);
    const now = new Date(step * STEP_MS);
    for (let round = 0; ; round++) {
      expect(round, 'decide() never comes to rest').toBeLessThan(100);
      const before = { runs: alive(step), workers };
      const decisions = decide(before, now, LEASE_MS);
      expect(decide(before, now, LEASE_MS)).toEqual(decisions);
      if (decisions.length === 0) break;
      expectInOrder(before, decisions, now);
      runs = runs.map((one) => ({ ...one, jobs: one.jobs.map((job) => applied(job, one.jobs, decisions, now)) }));
      expectFair({ runs: alive(step), workers }, decisions);
    }
    expectWithinCapacity({ runs: alive(step), workers });
    expectBusy({ runs: alive(step), workers });
    runs = runs.map((one) => ({
      ...one,
      jobs: one.jobs.map((job) => {
        const luck = plan.luck[(job.id * 7 + step) % plan.luck.length] ?? 0;
        const ends = job.state === 'running' && (luck % 3 === 0 || step > 100);
        return ends ? { ...job, state: 'finished' as const, outcome: passed } : job;
      }),
    }));
  }
  for (const job of runs.flatMap(({ jobs }) => jobs)) {
    const cpus = job.spec.resources?.cpus ?? 0;
    if (cpus > most) expect(job.outcome?.result, job.name).toMatch(/^(error|skipped)$/);
    else expect(job.outcome?.result, job.name).toMatch(/^(success|skipped)$/);
    expect(job.attempt).toBe(job.outcome?.result === 'success' ? 1 : 0);
  }
}

function runsOf(plan: Plan): Snapshot['runs'] {
  let id = 0;
  return plan.runs.map(({ repo, jobs }, index) => ({
    run: makeRun({ id: index + 1, repo: { id: repo, owner: 'octo', name: `r${repo}` } }),
    context: makeContext(),
    durations: jobs.flatMap(({ ms }, place): RecordedDuration[] =>
      ms === undefined ? [] : [{ job: `j${place}`, platform: 'linux/amd64', ms }],
    ),
    jobs: jobs.map(({ needs, priority, cpus }, place) => {
      const names = place === 0 ? [] : [...new Set(needs.map((need) => `j${need % place}`))];
      const resources: Resources | null =
        cpus === null ? null : { cpus, memoryBytes: null, diskBytes: null, pids: null };
      return makeJob(`j${place}`, {
        id: ++id,
        waitsFor: names,
        spec: makeSpec(`j${place}`, { needs: names, priority, resources }),
      });
    }),
  }));
}

function applied(job: Job, all: readonly Job[], decisions: readonly Decision[], now: Date): Job {
  const decision = decisions.find((one) => one.job === job.id);
  if (decision?.action === 'queue') return { ...job, state: 'queued', timings: { ...job.timings, queuedAt: now } };
  if (decision?.action === 'finish') return { ...job, state: 'finished', outcome: decision.outcome };
  if (decision?.action !== 'claim') return job;
  expect(job.state).toBe('queued');
  for (const name of job.waitsFor)
    expect(all.find((one) => one.name === name)?.outcome?.result, `${job.name} began before ${name}`).toBe('success');
  const claim = { state: 'running', worker: decision.worker, leaseUntil: decision.leaseUntil } as const;
  return { ...job, ...claim, attempt: job.attempt + 1, timings: { ...job.timings, claimedAt: now } };
}

const jobsIn = (snapshot: Snapshot, state: Job['state']): readonly Job[] =>
  snapshot.runs.flatMap(({ jobs }) => jobs.filter((job) => job.state === state));

function expectWithinCapacity(snapshot: Snapshot): void {
  for (const { id, slots, capacity } of snapshot.workers) {
    const mine = jobsIn(snapshot, 'running').filter(({ worker }) => worker === id);
    expect(mine.length).toBeLessThanOrEqual(slots);
    const used = mine.map(({ spec }) => amountsOf(spec.resources)).reduce(plus, NOTHING);
    expect(fits(used, capacity ?? NOTHING), `${used.cpus} cores on ${capacity?.cpus}`).toBe(true);
  }
}

/** A job that asks for no room never waits beside a free slot, and one that asks never beside a worker with nothing to do. */
function expectBusy(snapshot: Snapshot): void {
  const running = jobsIn(snapshot, 'running');
  const queued = jobsIn(snapshot, 'queued');
  for (const { id, slots, capacity } of snapshot.workers) {
    const mine = running.filter(({ worker }) => worker === id);
    if (mine.length < slots) expect(queued.filter(({ spec }) => spec.resources === null)).toEqual([]);
    const free = minus(capacity ?? NOTHING, NOTHING);
    if (mine.length === 0) expect(queued.filter(({ spec }) => fits(amountsOf(spec.resources), free))).toEqual([]);
  }
}

/** No repository is given more than its share while another one that has less could use the slot. */
function expectFair(after: Snapshot, decisions: readonly Decision[]): void {
  const count = (state: Job['state']): ReadonlyMap<number, number> => {
    const counts = new Map<number, number>();
    for (const { run, jobs } of after.runs) {
      const some = jobs.filter((job) => job.state === state && (state === 'running' || job.spec.resources === null));
      if (some.length > 0) counts.set(run.repo.id, (counts.get(run.repo.id) ?? 0) + some.length);
    }
    return counts;
  };
  const [running, waiting] = [count('running'), count('queued')];
  const slots = after.workers.reduce((sum, worker) => sum + worker.slots, 0);
  const share = slots / new Set([...running.keys(), ...waiting.keys()]).size;
  const claimed = new Set(decisions.filter(({ action }) => action === 'claim').map(({ job }) => job));
  for (const { run, jobs } of after.runs) {
    if (!jobs.some(({ id }) => claimed.has(id))) continue;
    const mine = running.get(run.repo.id) ?? 0;
    for (const repo of waiting.keys()) {
      const theirs = running.get(repo) ?? 0;
      if (repo === run.repo.id || mine <= share || mine <= 1) continue;
      expect(
        theirs + 1,
        `repository ${run.repo.id} has ${mine} of ${share}, ${repo} waits with ${theirs}`,
      ).toBeGreaterThan(share);
    }
  }
}

/** Of the jobs of one run that ask for no room, those that start have the longest paths, as far as durations are exact. */
function expectInOrder({ runs }: Snapshot, decisions: readonly Decision[], now: Date): void {
  const claimed = new Set(decisions.filter(({ action }) => action === 'claim').map(({ job }) => job));
  for (const { jobs, durations } of runs) {
    const ready = jobs.filter((job) => job.state === 'queued');
    if (!ready.some(({ id }) => claimed.has(id))) continue;
    const expected = expectedDurations(durations ?? [], new Set(['linux/amd64']));
    const paths = remainingPaths(jobs, expected, now);
    const lengths = (some: readonly Job[]): readonly number[] => some.map(({ id }) => paths.get(id) ?? 0);
    const plain = ready.filter(({ spec }) => spec.resources === null);
    const slack = Math.max(1, ...lengths(ready)) * 0.05;
    const shortest = Math.min(...lengths(plain.filter(({ id }) => claimed.has(id))));
    const longest = Math.max(...lengths(plain.filter(({ id }) => !claimed.has(id))));
    expect(shortest).toBeGreaterThanOrEqual(longest - slack);
  }
}

describe('the longest path first', () => {
  const SEEDS = 500;
  const SLOTS = 4;

  /** 50 jobs of 1 s to 1 min, most of them short, each with at most two needs before it. */
  function randomPlan(seed: number): readonly SimulatedJob[] {
    const random = seeded(seed);
    return Array.from({ length: 50 }, (_, index) => ({
      name: `j${index}`,
      ms: Math.round(1_000 * 60 ** random()),
      needs:
        index === 0
          ? []
          : [...new Set(Array.from({ length: Math.floor(random() * 3) }, () => `j${Math.floor(random() * index)}`))],
    }));
  }

  it('makes random pipelines at least 8 % faster than first come, and none more than 2 % slower', () => {
    let [path, firstCome, bound, worst, worstSeed] = [0, 0, 0, 0, 0];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const plan = randomPlan(seed);
      const mine = simulate(plan, SLOTS, 'path');
      const theirs = simulate(plan, SLOTS, 'first-come');
      path += mine;
      firstCome += theirs;
      bound += lowerBound(plan, SLOTS);
      if (mine / theirs > worst) [worst, worstSeed] = [mine / theirs, seed];
    }
    const shorter = 1 - path / firstCome;
    const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
    console.info(
      `critical-path: ${SEEDS} random pipelines, mean ${percent(shorter)} shorter than first come, ` +
        `worst ${percent(worst - 1)} longer (seed ${worstSeed}), ${percent(path / bound - 1)} above the lower bound`,
    );
    expect(shorter).toBeGreaterThanOrEqual(0.08);
    expect(worst).toBeLessThanOrEqual(1.02);
  }, 60_000);

  it('keeps most of that when every recorded duration is wrong by up to a third', () => {
    let [path, firstCome] = [0, 0];
    for (let seed = 1; seed <= 100; seed++) {
      const plan = randomPlan(seed);
      const random = seeded(seed + 1_000_000);
      const wrong = plan.map(({ name, ms }) => ({ job: name, platform: '', ms: ms * (2 / 3 + random() * (2 / 3)) }));
      path += simulate(plan, SLOTS, 'path', wrong);
      firstCome += simulate(plan, SLOTS, 'first-come');
    }
    console.info(`critical-path: with wrong durations ${((1 - path / firstCome) * 100).toFixed(1)} % shorter`);
    expect(1 - path / firstCome).toBeGreaterThanOrEqual(0.08);
  }, 60_000);

  it('runs a real pipeline of 16 jobs within 5 % of the shortest time that is possible', () => {
    const figures = [2, 4, 8].map((slots) => {
      const wall = simulate(dag16, slots, 'path');
      return { slots, wall, bound: lowerBound(dag16, slots), ratio: wall / lowerBound(dag16, slots) };
    });
    console.info(
      `dag-16: ${figures.map(({ slots, ratio }) => `${ratio.toFixed(3)} × the bound on ${slots} slots`).join(', ')}`,
    );
    for (const { ratio } of figures) expect(ratio).toBeLessThanOrEqual(1.05);
  });
});

/** A web project's pipeline with the times its jobs took alone, scaled 1:20. */
const dag16: readonly SimulatedJob[] = [
  job16('lint-python', 5),
  job16('build-js', 17),
  job16('test-js', 24),
  job16('test-python-3.13', 63),
  job16('test-python-3.11', 63),
  job16('jupyter-warmup', 11),
  job16('build-wheel', 22, 'build-js'),
  job16('playwright-storybook', 10, 'build-js'),
  job16('test-mcp-wheel', 12, 'build-wheel'),
  job16('playwright-marimo', 56, 'build-wheel'),
  job16('playwright-server', 58, 'build-wheel'),
  job16('smoke-test-extras', 20, 'build-wheel'),
  job16('playwright-wasm-marimo', 35, 'build-wheel'),
  job16('test-python-3.12', 63, 'build-wheel'),
  job16('wheel-install', 6, 'build-wheel', 'jupyter-warmup'),
  job16('playwright-jupyter', 123, 'jupyter-warmup', 'wheel-install'),
];

function job16(name: string, seconds: number, ...needs: readonly string[]): SimulatedJob {
  return { name, needs, ms: seconds * 50 };
}

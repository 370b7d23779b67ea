/** Random pipelines on random workers, driven by decide() alone: what must hold in every history. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { waitsForOf } from '../../src/core/plan/graph.ts';
import { mayMove, type Job } from '../../src/core/job.ts';
import { cancelledBy, lets, type Outcome } from '../../src/core/outcome.ts';
import { decide, type Decision, type Snapshot } from '../../src/core/schedule/schedule.ts';
import { runOutcome } from '../../src/core/run.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const LEASE_MS = 1_000;

interface Plan {
  readonly jobs: readonly PlannedJob[];
  readonly phases: number;
  readonly slots: readonly number[];
  /** Step at which somebody cancels the run, or undefined. */
  readonly cancelAt: number | undefined;
  /** Step at which the first worker dies for good; a second one is there then. */
  readonly deathAt: number | undefined;
  readonly luck: readonly number[];
}

interface PlannedJob {
  readonly needs: readonly number[] | undefined;
  /** It needs an artifact of each, instead of its end. */
  readonly needsArtifacts: boolean;
  /** It publishes its artifact while it runs. */
  readonly publishes: boolean;
  /** Attempts that fail before the one that comes to `outcome`. */
  readonly lostAttempts: number;
  readonly phase: number;
  readonly continueOnError: boolean;
  readonly outcome: Outcome;
}

const outcomes: readonly Outcome[] = [
  { result: 'success', reason: 'exit', message: 'ok' },
  { result: 'success', reason: 'exit', message: 'ok' },
  { result: 'success', reason: 'exit', message: 'ok' },
  { result: 'failure', reason: 'exit', message: 'exit 1', exitCode: 1 },
  { result: 'error', reason: 'disk', message: 'disk full' },
];

const plans: fc.Arbitrary<Plan> = fc.record({
  jobs: fc.array(
    fc.record({
      needs: fc.option(fc.array(fc.nat(30), { maxLength: 4 }), { nil: undefined }),
      needsArtifacts: fc.boolean(),
      publishes: fc.boolean(),
      lostAttempts: fc.constantFrom(0, 0, 1),
      phase: fc.nat(2),
      continueOnError: fc.boolean(),
      outcome: fc.constantFrom(...outcomes),
    }),
    { minLength: 1, maxLength: 20 },
  ),
  phases: fc.constantFrom(1, 3),
  slots: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
  cancelAt: fc.option(fc.nat(20), { nil: undefined }),
  deathAt: fc.option(fc.nat(20), { nil: undefined }),
  luck: fc.array(fc.nat(1000), { minLength: 1, maxLength: 50 }),
});

it('runs every job at most once at a time, after its needs, within the slots, until all are finished', () => {
  fc.assert(
    fc.property(plans, (plan) => {
      play(plan);
    }),
    { numRuns: 2_000 },
  );
}, 60_000);

function play(plan: Plan): void {
  const jobs = jobsOf(plan);
  const waitsFor = new Map(jobs.map((job) => [job.name, job.waitsFor]));
  let run = makeRun();
  const workers = plan.slots.map((slots, index) => ({ id: `w${index}`, slots, leaseUntil: new Date(LEASE_MS) }));
  if (workers.length === 1) workers.push({ id: 'spare', slots: 1, leaseUntil: new Date(LEASE_MS) });
  const claims = new Map<string, number>();
  let time = 0;
  let step = 0;
  const set = (name: string, change: Partial<Job>): void => {
    const index = jobs.findIndex((job) => job.name === name);
    const job = jobs[index] ?? expect.unreachable();
    if (change.state !== undefined)
      expect(mayMove(job.state, change.state), `${job.state} → ${change.state}`).toBe(true);
    jobs[index] = { ...job, ...change };
  };
  while (jobs.some((job) => job.state !== 'finished')) {
    step += 1;
    expect(step, 'the run does not end').toBeLessThan(500);
    const isDead = (id: string): boolean => id === 'w0' && plan.deathAt !== undefined && step > plan.deathAt;
    if (step === plan.cancelAt) run = { ...run, ending: cancelledBy('Mona') };
    time += 400;
    for (const worker of workers) {
      if (isDead(worker.id)) continue;
      worker.leaseUntil = new Date(time + LEASE_MS);
      for (const job of jobs)
        if (job.worker === worker.id && job.state === 'running')
          set(job.name, { leaseUntil: new Date(time + LEASE_MS) });
    }
    settle({ runs: [{ run, context: makeContext(), jobs }], workers }, new Date(time), (decision) => {
      const job = jobs.find((one) => one.id === decision.job) ?? expect.unreachable();
      expect(decision.attempt).toBe(job.attempt);
      if (decision.action === 'queue') set(job.name, { state: 'queued' });
      else if (decision.action === 'finish') set(job.name, { state: 'finished', outcome: decision.outcome });
      else if (decision.action === 'claim') {
        for (const name of waitsFor.get(job.name) ?? []) {
          const need = jobs.find((one) => one.name === name) ?? expect.unreachable();
          expect(letsGo(need, job), `${job.name} was claimed before ${name} let it`).toBe(true);
        }
        expect(run.ending, 'nothing starts in a run that is ending').toBeNull();
        claims.set(job.name, (claims.get(job.name) ?? 0) + 1);
        expect(job.published, 'what an earlier attempt published does not count any more').toEqual([]);
        set(job.name, {
          state: 'running',
          worker: decision.worker,
          leaseUntil: decision.leaseUntil,
          attempt: job.attempt + 1,
        });
      }
    });
    for (const worker of workers) {
      expect(jobs.filter((job) => job.state === 'running' && job.worker === worker.id).length).toBeLessThanOrEqual(
        worker.slots,
      );
    }
    finishSome(plan, jobs, step, isDead, run.ending, set);
  }
  expectRightEnd(plan, jobs, claims, run.ending);
}

/** Whether a job may start as far as this need is concerned, told in other words than decide() does. */
function letsGo({ spec, outcome, published }: Job, job: Job): boolean {
  if (job.spec.artifactNeeds?.some((one) => one.job === spec.key) === true)
    return published.includes('out') || outcome?.result === 'success';
  return outcome !== null && lets(outcome, spec.continueOnError);
}

/** As the scheduler does it: asks again until there is nothing left to decide. */
function settle(snapshot: Snapshot, now: Date, apply: (decision: Decision) => void): void {
  for (let round = 0; ; round++) {
    expect(round, 'decide() never comes to rest').toBeLessThan(100);
    const decisions = decide(snapshot, now, LEASE_MS);
    expect(new Set(decisions.map((decision) => decision.job)).size, 'one decision per job').toBe(decisions.length);
    expect(decide(snapshot, now, LEASE_MS), 'the same snapshot gives the same answer').toEqual(decisions);
    if (decisions.length === 0) return;
    for (const decision of decisions) apply(decision);
  }
}

/** Live workers end some of their jobs; a cancelled run's jobs are stopped. */
function finishSome(
  plan: Plan,
  jobs: readonly Job[],
  step: number,
  isDead: (worker: string) => boolean,
  ending: Outcome | null,
  set: (name: string, change: Partial<Job>) => void,
): void {
  for (const [index, job] of jobs.entries()) {
    if (job.state !== 'running' || isDead(job.worker ?? '')) continue;
    const luck = plan.luck[(index * 7 + step) % plan.luck.length] ?? 0;
    const planned = plan.jobs[index];
    const isOver = luck % 3 === 0 || step > 100;
    if (planned?.publishes === true && (isOver || luck % 3 === 1)) set(job.name, { published: ['out'] });
    // The store does this in the transaction that ends the attempt.
    if (isOver && ending === null && job.attempt <= (planned?.lostAttempts ?? 0))
      set(job.name, { state: 'queued', published: [], worker: null, leaseUntil: null });
    else if (isOver) set(job.name, { state: 'finished', outcome: ending ?? plan.jobs[index]?.outcome ?? null });
  }
}

function expectRightEnd(
  plan: Plan,
  jobs: readonly Job[],
  claims: ReadonlyMap<string, number>,
  ending: Outcome | null,
): void {
  for (const [index, job] of jobs.entries()) {
    const times = claims.get(job.name) ?? 0;
    expect(times, 'no attempt that nobody asked for').toBeLessThanOrEqual(1 + (plan.jobs[index]?.lostAttempts ?? 0));
    expect(job.attempt).toBe(times);
    if (job.outcome?.result === 'success')
      expect(plan.jobs[index]?.outcome.result, 'green without a green end').toBe('success');
    if (times > 0 || ending !== null) continue;
    // It never ran, so something before it did not let it.
    expect(job.outcome).toMatchObject({ result: 'skipped', reason: 'need_failed' });
    const broken = job.waitsFor
      .map((name) => jobs.find((one) => one.name === name))
      .some((need) => need?.outcome && !letsGo(need, job));
    expect(broken).toBe(true);
  }
  const outcome = runOutcome(jobs, ending);
  expect(outcome).not.toBeNull();
  if (outcome?.result === 'success')
    expect(jobs.every((job) => job.outcome && lets(job.outcome, job.spec.continueOnError))).toBe(true);
}

/** Needs point back, so there are no circles; a need of a later phase is moved into that phase. */
function jobsOf(plan: Plan): Job[] {
  const phases = Array.from({ length: plan.phases }, (_, index) => `p${index}`);
  const placed: number[] = [];
  const graph = plan.jobs.map((job, index) => {
    const needs =
      job.needs === undefined || index === 0 ? job.needs && [] : [...new Set(job.needs.map((need) => need % index))];
    placed.push(Math.max(job.phase % plan.phases, ...(needs ?? []).map((need) => placed[need] ?? 0)));
    return { name: `j${index}`, needs: needs?.map((need) => `j${need}`), phase: phases[placed[index] ?? 0] };
  });
  const waitsFor = waitsForOf({ phases, jobs: graph });
  return graph.map(({ name, needs }, index) =>
    makeJob(name, {
      id: index + 1,
      spec: makeSpec(name, {
        continueOnError: plan.jobs[index]?.continueOnError ?? false,
        ...(needs === undefined ? {} : { needs }),
        ...(needs === undefined || plan.jobs[index]?.needsArtifacts !== true
          ? {}
          : { artifactNeeds: needs.map((job) => ({ job, artifact: 'out' })) }),
      }),
      waitsFor: waitsFor.get(name) ?? [],
    }),
  );
}

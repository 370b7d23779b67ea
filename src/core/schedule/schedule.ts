/**
 * Decides what should happen next to every unfinished job. Pure: the same snapshot and clock give the same answer.
 * The scheduler loop applies the decisions and asks again until there are none.
 */
import { openAdmission, takesSlot, type Admission, type WorkerState } from './admission.ts';
import type { Job, JobId, WorkerId } from '../job.ts';
import { concurrencyKey, heldBack, jobGroups, judgeMember, memberOf, type GroupVerdict } from './concurrency.ts';
import { usesStatus } from '../expression/expression-syntax.ts';
import { ExpressionFailure } from '../expression/expression.ts';
import type { RecordedDuration } from './critical-path.ts';
import { failFastCause, isLeftOut, isMet, judgeCondition } from './job-condition.ts';
import { hasPublished } from '../needs.ts';
import { startsElsewhere, startsInOrder, type OrderParts, type ReadyRun } from './order.ts';
import { error, type Outcome } from '../outcome.ts';
import { unreachable } from '../result.ts';
import type { Run, RunContext } from '../run.ts';
import { rightsOf } from '../trust.ts';

/** All unfinished runs with all their jobs, and all workers, read in one transaction. */
export interface Snapshot {
  /** Oldest first. */
  readonly runs: readonly UnfinishedRun[];
  readonly workers: readonly WorkerState[];
}

export interface UnfinishedRun {
  readonly run: Run;
  readonly context: RunContext;
  readonly jobs: readonly Job[];
  /** What jobs of its pipeline took before; absent = nothing is known. */
  readonly durations?: readonly RecordedDuration[];
}

export type Decision = { readonly job: JobId; readonly attempt: number } & (
  | { readonly action: 'queue' }
  | { readonly action: 'claim'; readonly worker: WorkerId; readonly leaseUntil: Date }
  /** Ends a job without running it: skipped, cancelled, or lost with its worker. */
  | { readonly action: 'finish'; readonly outcome: Outcome }
  /** Ends a running job early; its worker stops it. */
  | { readonly action: 'stop'; readonly outcome: Outcome }
);

/**
 * At most one decision per job; a skip travels one edge per call. First what becomes of jobs where they stand, older runs
 * first and then the order of the file; then, once nothing new can be queued, the claims in the order of order.ts.
 */
export function decide(snapshot: Snapshot, now: Date, leaseMs: number): readonly Decision[] {
  const running = snapshot.runs.flatMap(({ jobs }) => jobs.filter((job) => job.state === 'running'));
  const admission = openAdmission(snapshot.workers, running, now);
  const decisions: Decision[] = [];
  const waiting: ReadyRun[] = [];
  const back = heldBack(snapshot.runs.map(({ run }) => run));
  const jobsOfGroups = jobGroups(snapshot.runs);
  for (const { run, context, jobs, durations = [] } of snapshot.runs) {
    const byName = new Map(jobs.map((job) => [job.name, job]));
    const matrices = matricesOf(jobs);
    const ready: Job[] = [];
    for (const job of jobs) {
      const decision =
        endWithGroup(job, matrices.get(job.spec.key) ?? []) ??
        endInTurn(run, job, jobsOfGroups) ??
        decideJob({ run, context, jobs, byName, job, now }, () => {
          if (!back.has(run.id) && isItsTurn(run, job, jobsOfGroups)) return refuseOrWait(job, admission, ready);
          return undefined;
        });
      if (decision) decisions.push({ job: job.id, attempt: job.attempt, ...decision });
    }
    if (ready.length > 0) waiting.push({ run, jobs, ready, durations });
  }
  // What can start from now on may be more urgent than what waits already, so slots are given away in the next round.
  if (decisions.some(({ action }) => action === 'queue')) return decisions;
  return [...decisions, ...claims(snapshot, waiting, admission, now, new Date(now.getTime() + leaseMs))];
}

function refuseOrWait(job: Job, admission: Admission, ready: Job[]): JobDecision | undefined {
  const why = admission.refusal(job);
  if (why !== undefined) return { action: 'finish', outcome: error('config', why) };
  ready.push(job);
  return undefined;
}

function claims(
  { runs }: Snapshot,
  waiting: readonly ReadyRun[],
  admission: Admission,
  now: Date,
  leaseUntil: Date,
): readonly Decision[] {
  const running = new Map<number, number>();
  for (const { run, jobs } of runs) {
    const count = jobs.filter((job) => job.state === 'running' && takesSlot(job)).length;
    if (count > 0) running.set(run.repo.id, (running.get(run.repo.id) ?? 0) + count);
  }
  const matrices = new Map(waiting.map(({ run, jobs }) => [run.id, matricesOf(jobs)]));
  const mayStart: OrderParts['mayStart'] = (run, job, started) =>
    hasRoom(job, matrices.get(run.id)?.get(job.spec.key) ?? [], started);
  const elsewhere = startsElsewhere(waiting, admission, mayStart);
  const here = waiting.map((one) => ({ ...one, ready: one.ready.filter(takesSlot) }));
  const starts = [...elsewhere, ...startsInOrder({ runs: here, admission, running, mayStart, now })];
  return starts.map(({ job, worker }) => ({
    job: job.id,
    attempt: job.attempt,
    action: 'claim',
    worker,
    leaseUntil,
  }));
}

function matricesOf(jobs: readonly Job[]): ReadonlyMap<string, readonly Job[]> {
  return Map.groupBy(
    jobs.filter(({ spec }) => spec.group !== null),
    (job) => job.spec.key,
  );
}

type JobDecision = Decision extends infer D ? (D extends Decision ? Omit<D, 'job' | 'attempt'> : never) : never;

interface JobInRun {
  readonly run: Run;
  readonly context: RunContext;
  readonly jobs: readonly Job[];
  readonly byName: ReadonlyMap<string, Job>;
  readonly job: Job;
  readonly now: Date;
}

function decideJob(of: JobInRun, claim: () => JobDecision | undefined): JobDecision | undefined {
  const { run, job, now } = of;
  switch (job.state) {
    case 'waiting':
      return run.ending ? { action: 'finish', outcome: run.ending } : settleNeeds(of);
    case 'queued':
      if (run.ending) return { action: 'finish', outcome: run.ending };
      if (job.spec.artifactNeeds !== undefined) {
        // The attempt that released it may have failed since, and is not there to be had twice.
        const still = settleNeeds(of);
        if (still?.action !== 'queue') return still;
      }
      return !rightsOf(run.trust).runs || isTooEarly(job, now) ? undefined : claim();
    case 'running':
      return job.leaseUntil !== null && job.leaseUntil < now
        ? { action: 'finish', outcome: error('lost_worker', 'the worker stopped answering while it ran this job') }
        : undefined;
    case 'finished':
      return undefined;
    default:
      return unreachable(job.state);
  }
}

/** `start-delay`, from the moment the job could have started. */
function isTooEarly({ spec, timings }: Job, now: Date): boolean {
  return timings.queuedAt !== null && now.getTime() < timings.queuedAt.getTime() + spec.startDelayMs;
}

/** `fail-fast`: the other combinations of a matrix end when one fails and nothing tolerates that. */
function endWithGroup(job: Job, group: readonly Job[]): JobDecision | undefined {
  if (job.state === 'finished' || job.ending !== null) return undefined;
  const cause = failFastCause(job, group);
  if (cause === undefined) return undefined;
  const outcome: Outcome = {
    result: 'cancelled',
    reason: 'cancelled_by',
    message: `cancelled: ${cause.name} failed (fail-fast)`,
  };
  return { action: job.state === 'running' ? 'stop' : 'finish', outcome };
}

function verdictInGroup(run: Run, job: Job, groups: ReturnType<typeof jobGroups>): GroupVerdict {
  const { concurrency } = job.spec;
  if (concurrency === null) return { kind: 'go' };
  const all = groups.get(concurrencyKey(run, concurrency)) ?? [];
  if (!all.some(({ order }) => order === job.id)) return { kind: 'wait' };
  return judgeMember(memberOf(run, job, concurrency), all, concurrency.group);
}

/** `concurrency` of a job: a newer one of its group takes its place. */
function endInTurn(run: Run, job: Job, groups: ReturnType<typeof jobGroups>): JobDecision | undefined {
  if (run.ending !== null || job.ending !== null || (job.state !== 'queued' && job.state !== 'running'))
    return undefined;
  const verdict = verdictInGroup(run, job, groups);
  if (verdict.kind !== 'end') return undefined;
  return { action: job.state === 'running' ? 'stop' : 'finish', outcome: verdict.outcome };
}

function isItsTurn(run: Run, job: Job, groups: ReturnType<typeof jobGroups>): boolean {
  return verdictInGroup(run, job, groups).kind === 'go';
}

/** `max-parallel` of a matrix. */
function hasRoom(job: Job, group: readonly Job[], claimed: ReadonlySet<JobId>): boolean {
  const most = job.spec.group?.maxParallel ?? null;
  if (most === null) return true;
  return group.filter((one) => one.state === 'running' || claimed.has(one.id)).length < most;
}

/**
 * Queues a job once its needs are over or have published what it waits for, and skips it as soon as one cannot be met any more. A condition is looked at once
 * all needs are over; one that names a status function decides alone.
 */
function settleNeeds(of: JobInRun): JobDecision | undefined {
  const { job, byName } = of;
  const needs = job.waitsFor.map((name) => byName.get(name));
  const { condition } = job.spec;
  const broken = needs.find((need) => need?.state === 'finished' && !isMet(need, job));
  // Reading a condition costs more than all the rest, so it is read only where it matters.
  if (broken && !(condition !== null && usesStatus(condition)))
    return { action: 'finish', outcome: notRunAfter(broken, needs, job) };
  const over = needs.flatMap((need) => (need !== undefined && isOver(need, job) ? [need] : []));
  if (over.length < needs.length) return undefined;
  return condition === null ? { action: 'queue' } : settleCondition(of, condition, over);
}

function settleCondition(of: JobInRun, condition: string, over: readonly Job[]): JobDecision {
  try {
    const verdict = judgeCondition(of, condition, over);
    if (verdict === 'wanted') return { action: 'queue' };
    const broken = verdict === 'prevented' ? over.find((need) => !isMet(need, of.job) && !isLeftOut(need)) : undefined;
    if (broken !== undefined) return { action: 'finish', outcome: notRunAfter(broken, over, of.job) };
    const outcome: Outcome = { result: 'skipped', reason: 'condition', message: `if: ${condition.trim()}` };
    return { action: 'finish', outcome };
  } catch (cause) {
    if (!(cause instanceof ExpressionFailure)) throw cause;
    return { action: 'finish', outcome: error('config', `if: ${cause.message}`) };
  }
}

/** What did not run because of its own condition is no failure, and neither is what needed it. */
function notRunAfter(broken: Job, needs: readonly (Job | undefined)[], job: Job): Outcome {
  const failed = needs.find((need) => need?.state === 'finished' && !isMet(need, job) && !isLeftOut(need));
  if (failed === undefined) return { result: 'skipped', reason: 'condition', message: `${broken.name} was skipped` };
  const why = failed.outcome?.result === 'skipped' ? 'was not run' : 'did not succeed';
  return { result: 'skipped', reason: 'need_failed', message: `not run: ${failed.name} ${why}` };
}

function isOver(need: Job, job: Job): boolean {
  return need.state === 'finished' || hasPublished(need, job);
}

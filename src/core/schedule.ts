/**
 * Decides what should happen next to every unfinished job. Pure: the same snapshot and clock give the same answer.
 * The scheduler loop applies the decisions and asks again until there are none.
 */
import type { Job, JobId, WorkerId } from './job.ts';
import { concurrencyKey, heldBack, jobGroups, judgeMember, memberOf, type GroupVerdict } from './concurrency.ts';
import { jobValues, needsContext, statusOfNeeds } from './contexts.ts';
import { usesStatus } from './expression-syntax.ts';
import { ExpressionFailure, evaluateCondition } from './expression.ts';
import { error, lets, type Outcome } from './outcome.ts';
import { unreachable } from './result.ts';
import type { Run, RunContext } from './run.ts';

/** All unfinished runs with all their jobs, and all workers, read in one transaction. */
export interface Snapshot {
  /** Oldest first. */
  readonly runs: readonly { readonly run: Run; readonly context: RunContext; readonly jobs: readonly Job[] }[];
  readonly workers: readonly { readonly id: WorkerId; readonly slots: number; readonly leaseUntil: Date }[];
}

export type Decision = { readonly job: JobId; readonly attempt: number } & (
  | { readonly action: 'queue' }
  | { readonly action: 'claim'; readonly worker: WorkerId; readonly leaseUntil: Date }
  /** Ends a job without running it: skipped, cancelled, or lost with its worker. */
  | { readonly action: 'finish'; readonly outcome: Outcome }
  /** Ends a running job early; its worker stops it. */
  | { readonly action: 'stop'; readonly outcome: Outcome }
);

/** At most one decision per job; a skip travels one edge per call; older runs first, then the order of the file. */
export function decide(snapshot: Snapshot, now: Date, leaseMs: number): readonly Decision[] {
  const free = freeSlots(snapshot, now);
  const leaseUntil = new Date(now.getTime() + leaseMs);
  const decisions: Decision[] = [];
  const back = heldBack(snapshot.runs.map(({ run }) => run));
  const jobsOfGroups = jobGroups(snapshot.runs);
  for (const { run, context, jobs } of snapshot.runs) {
    const byName = new Map(jobs.map((job) => [job.name, job]));
    const groups = Map.groupBy(jobs, (job) => job.spec.key);
    for (const job of jobs) {
      const group = groups.get(job.spec.key) ?? [];
      const decision =
        endWithGroup(job, group) ??
        endInTurn(run, job, jobsOfGroups) ??
        decideJob({ run, context, jobs, byName, job, now }, () =>
          !back.has(run.id) && isItsTurn(run, job, jobsOfGroups) && hasRoom(job, group, decisions)
            ? takeSlot(free, leaseUntil)
            : undefined,
        );
      if (decision) decisions.push({ job: job.id, attempt: job.attempt, ...decision });
    }
  }
  return decisions;
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
      return run.trust === 'T4' || isTooEarly(job, now) ? undefined : claim();
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
  if (job.spec.group?.failFast !== true || job.state === 'finished' || job.ending !== null) return undefined;
  const cause = group.find(
    ({ outcome, spec }) => outcome !== null && isFailure(outcome) && !lets(outcome, spec.continueOnError),
  );
  if (cause === undefined) return undefined;
  const outcome: Outcome = {
    result: 'cancelled',
    reason: 'cancelled_by',
    message: `cancelled: ${cause.name} failed (fail-fast)`,
  };
  return { action: job.state === 'running' ? 'stop' : 'finish', outcome };
}

function isFailure({ result }: Outcome): boolean {
  return result === 'failure' || result === 'error';
}

function verdictInGroup(run: Run, job: Job, groups: ReturnType<typeof jobGroups>): GroupVerdict {
  const { concurrency } = job.spec;
  if (concurrency === null) return { kind: 'go' };
  const all = groups.get(concurrencyKey(run, concurrency)) ?? [];
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
function hasRoom(job: Job, group: readonly Job[], decisions: readonly Decision[]): boolean {
  const most = job.spec.group?.maxParallel ?? null;
  if (most === null) return true;
  const claimed = new Set(decisions.flatMap((one) => (one.action === 'claim' ? [one.job] : [])));
  return group.filter((one) => one.state === 'running' || claimed.has(one.id)).length < most;
}

/**
 * Queues a job once its needs are met, and skips it as soon as one cannot be met any more. A condition is looked at once
 * all needs are over; one that names a status function decides alone.
 */
function settleNeeds(of: JobInRun): JobDecision | undefined {
  const { job, byName } = of;
  const needs = job.waitsFor.map((name) => byName.get(name));
  const { condition } = job.spec;
  const asksItself = condition !== null && usesStatus(condition);
  const broken = needs.find((need) => need?.state === 'finished' && !isMet(need, job));
  if (broken && !asksItself) return { action: 'finish', outcome: notRunAfter(broken, needs, job) };
  const over = needs.flatMap((need) => (need?.state === 'finished' ? [need] : []));
  if (over.length < needs.length) return undefined;
  return condition === null ? { action: 'queue' } : judgeCondition(of, condition, over);
}

function judgeCondition({ run, context, jobs, job }: JobInRun, condition: string, over: readonly Job[]): JobDecision {
  const values = jobValues(run, context, job, needsContext(job, jobs));
  try {
    const status = statusOfNeeds(over, (need) => isMet(need, job));
    if (evaluateCondition(condition, { ...values, status })) return { action: 'queue' };
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

/** What a condition left out counts as met for phases and for optional needs, which ask only that nothing failed. */
function isMet(need: Job, job: Job): boolean {
  if (need.outcome === null) return false;
  const mayBeLeftOut = job.spec.needs === undefined || job.spec.optionalNeeds.includes(need.spec.key);
  return lets(need.outcome, need.spec.continueOnError) || (mayBeLeftOut && isLeftOut(need));
}

function isLeftOut({ outcome }: Job): boolean {
  return outcome?.result === 'skipped' && outcome.reason === 'condition';
}

interface FreeSlots {
  readonly worker: WorkerId;
  count: number;
}

function freeSlots(snapshot: Snapshot, now: Date): FreeSlots[] {
  const running = snapshot.runs.flatMap(({ jobs }) => jobs.filter((job) => job.state === 'running'));
  return snapshot.workers
    .filter((worker) => worker.leaseUntil >= now)
    .map((worker) => ({
      worker: worker.id,
      count: worker.slots - running.filter((job) => job.worker === worker.id).length,
    }));
}

/** The worker with most free slots, so that load spreads. */
function takeSlot(free: FreeSlots[], leaseUntil: Date): JobDecision | undefined {
  const best = free.reduce<FreeSlots | undefined>((a, b) => (a === undefined || b.count > a.count ? b : a), undefined);
  if (best === undefined || best.count <= 0) return undefined;
  best.count -= 1;
  return { action: 'claim', worker: best.worker, leaseUntil };
}

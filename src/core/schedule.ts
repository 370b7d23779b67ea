/**
 * Decides what should happen next to every unfinished job. Pure: the same snapshot and clock give the same answer.
 * The scheduler loop applies the decisions and asks again until there are none.
 */
import type { Job, JobId, WorkerId } from './job.ts';
import { error, lets, succeeded, type Outcome } from './outcome.ts';
import { unreachable } from './result.ts';
import type { Run } from './run.ts';

/** All unfinished runs with all their jobs, and all workers, read in one transaction. */
export interface Snapshot {
  /** Oldest first. */
  readonly runs: readonly { readonly run: Run; readonly jobs: readonly Job[] }[];
  readonly workers: readonly { readonly id: WorkerId; readonly slots: number; readonly leaseUntil: Date }[];
}

export type Decision = { readonly job: JobId; readonly attempt: number } & (
  | { readonly action: 'queue' }
  | { readonly action: 'claim'; readonly worker: WorkerId; readonly leaseUntil: Date }
  /** Ends a job without running it: skipped, cancelled, or lost with its worker. */
  | { readonly action: 'finish'; readonly outcome: Outcome }
);

/** At most one decision per job; a skip travels one edge per call; older runs first, then the order of the file. */
export function decide(snapshot: Snapshot, now: Date, leaseMs: number): readonly Decision[] {
  const free = freeSlots(snapshot, now);
  const leaseUntil = new Date(now.getTime() + leaseMs);
  const decisions: Decision[] = [];
  for (const { run, jobs } of snapshot.runs) {
    const byName = new Map(jobs.map((job) => [job.name, job]));
    for (const job of jobs) {
      const decision = decideJob(run, job, byName, now, () => takeSlot(free, leaseUntil));
      if (decision) decisions.push({ job: job.id, attempt: job.attempt, ...decision });
    }
  }
  return decisions;
}

type JobDecision = Decision extends infer D ? (D extends Decision ? Omit<D, 'job' | 'attempt'> : never) : never;

function decideJob(
  run: Run,
  job: Job,
  byName: ReadonlyMap<string, Job>,
  now: Date,
  claim: () => JobDecision | undefined,
): JobDecision | undefined {
  switch (job.state) {
    case 'waiting':
      return run.ending ? { action: 'finish', outcome: run.ending } : settleNeeds(job, byName);
    case 'queued':
      if (run.ending) return { action: 'finish', outcome: run.ending };
      return run.trust === 'T4' ? undefined : claim();
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

/** Skips as soon as one need cannot be met any more; queues once all are met. */
function settleNeeds(job: Job, byName: ReadonlyMap<string, Job>): JobDecision | undefined {
  const needs = job.waitsFor.map((name) => byName.get(name));
  const broken = needs.find((need) => need?.state === 'finished' && !isMet(need));
  if (broken) {
    const message = `not run: ${broken.name} ${broken.outcome?.result === 'skipped' ? 'was skipped' : 'did not succeed'}`;
    return { action: 'finish', outcome: { result: 'skipped', reason: 'need_failed', message } };
  }
  return needs.every((need) => need !== undefined && isMet(need)) ? { action: 'queue' } : undefined;
}

function isMet(need: Job): boolean {
  return need.outcome !== null && (succeeded(need.outcome) || lets(need.outcome, need.spec.continueOnError));
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

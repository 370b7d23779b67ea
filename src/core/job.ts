import type { Evidence, Outcome } from './outcome.ts';
import type { JobSpec } from './pipeline/pipeline.ts';
import type { PastAttempt } from './schedule/retry.ts';

export type JobId = number;
export type RunId = number;
export type WorkerId = string;

/** Where a job is now. `running` begins with the claim: from then on exactly one worker and one attempt answer for it. */
export type JobState = 'waiting' | 'queued' | 'running' | 'finished';

export interface Job {
  readonly id: JobId;
  readonly runId: RunId;
  /** Unique in its run; see `JobSpec.name`. */
  readonly name: string;
  readonly spec: JobSpec;
  /** Every job this one waits for, phases already turned into names. */
  readonly waitsFor: readonly string[];
  readonly state: JobState;
  readonly outcome: Outcome | null;
  readonly evidence: Evidence | null;
  /** For the jobs that need this one; empty until it is over. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Names of the artifacts that its newest attempt published before its end. */
  readonly published: readonly string[];
  /** Earlier attempts, each followed by another one. */
  readonly history: readonly PastAttempt[];
  /** 0 before the first claim; grows by one with each. Late writers of an older attempt are refused. */
  readonly attempt: number;
  readonly worker: WorkerId | null;
  readonly leaseUntil: Date | null;
  /** Set when this job alone is to end early; its worker then stops it, and it takes this outcome. First cause wins. */
  readonly ending: Outcome | null;
  readonly timings: JobTimings;
  /** Set when this run took the job over as it ended in an earlier one; null = it is this run's own. */
  readonly origin: JobOrigin | null;
}

/** Where a job that was not run again was observed: its log and its artifacts are kept under these numbers. */
export interface JobOrigin {
  readonly runId: RunId;
  readonly jobId: JobId;
  readonly attempt: number;
}

/** Whose log and artifacts speak for the job. */
export function originOf(job: Pick<Job, 'id' | 'runId' | 'attempt' | 'origin'>): JobOrigin {
  return job.origin ?? { runId: job.runId, jobId: job.id, attempt: job.attempt };
}

/** Instants, not durations: what has not happened yet is null. */
export interface JobTimings {
  readonly queuedAt: Date | null;
  readonly claimedAt: Date | null;
  /** The first command's process was seen running. */
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
}

/** The only edges between states. Every change in the store is compare-and-set on (id, state, attempt) along one of them. */
export const jobEdges: Readonly<Record<JobState, readonly JobState[]>> = {
  waiting: ['queued', 'finished'],
  queued: ['running', 'finished'],
  running: ['finished', 'queued'],
  finished: [],
};

export function mayMove(from: JobState, to: JobState): boolean {
  return jobEdges[from].includes(to);
}

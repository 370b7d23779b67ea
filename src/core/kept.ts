/** Workspaces of failed jobs that are kept for a while: which of them go, and which one somebody means. Pure. */
import type { Job } from './job.ts';
import { failed, success, type Result } from './result.ts';

export interface KeptLimits {
  /** All of them together. */
  readonly bytes: number;
  /** After the last use. */
  readonly ms: number;
}

export interface KeptWorkspace {
  readonly path: string;
  readonly bytes: number;
  /** In ms since the epoch. */
  readonly usedAt: number;
  /** Half of it may be missing after a boot, or because somebody began to remove it. */
  readonly isWhole: boolean;
  /** A shell works on it now. */
  readonly isOpen: boolean;
}

export interface KeptSituation {
  /** In ms since the epoch. */
  readonly now: number;
  /** Bytes to make room for. */
  readonly wanted: number;
  /** The disk is nearly full: whatever nobody looks at goes. */
  readonly isScarce: boolean;
}

/** Those that go, so that the rest keeps to the limits: the one that was used longest ago first, none that is open. */
export function keptToRemove(
  found: readonly KeptWorkspace[],
  limits: KeptLimits,
  { now, wanted, isScarce }: KeptSituation,
): readonly KeptWorkspace[] {
  let left = limits.bytes - wanted - sumOf(found.filter(({ isOpen }) => isOpen));
  const closed = found.filter(({ isOpen }) => !isOpen).toSorted((a, b) => b.usedAt - a.usedAt);
  return closed.filter(({ bytes, usedAt, isWhole }) => {
    if (!isWhole || isScarce || now - usedAt >= limits.ms) return true;
    left -= bytes;
    return left < 0;
  });
}

export function sumOf(of: readonly Pick<KeptWorkspace, 'bytes'>[]): number {
  return of.reduce((sum, { bytes }) => sum + bytes, 0);
}

export interface JobTrouble {
  /** `several` = the name means more than one job; `not-failed` = nothing is kept of a job that ended so. */
  readonly kind: 'no-job' | 'several' | 'not-failed';
  /** Says what to do. */
  readonly message: string;
}

/** The failed job of a run that is meant by its name, its number, or the key that the jobs of a matrix share. */
export function failedJob(run: number, jobs: readonly Job[], meant: string): Result<Job, JobTrouble> {
  const exact = jobs.filter((job) => job.name === meant || String(job.id) === meant);
  const matching = exact.length > 0 ? exact : jobs.filter(({ spec }) => spec.key === meant);
  const [job, ...more] = matching;
  if (job === undefined) {
    const names = jobs.length === 0 ? 'none' : jobs.map(({ name }) => name).join(', ');
    return failed({ kind: 'no-job', message: `Run ${run} has no job ${meant}; its jobs: ${names}.` });
  }
  if (more.length > 0) {
    const names = matching.map(({ id, name }) => `${id} = ${name}`).join(', ');
    return failed({
      kind: 'several',
      message: `Run ${run} has several jobs ${meant}. Give the number of one: ${names}.`,
    });
  }
  if (job.outcome?.result === 'failure') return success(job);
  const how = job.outcome === null ? 'has not finished' : `ended with ${job.outcome.result} (${job.outcome.reason})`;
  const message = `Job ${job.name} of run ${run} ${how}. Only workspaces of jobs that ended with failure are kept.`;
  return failed({ kind: 'not-failed', message });
}

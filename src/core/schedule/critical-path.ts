/**
 * The remaining critical path: how long a run still takes at least, counted from the start of each of its jobs. Told from
 * what the jobs took before. Pure.
 */
import type { Job, JobId } from '../job.ts';

/** What a job usually takes: the median of its last successes, from claim to end, on one platform. */
export interface RecordedDuration {
  readonly job: string;
  /** As Docker writes it: `linux/amd64`. */
  readonly platform: string;
  readonly ms: number;
}

/** For a pipeline of which nothing is known yet; any number gives the same order. */
const UNKNOWN_MS = 60_000;

/** Successes that are remembered of a job; more would be slow to notice that it changed. */
const REMEMBERED = 20;

/** The list with one more duration, the newest last; the oldest is forgotten. */
export function remember(recent: readonly number[], ms: number): readonly number[] {
  return [...recent, Math.max(0, Math.round(ms))].slice(-REMEMBERED);
}

/** Of an even number the lower of the two in the middle; 0 of none. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? 0;
}

/**
 * What each job is expected to take, by name. `platforms` are those that jobs can run on now; of several the slowest
 * counts. A job that never succeeded is taken for one like the others of its pipeline.
 */
export function expectedDurations(
  recorded: readonly RecordedDuration[],
  platforms: ReadonlySet<string>,
): (name: string) => number {
  const here = recorded.filter(({ platform }) => platforms.has(platform));
  const known = new Map<string, number>();
  for (const { job, ms } of recorded) if (!known.has(job)) known.set(job, ms);
  for (const job of new Set(here.map((one) => one.job))) known.delete(job);
  for (const { job, ms } of here) known.set(job, Math.max(ms, known.get(job) ?? 0));
  const other = known.size === 0 ? UNKNOWN_MS : median([...known.values()]);
  return (name) => known.get(name) ?? other;
}

/**
 * For every unfinished job the time in ms from now (of a running job), or from its start (of any other), to the end of the
 * longest chain of jobs that wait for it, itself included. What is finished takes no time. `jobs` are all of one run.
 */
export function remainingPaths(
  jobs: readonly Job[],
  expectedMs: (name: string) => number,
  now: Date,
): ReadonlyMap<JobId, number> {
  const unfinished = new Map(jobs.flatMap((job) => (job.state === 'finished' ? [] : [[job.name, job] as const])));
  /** How many jobs wait for it whose own path is not known yet. */
  const open = new Map<string, number>();
  for (const { waitsFor } of unfinished.values())
    for (const name of waitsFor) open.set(name, (open.get(name) ?? 0) + 1);
  const after = new Map<string, number>();
  const paths = new Map<JobId, number>();
  // From the ends backwards; not recursive, for chains of any length.
  const ready = [...unfinished.values()].filter(({ name }) => !open.has(name));
  for (let job = ready.pop(); job !== undefined; job = ready.pop()) {
    const path = leftOf(job, expectedMs(job.name), now) + (after.get(job.name) ?? 0);
    paths.set(job.id, path);
    for (const name of job.waitsFor) {
      after.set(name, Math.max(path, after.get(name) ?? 0));
      const left = (open.get(name) ?? 1) - 1;
      open.set(name, left);
      const need = unfinished.get(name);
      if (left === 0 && need !== undefined) ready.push(need);
    }
  }
  return paths;
}

function leftOf({ state, timings }: Job, expectedMs: number, now: Date): number {
  if (state !== 'running' || timings.claimedAt === null) return expectedMs;
  return Math.max(0, expectedMs - (now.getTime() - timings.claimedAt.getTime()));
}

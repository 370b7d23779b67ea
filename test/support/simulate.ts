/** Plays jobs through decide() on a virtual clock: what a pipeline's wall time comes to in an order, without running it. */
import type { RecordedDuration } from '../../src/core/schedule/critical-path.ts';
import type { Job } from '../../src/core/job.ts';
import { decide, type Decision, type UnfinishedRun } from '../../src/core/schedule/schedule.ts';
import { makeContext, makeJob, makeRun, makeSpec } from './make.ts';

export interface SimulatedJob {
  readonly name: string;
  readonly needs: readonly string[];
  readonly ms: number;
}

const LEASE_MS = 1e12;
const passed = { result: 'success', reason: 'exit', message: 'passed' } as const;

/**
 * Virtual ms from the start of the first job to the end of the last. In order `path` the recorded durations are the real
 * ones; in order `first-come` free slots go to whoever could start first, then by the order of the file.
 */
export function simulate(
  plan: readonly SimulatedJob[],
  slots: number,
  order: 'path' | 'first-come',
  recorded = plan.map(({ name, ms }): RecordedDuration => ({ job: name, platform: 'linux/amd64', ms })),
): number {
  let jobs = plan.map(({ name, needs }, index) =>
    makeJob(name, { id: index + 1, waitsFor: needs, spec: makeSpec(name, { needs }) }),
  );
  const ms = new Map(plan.map((job) => [job.name, job.ms]));
  const durations = order === 'path' ? recorded : [];
  let now = 0;
  while (jobs.some(({ state }) => state !== 'finished')) {
    for (;;) {
      const run = { run: makeRun(), context: makeContext(), jobs, durations };
      const workers = [{ id: 'w', slots: order === 'path' ? slots : plan.length, leaseUntil: new Date(LEASE_MS) }];
      const decisions = decide({ runs: [run] as UnfinishedRun[], workers }, new Date(now), LEASE_MS);
      const wanted = order === 'path' ? decisions : firstCome(decisions, jobs, slots);
      if (wanted.length === 0) break;
      jobs = jobs.map((job) =>
        applied(
          job,
          wanted.find((decision) => decision.job === job.id),
          now,
        ),
      );
    }
    const ends = jobs.flatMap((job) => (job.state === 'running' ? [endOf(job, ms)] : []));
    now = Math.min(...ends);
    jobs = jobs.map((job) =>
      job.state === 'running' && endOf(job, ms) <= now ? { ...job, state: 'finished', outcome: passed } : job,
    );
  }
  return now;
}

function endOf({ name, timings }: Job, ms: ReadonlyMap<string, number>): number {
  return (timings.claimedAt?.getTime() ?? 0) + (ms.get(name) ?? 0);
}

/** With a slot for every job decide() claims all that could start; of these the first get the slots there are. */
function firstCome(decisions: readonly Decision[], jobs: readonly Job[], slots: number): readonly Decision[] {
  const queuedAt = new Map(jobs.map(({ id, timings }) => [id, timings.queuedAt?.getTime() ?? 0]));
  const free = slots - jobs.filter(({ state }) => state === 'running').length;
  const claims = decisions
    .filter(({ action }) => action === 'claim')
    .toSorted((a, b) => (queuedAt.get(a.job) ?? 0) - (queuedAt.get(b.job) ?? 0) || a.job - b.job);
  return [...decisions.filter(({ action }) => action !== 'claim'), ...claims.slice(0, Math.max(0, free))];
}

function applied(job: Job, decision: Decision | undefined, now: number): Job {
  switch (decision?.action) {
    case 'queue':
      return { ...job, state: 'queued', timings: { ...job.timings, queuedAt: new Date(now) } };
    case 'claim':
      return {
        ...job,
        ...{ state: 'running', worker: decision.worker, leaseUntil: decision.leaseUntil, attempt: job.attempt + 1 },
        timings: { ...job.timings, claimedAt: new Date(now) },
      };
    case 'finish':
      return { ...job, state: 'finished', outcome: decision.outcome };
    case 'stop':
    case undefined:
      return job;
  }
}

/** Numbers from [0, 1) that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Longest chain of needs, and all work shared out evenly: no order can be faster than the longer of the two. */
export function lowerBound(plan: readonly SimulatedJob[], slots: number): number {
  const ends = new Map<string, number>();
  for (const { name, needs, ms } of plan) ends.set(name, ms + Math.max(0, ...needs.map((need) => ends.get(need) ?? 0)));
  return Math.max(...ends.values(), plan.reduce((sum, { ms }) => sum + ms, 0) / slots);
}

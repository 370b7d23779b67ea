/**
 * Running a finished run again: which of its jobs run, which stand as they were observed, and in which trust class. A rerun
 * is a run of its own, of the same commit, file and inputs. Pure.
 */
import type { Job, RunId } from './job.ts';
import { lets } from './outcome.ts';
import { failed, success, type Result } from './result.ts';
import { trustOf, type Run, type TrustClass } from './run.ts';

/** Both empty: all jobs. */
export interface RerunRequest {
  /** Only what did not succeed, and what waits for it. */
  readonly failed: boolean;
  /** Only this job, and what waits for it. */
  readonly job: string | null;
}

/** What has to be known beside the run and what was asked for. */
export interface RerunFacts {
  /** null = nobody told. */
  readonly defaultBranch: string | null;
  /** The run that repeats this one already. */
  readonly repeatedBy: RunId | null;
  /** Another unfinished run that stands for the commit, pipeline and class. */
  readonly underWay: RunId | null;
  /** Jobs whose artifacts are not there any more, by name. */
  readonly lost: ReadonlySet<string>;
}

export interface RerunPlan {
  readonly trust: TrustClass;
  /** Names of the jobs that run; the others are taken over as they ended. */
  readonly again: ReadonlySet<string>;
}

/** `no-job` = what was asked for names a job that is not there; `conflict` = it cannot be done as things stand. */
export interface RerunTrouble {
  readonly kind: 'no-job' | 'conflict';
  /** Says what to do. */
  readonly message: string;
}

export type RerunVerdict =
  | { readonly kind: 'made'; readonly run: RunId; readonly again: readonly string[] }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly trouble: RerunTrouble };

export function planRerun(
  run: Run,
  jobs: readonly Job[],
  asked: RerunRequest,
  facts: RerunFacts,
): Result<RerunPlan, RerunTrouble> {
  const trust = trustNow(run, facts.defaultBranch);
  const refusal = refusalOf(run, jobs, asked, facts);
  if (refusal !== undefined) return failed(refusal);
  const wanted = jobs.filter((job) => isWanted(job, asked)).map(({ name }) => name);
  if (wanted.length === 0) return failed(conflict(`No job of run ${run.id} failed, but for those that may.`));
  const again = withNeeded(jobs, new Set(wanted), facts.lost);
  if (trust !== run.trust && again.size < jobs.length)
    return failed(
      conflict(
        `Run ${run.id} was of class ${run.trust} and would now be ${trust}, so nothing of it can be taken over. Run all its jobs again.`,
      ),
    );
  return success({ trust, again });
}

/**
 * As it would be decided now, never higher than it was: what is no longer on the default branch loses its class. The other
 * classes follow from what cannot change, such as where a pull request came from.
 */
function trustNow({ ref, trust, eventName }: Run, defaultBranch: string | null): TrustClass {
  if (trust !== 'T1' || defaultBranch === null || eventName === 'merge_group') return trust;
  return trustOf(ref, defaultBranch);
}

function refusalOf(
  run: Run,
  jobs: readonly Job[],
  { job }: RerunRequest,
  { repeatedBy, underWay }: RerunFacts,
): RerunTrouble | undefined {
  if (run.trust === 'T4')
    return conflict(`Run ${run.id} waits for approval of its commit; nothing of it may run before.`);
  if (run.state !== 'finished')
    return conflict(`Run ${run.id} has not finished. Cancel it first, or wait for its end.`);
  if (repeatedBy !== null)
    return conflict(`Run ${run.id} was run again already, as run ${repeatedBy}. Run that one again.`);
  if (underWay !== null)
    return conflict(
      `Run ${underWay} of the same commit and pipeline has not finished. Cancel it first, or wait for its end.`,
    );
  if (jobs.length === 0)
    return conflict(
      `Run ${run.id} ended before it had jobs: ${run.outcome?.message ?? 'no jobs'} Push again to try anew.`,
    );
  if (job !== null && !jobs.some(({ name }) => name === job)) {
    const names = jobs.map(({ name }) => name).join(', ');
    return { kind: 'no-job', message: `Run ${run.id} has no job ${job}; its jobs: ${names}.` };
  }
  return undefined;
}

/** What a condition left out did not fail, nor did what may fail. They run when something before them does. */
function isWanted({ name, outcome, spec }: Job, { failed: onlyFailed, job }: RerunRequest): boolean {
  if (job !== null) return name === job;
  if (!onlyFailed || outcome === null) return true;
  const wasLeftOut = outcome.result === 'skipped' && outcome.reason === 'condition';
  return !wasLeftOut && !lets(outcome, spec.continueOnError);
}

/** With all that waits for them; and of what they wait for themselves, what cannot be taken over any more. */
function withNeeded(jobs: readonly Job[], wanted: ReadonlySet<string>, lost: ReadonlySet<string>): ReadonlySet<string> {
  const again = new Set(wanted);
  for (let before = -1; before !== again.size;) {
    before = again.size;
    for (const { name, waitsFor } of jobs) {
      if (waitsFor.some((need) => again.has(need))) again.add(name);
      if (again.has(name)) for (const need of waitsFor) if (lost.has(need)) again.add(need);
    }
  }
  return again;
}

function conflict(message: string): RerunTrouble {
  return { kind: 'conflict', message };
}

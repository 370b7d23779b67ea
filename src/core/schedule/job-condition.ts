/**
 * What the `if` of a job comes to once its needs are over; and, where it leaves the job out, whether nobody wanted the job
 * or something before it kept it from running, which must never look as if all were well. Pure.
 */
import { jobValues, needsContext } from '../contexts.ts';
import { ExpressionFailure, evaluateCondition, type Value, type Values } from '../expression/expression.ts';
import type { Job } from '../job.ts';
import { awaitedArtifacts, hasPublished } from '../needs.ts';
import { lets, succeeded, type Outcome } from '../outcome.ts';
import type { Run, RunContext } from '../run.ts';

/** A job that waits, and all that its condition can see. */
export interface ConditionedJob {
  readonly run: Run;
  readonly context: RunContext;
  readonly jobs: readonly Job[];
  readonly byName: ReadonlyMap<string, Job>;
  readonly job: Job;
}

/** `prevented`: had all that it needs gone well, the job would run, or nobody can tell. */
export type ConditionVerdict = 'wanted' | 'unwanted' | 'prevented';

type Status = NonNullable<Values['status']>;

/** `over` are the needs of the job, each of which is over or has published what it waits for. Throws ExpressionFailure. */
export function judgeCondition(of: ConditionedJob, condition: string, over: readonly Job[]): ConditionVerdict {
  const { run, context, jobs, job } = of;
  const asks = (needs: Value, status: Status): boolean =>
    evaluateCondition(condition, { ...jobValues(run, context, job, needs), status });
  if (asks(needsContext(job, jobs), statusOfNeeds(of, over))) return 'wanted';
  const broken = new Set(over.filter((need) => !isMet(need, job) && !isLeftOut(need)));
  if (broken.size === 0) return 'unwanted';
  const keys = new Set([...broken].map(({ spec }) => spec.key.toLowerCase()));
  if (outputsRead(condition).some((key) => key === '*' || keys.has(key))) return 'prevented';
  const hoped = jobs.map((one) => (broken.has(one) ? { ...one, outcome: AS_HOPED } : one));
  const isMetThen = over.every((need) => broken.has(need) || isMet(need, job));
  try {
    const wanted = asks(needsContext(job, hoped), { success: isMetThen, ...NOTHING_WRONG });
    return wanted ? 'prevented' : 'unwanted';
  } catch (cause) {
    if (!(cause instanceof ExpressionFailure)) throw cause;
    // It went on to values that only a success brings.
    return 'prevented';
  }
}

const AS_HOPED: Outcome = { result: 'success', reason: 'exit', message: '' };
const NOTHING_WRONG = { failure: false, always: true, cancelled: false } as const;

/** Keys of the jobs whose outputs a condition reads, in lower case; `*` = of all. */
function outputsRead(condition: string): readonly string[] {
  const reads = /\bneeds\s*(?:\.\s*([\w-]+|\*)|\[\s*'([^']*)'\s*\])\s*(?:\.\s*outputs\b|\[\s*'outputs')/gi;
  return [...condition.matchAll(reads)].map(([, plain, quoted]) => (plain ?? quoted ?? '').toLowerCase());
}

/** What the status functions say: as on GitHub a failure is one anywhere before the job, not only right before it. */
function statusOfNeeds(of: ConditionedJob, over: readonly Job[]): Status {
  const waitedOut = over.filter((need) => !hasPublished(need, of.job));
  return {
    success: waitedOut.every((need) => isMet(need, of.job)),
    failure: isAnyBeforeFailed(waitedOut, of),
    always: true,
    // What its own matrix ended nobody asked to end, and GitHub counts it as no more than the failure behind it.
    cancelled: waitedOut.some((need) => need.outcome?.result === 'cancelled' && !failFastCause(need, of.jobs)),
  };
}

function isAnyBeforeFailed(needs: readonly Job[], { jobs, byName }: ConditionedJob): boolean {
  // A run may have a million edges, and mostly nothing has failed.
  if (!jobs.some(hasFailed)) return false;
  const found = new Set(needs);
  for (const job of found) {
    if (hasFailed(job)) return true;
    for (const name of job.waitsFor) {
      const before = byName.get(name);
      if (before !== undefined && !hasPublished(before, job)) found.add(before);
    }
  }
  return false;
}

/** Failed, and nothing tolerates that. */
function hasFailed({ outcome, spec }: Job): boolean {
  return (
    outcome !== null &&
    (outcome.result === 'failure' || outcome.result === 'error') &&
    !lets(outcome, spec.continueOnError)
  );
}

/** `fail-fast`: the combination whose failure ends this one, when nothing tolerates that. */
export function failFastCause({ spec: { group, key } }: Job, jobs: readonly Job[]): Job | undefined {
  if (group?.failFast !== true) return undefined;
  // What failed in an earlier run says nothing against trying the others again.
  return jobs.find((one) => one.spec.key === key && one.origin === null && hasFailed(one));
}

/** What a condition left out counts as met for phases and for optional needs, which ask only that nothing failed. */
export function isMet(need: Job, job: Job): boolean {
  if (hasPublished(need, job)) return true;
  if (need.outcome === null) return false;
  const mayBeLeftOut = job.spec.needs === undefined || job.spec.optionalNeeds.includes(need.spec.key);
  // A tolerated failure does not bring the artifact that was waited for.
  if (awaitedArtifacts(job, need.spec.key) !== undefined)
    return succeeded(need.outcome) || (mayBeLeftOut && isLeftOut(need));
  return lets(need.outcome, need.spec.continueOnError) || (mayBeLeftOut && isLeftOut(need));
}

export function isLeftOut({ outcome }: Job): boolean {
  return outcome?.result === 'skipped' && outcome.reason === 'condition';
}

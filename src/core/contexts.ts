/** The contexts of expressions, from what is known of a run and its jobs. docs/expressions.md lists them. */
import type { GithubKey, NeedKey } from './expression/context-keys.ts';
import { strategyContext } from './plan/expand.ts';
import type { Value, Values } from './expression/expression.ts';
import type { Job } from './job.ts';
import { awaitedArtifacts } from './needs.ts';
import type { Outcome } from './outcome.ts';
import { filesAt, fullName, type Run, type RunContext } from './run.ts';

/** A run before it is made has everything but its id. */
export type RunToBe = Pick<Run, 'repo' | 'sha' | 'ref' | 'eventName' | 'pipeline'> & { readonly id: number | null };

/** For what is filled in when a run is planned. */
export function planValues(run: RunToBe, context: RunContext): Values {
  return { contexts: { github: githubContext(run, context, null), inputs: context.inputs, vars: context.vars } };
}

/** For a job of a run: its condition, its variables, and the base of what its steps see. */
export function jobValues(run: Run, context: RunContext, job: Job, needs: Value): Values {
  return {
    contexts: {
      github: githubContext(run, context, job),
      inputs: context.inputs,
      vars: context.vars,
      matrix: job.spec.axes,
      strategy: strategyContext(job.spec.group),
      needs,
    },
  };
}

function githubContext(run: RunToBe, context: RunContext, job: Job | null): Readonly<Record<GithubKey, Value>> {
  return {
    actor: context.actor,
    base_ref: context.baseRef ?? '',
    event: context.event,
    event_name: run.eventName,
    head_ref: context.headRef ?? '',
    job: job?.spec.key ?? '',
    ref: run.ref,
    ref_name: context.refName,
    ref_type: run.ref.startsWith('refs/tags/') ? 'tag' : 'branch',
    repository: fullName(run.repo),
    repository_id: String(run.repo.id),
    repository_owner: run.repo.owner,
    run_attempt: job === null ? null : String(job.attempt),
    run_id: run.id === null ? null : String(run.id),
    run_number: run.id === null ? null : String(run.id),
    sha: filesAt(run, context),
    workflow: run.pipeline,
    workspace: '/work',
  };
}

/**
 * What a job learns of those it needs, by key. The combinations of a matrix count as one job: the worst result, and all
 * outputs, those of the combination that ended last on top. Of a job whose artifacts alone it needs it learns nothing.
 */
export function needsContext(job: Pick<Job, 'spec'>, jobs: readonly Job[]): Value {
  const entries = (job.spec.needs ?? []).flatMap((key): [string, Readonly<Record<NeedKey, Value>>][] => {
    const group = jobs.filter(({ spec }) => spec.key === key).toSorted(byEnd);
    if (group.length === 0) return [];
    // It may or may not be over by now, and nobody may depend on which.
    if (awaitedArtifacts(job, key) !== undefined) return [[key, { result: '', outputs: {} }]];
    const outputs = Object.assign({}, ...group.map((one) => one.outputs)) as Readonly<Record<string, string>>;
    return [[key, { result: worst(group.map((one) => resultOf(one.outcome))), outputs }]];
  });
  return Object.fromEntries(entries);
}

function byEnd(a: Job, b: Job): number {
  return (a.timings.finishedAt?.getTime() ?? 0) - (b.timings.finishedAt?.getTime() ?? 0);
}

type NeedResult = 'success' | 'failure' | 'cancelled' | 'skipped';

/** GitHub knows no difference between commands that failed and a machine that did. */
function resultOf(outcome: Outcome | null): NeedResult {
  if (outcome === null || outcome.result === 'error') return 'failure';
  return outcome.result;
}

function worst(results: readonly NeedResult[]): NeedResult {
  const order: readonly NeedResult[] = ['failure', 'cancelled', 'success', 'skipped'];
  return order.find((result) => results.includes(result)) ?? 'skipped';
}

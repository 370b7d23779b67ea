/** Which run of a workflow a dispatch began, where the forge did not say or its answer was lost. Pure. */
import type { WorkflowRun } from '../workflow.ts';
import type { Dispatch } from './dispatch.ts';

export type Match =
  | { readonly kind: 'one'; readonly run: WorkflowRun }
  | { readonly kind: 'none' }
  /** Several could be it, or one at another commit of the same branch: nobody can tell. */
  | { readonly kind: 'doubtful'; readonly runs: readonly WorkflowRun[] };

/** `listed` are dispatched runs of the repository, `taken` the ids of those that other jobs have. */
export function matchRun(
  { askedAt, known, workflow, ref }: Pick<Dispatch, 'askedAt' | 'known' | 'workflow' | 'ref'>,
  sha: string,
  listed: readonly WorkflowRun[],
  taken: ReadonlySet<number>,
): Match {
  const possible = listed.filter(
    (run) =>
      run.event === 'workflow_dispatch' &&
      (run.path === null || run.path.endsWith(`/${workflow}`)) &&
      (run.headBranch === null || run.headBranch === ref) &&
      run.createdAt.getTime() >= askedAt.getTime() &&
      !known.includes(run.id) &&
      !taken.has(run.id),
  );
  const [only, ...more] = possible;
  if (only === undefined) return { kind: 'none' };
  return more.length === 0 && only.headSha === sha ? { kind: 'one', run: only } : { kind: 'doubtful', runs: possible };
}

export type AfterLook =
  | { readonly kind: 'take'; readonly run: WorkflowRun }
  | { readonly kind: 'look' }
  | { readonly kind: 'ask' }
  | { readonly kind: 'give up'; readonly why: string };

/** Times that the forge is asked at most, the second only when the first has left no trace. */
const MAX_ASKS = 2;

/**
 * `sinceMs`: since the forge was asked, or since another process began to look for what an earlier one had asked.
 * `settleMs`: a run that was begun is in the list by then.
 */
export function afterLook(
  match: Match,
  { asks, isAccepted }: Pick<Dispatch, 'asks' | 'isAccepted'>,
  sinceMs: number,
  settleMs: number,
): AfterLook {
  if (match.kind === 'one') return { kind: 'take', run: match.run };
  if (match.kind === 'doubtful') {
    const urls = match.runs.map(({ url, headSha }) => `${url} (${headSha.slice(0, 7)})`).join(', ');
    return { kind: 'give up', why: `it cannot be told which run it is: ${urls}` };
  }
  if (sinceMs < settleMs) return { kind: 'look' };
  if (isAccepted) return { kind: 'give up', why: 'GitHub has taken it, and there is no run of it' };
  return asks < MAX_ASKS ? { kind: 'ask' } : { kind: 'give up', why: 'GitHub does not say whether it has begun' };
}

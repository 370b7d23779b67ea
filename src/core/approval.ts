/**
 * Approval of a fork's commit. It is given for one sha of one pull request by somebody who may write here, and for
 * nothing that is pushed later.
 */
import type { Intake } from './intake.ts';
import type { RunId } from './job.ts';
import type { Approval, Run } from './run.ts';

/** What is to be approved: a run, or what of a pull request waits; at a sha in full, whoever asks. */
export type ApprovalWish = { readonly sha: string } & (
  { readonly run: RunId } | { readonly repoId: number; readonly prNumber: number }
);

export type ApprovalVerdict =
  /** All runs of that sha and pull request that waited. */
  | { readonly kind: 'approved'; readonly sha: string; readonly runs: readonly RunId[] }
  /** It was approved before; nothing has changed. */
  | { readonly kind: 'already'; readonly sha: string; readonly approval: Approval }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'unknown' };

export type ApprovableRun = Pick<
  Run,
  'id' | 'sha' | 'trust' | 'state' | 'outcome' | 'ending' | 'prNumber' | 'config' | 'approval'
>;

/**
 * Whether a run may be approved at this sha; `unplanned` are the intakes of its repository that were received and not
 * planned yet, which may make it stale. null = yes.
 */
export function judgeApproval(
  run: ApprovableRun,
  sha: string,
  unplanned: readonly Intake[],
): Exclude<ApprovalVerdict, { kind: 'approved' | 'unknown' }> | null {
  if (run.sha !== sha)
    return refused(`Run ${run.id} is at ${run.sha}, not at ${sha}. Look at that commit before you approve it.`);
  if (run.trust === 'T3' && run.approval !== null) return { kind: 'already', sha, approval: run.approval };
  if (run.trust !== 'T4') return refused(`Run ${run.id} is not of a fork's pull request; it needs no approval.`);
  const over = run.outcome ?? run.ending;
  if (over !== null)
    return refused(`Run ${run.id} is over (${over.message}). Approve the newest commit of the pull request.`);
  if (run.config === null)
    return refused(
      `Run ${run.id} was planned by an older version of Hearth, from the fork's own pipeline files. Close and reopen the pull request.`,
    );
  if (unplanned.some((intake) => makesStale(intake, run)))
    return refused(`Pull request #${run.prNumber} has just changed. Try again in a moment, with its newest commit.`);
  return null;
}

function makesStale(intake: Intake, run: ApprovableRun): boolean {
  if (intake.prNumber === null || intake.prNumber !== run.prNumber) return false;
  return intake.kind === 'gone' || (intake.kind === 'head' && intake.sha !== run.sha);
}

export function nothingWaits(prNumber: number, sha: string): string {
  return `Nothing of pull request #${prNumber} at ${sha} waits for approval. Name its newest commit.`;
}

export function refused(why: string): ApprovalVerdict & { readonly kind: 'refused' } {
  return { kind: 'refused', why };
}

/**
 * Whether a text names one commit and can name no other: a fork can make a commit that begins with the same few digits as
 * the one that was looked at, and push it a moment before the approval.
 */
export function isFullSha(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

const COMMAND = /^\/hearth[ \t]+approve(?:[ \t]+(\S{1,200}))?\s*$/;

/** What a comment wants approved, empty when it names nothing; undefined when the comment is no such command. */
export function approvalIn(comment: string): string | undefined {
  const found = COMMAND.exec(comment.trim());
  return found === null ? undefined : (found[1] ?? '').toLowerCase();
}

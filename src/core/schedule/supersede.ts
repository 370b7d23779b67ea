import type { Intake } from '../intake.ts';
import { lineOf, type Run } from '../run.ts';

/** `refs/heads/<default>` of the repository itself, and tags, run side by side; on every other line the newest head wins. */
export function supersedes(intake: Pick<Intake, 'repo' | 'headRepoId' | 'headRef' | 'defaultBranch'>): boolean {
  if (intake.headRef.startsWith('refs/tags/')) return false;
  return intake.headRepoId !== intake.repo.id || intake.headRef !== `refs/heads/${intake.defaultBranch}`;
}

/** What the arrival of a head means for its line. */
export type LineVerdict =
  /** It is the newest: these live runs of older heads end. */
  | { readonly kind: 'newest'; readonly ends: readonly Run[] }
  /** A newer head is already known: this one is over before it began. */
  | { readonly kind: 'stale'; readonly newerSha: string };

/**
 * Decides by the head that the forge reports; where it reports none, by order of receipt; never by commit dates.
 * `newestSeen` is the sha of the intake received last on this line. `live` are the unfinished runs of the repository.
 */
export function judgeLine(
  intake: Intake & { readonly kind: 'head' },
  reportedHead: string | null,
  newestSeen: { readonly id: number; readonly sha: string } | null,
  live: readonly Run[],
): LineVerdict {
  if (!supersedes(intake)) return { kind: 'newest', ends: [] };
  const newerSha = reportedHead ?? (newestSeen !== null && newestSeen.id > intake.id ? newestSeen.sha : intake.sha);
  if (newerSha !== intake.sha) return { kind: 'stale', newerSha };
  const line = lineOf(intake.headRepoId, intake.headRef, intake.prNumber);
  return {
    kind: 'newest',
    ends: live.filter((run) => run.repo.id === intake.repo.id && run.line === line && run.sha !== intake.sha),
  };
}

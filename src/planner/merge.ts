/** Of a pull request the commit that it would become, where a pipeline asks for it. */
import type { Git, GitTrouble } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import { judgeTrigger } from '../core/plan/trigger.ts';
import type { FoundPipeline } from './pipelines.ts';
import { wantsMerge, type HeadIntake, type Merged } from './plan.ts';

const SHOWN_FILES = 5;

/**
 * null where no pipeline that runs asks for it. The head is in the mirror; the base is fetched. The trouble is of the forge
 * or the disk. May be repeated.
 */
export async function mergedForm(
  git: Git,
  intake: HeadIntake,
  found: readonly FoundPipeline[],
): Promise<Result<Merged | null, GitTrouble>> {
  const isWanted = found.some(
    ({ parsed }) => parsed.ok && wantsMerge(intake, parsed.value) && judgeTrigger(parsed.value.on, intake, null).wanted,
  );
  if (!isWanted) return success(null);
  const { repo, sha, baseRef, defaultBranch, prNumber } = intake;
  const branch = baseRef ?? defaultBranch;
  const fetched = await git.fetch({ repo, sha: null, ref: `refs/heads/${branch}` });
  if (!fetched.ok) return fetched;
  const base = fetched.value.head;
  if (base === null) return success(failed(`the base branch ${branch} of #${prNumber} is not there`));
  const merged = await git.merge(repo, base, sha);
  if (merged.ok) return success(success({ sha: merged.value, base }));
  const files = merged.problem.slice(0, SHOWN_FILES).map(onOneLine).join(', ');
  const more = merged.problem.length > SHOWN_FILES ? ` and ${merged.problem.length - SHOWN_FILES} more` : '';
  const what = merged.problem.length === 0 ? 'they have no common past' : `${files}${more}`;
  return success(
    failed(`#${prNumber} cannot be merged into ${branch}: ${what}. Merge ${branch} into it, or rebase it`),
  );
}

/** Whoever opens a pull request names its files, and people read this in a terminal. */
function onOneLine(path: string): string {
  return /\p{Cc}/u.test(path) ? JSON.stringify(path) : path;
}

/** `HEARTH_REPOS`: whose repositories run here. */
import type { RepoRef } from './run.ts';

/** Whether `owner/name` or `owner/*` is on the list, without regard to case, as on GitHub. */
export function isAllowed(repo: Pick<RepoRef, 'owner' | 'name'>, allowed: readonly string[]): boolean {
  const full = `${repo.owner}/${repo.name}`.toLowerCase();
  const whole = `${repo.owner.toLowerCase()}/*`;
  return allowed.some((pattern) => pattern.toLowerCase() === full || pattern.toLowerCase() === whole);
}

/** Decides whether a pipeline wants an event. */
import { matchesBranches } from './branch-pattern.ts';
import type { BranchFilter, Triggers } from './pipeline.ts';
import { unreachable } from './result.ts';
import type { EventName } from './run.ts';

export interface TriggerEvent {
  readonly eventName: EventName;
  /** Full ref of what was pushed, or of the pull request's head. */
  readonly headRef: string;
  /** Base branch of a pull request without prefix, else null. */
  readonly baseRef: string | null;
}

export type TriggerVerdict = { readonly wanted: true } | { readonly wanted: false; readonly why: string };

const BRANCH = 'refs/heads/';

/**
 * `push` without `branches` wants branches and tags; with `branches` only the branches that match, no tags.
 * `pull_request` matches the base branch. A run asked for by hand is always wanted.
 */
export function judgeTrigger(on: Triggers, event: TriggerEvent): TriggerVerdict {
  switch (event.eventName) {
    case 'manual':
      return { wanted: true };
    case 'push':
      if (!on.push) return { wanted: false, why: 'it does not run on push' };
      if (!on.push.branches) return { wanted: true };
      if (!event.headRef.startsWith(BRANCH)) return { wanted: false, why: `${event.headRef} is no branch` };
      return matchBranch(on.push, event.headRef.slice(BRANCH.length), 'branch');
    case 'pull_request':
      if (!on.pull_request) return { wanted: false, why: 'it does not run on pull_request' };
      return on.pull_request.branches
        ? matchBranch(on.pull_request, event.baseRef ?? '', 'base branch')
        : { wanted: true };
    default:
      return unreachable(event.eventName);
  }
}

function matchBranch(filter: BranchFilter, branch: string, what: string): TriggerVerdict {
  return matchesBranches(filter.branches ?? [], branch)
    ? { wanted: true }
    : { wanted: false, why: `${what} ${branch} does not match its branches` };
}

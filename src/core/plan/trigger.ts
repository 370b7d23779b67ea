/** Decides whether a pipeline wants an event. */
import { matchesAny } from '../pattern.ts';
import type { Value } from '../expression/expression.ts';
import type { EventFilter, Triggers } from '../pipeline/pipeline.ts';
import { headTypes, typeOfEvent } from '../pipeline/pull-request-types.ts';
import { unreachable } from '../result.ts';
import type { EventName } from '../run.ts';

export interface TriggerEvent {
  readonly eventName: EventName;
  /** Full ref of what was pushed, or of the pull request's head. */
  readonly headRef: string;
  /** Base branch of a pull request or merge group without prefix, else null. */
  readonly baseRef: string | null;
  /** `github.event`, as far as it is known. */
  readonly event?: Value;
}

/**
 * `by` is what the event is not wanted for: a pipeline that does not run for this event at all has no place at the commit,
 * one whose files did not change has one and says that it was skipped.
 */
export type TriggerVerdict =
  { readonly wanted: true } | { readonly wanted: false; readonly by: 'event' | 'paths'; readonly why: string };

const BRANCH = 'refs/heads/';
const TAG = 'refs/tags/';

/**
 * `push` without filters wants branches and tags; with filters for the one kind only, nothing of the other. `pull_request`
 * and `merge_group` match the base branch. A run asked for by hand is always wanted. `changed` are the paths that the event
 * changed; null = not known, and then they are taken to match.
 */
export function judgeTrigger(on: Triggers, event: TriggerEvent, changed: readonly string[] | null): TriggerVerdict {
  if (event.eventName === 'manual') return { wanted: true };
  const filter = filterOf(on, event.eventName);
  if (filter === undefined) return { wanted: false, by: 'event', why: `it does not run on ${event.eventName}` };
  const why = refFault(filter, event);
  if (why !== undefined) return { wanted: false, by: 'event', why };
  return changed === null || event.headRef.startsWith(TAG) ? { wanted: true } : judgePaths(filter, changed);
}

/** Whether the verdict on this event depends on what it changed. */
export function asksForPaths(on: Triggers, { eventName, headRef }: TriggerEvent): boolean {
  const filter = filterOf(on, eventName);
  return !headRef.startsWith(TAG) && (filter?.paths ?? filter?.pathsIgnore) !== undefined;
}

/** What the file says of an event; what was asked for knows no filters. */
function filterOf(on: Triggers, event: EventName): EventFilter | undefined {
  switch (event) {
    case 'push':
    case 'pull_request':
    case 'merge_group':
      return on[event];
    case 'workflow_dispatch':
      return on.workflow_dispatch && {};
    case 'schedule':
      return on.schedule && {};
    case 'manual':
      return undefined;
    default:
      return unreachable(event);
  }
}

function refFault(filter: EventFilter, event: TriggerEvent): string | undefined {
  switch (event.eventName) {
    case 'push':
      return pushFault(filter, event.headRef);
    case 'pull_request':
      return typeFault(filter, event) ?? baseFault(filter, event);
    case 'merge_group':
      return baseFault(filter, event);
    case 'manual':
    case 'workflow_dispatch':
    case 'schedule':
      return undefined;
    default:
      return unreachable(event.eventName);
  }
}

function typeFault({ types = headTypes }: EventFilter, { event = {} }: TriggerEvent): string | undefined {
  const type = typeOfEvent(event);
  return types.includes(type) ? undefined : `it does not run when a pull request is ${type}`;
}

function baseFault({ branches, branchesIgnore }: EventFilter, { baseRef }: TriggerEvent): string | undefined {
  return patternFault(branches, branchesIgnore, baseRef ?? '', 'base branch', 'branches');
}

function pushFault({ branches, branchesIgnore, tags, tagsIgnore }: EventFilter, ref: string): string | undefined {
  const namesBranches = (branches ?? branchesIgnore) !== undefined;
  const namesTags = (tags ?? tagsIgnore) !== undefined;
  if (ref.startsWith(TAG)) {
    if (namesBranches && !namesTags) return `${ref} is no branch`;
    return patternFault(tags, tagsIgnore, ref.slice(TAG.length), 'tag', 'tags');
  }
  if (namesTags && !namesBranches) return `${ref} is no tag`;
  return patternFault(branches, branchesIgnore, ref.slice(BRANCH.length), 'branch', 'branches');
}

function patternFault(
  wanted: readonly string[] | undefined,
  ignored: readonly string[] | undefined,
  name: string,
  what: string,
  key: string,
): string | undefined {
  if (wanted !== undefined && !matchesAny(wanted, name)) return `${what} ${name} does not match its ${key}`;
  return ignored !== undefined && matchesAny(ignored, name) ? `${what} ${name} is in its ${key}-ignore` : undefined;
}

function judgePaths({ paths, pathsIgnore }: EventFilter, changed: readonly string[]): TriggerVerdict {
  if (paths !== undefined && !changed.some((path) => matchesAny(paths, path)))
    return { wanted: false, by: 'paths', why: 'no changed file matches its paths' };
  if (pathsIgnore !== undefined && changed.every((path) => matchesAny(pathsIgnore, path)))
    return { wanted: false, by: 'paths', why: 'all changed files are in its paths-ignore' };
  return { wanted: true };
}

/** `[skip ci]` and its sisters anywhere in the message, or a `skip-checks: true` trailer, as on GitHub. */
export function asksToSkip(message: string): boolean {
  return (
    /\[(?:skip ci|ci skip|no ci|skip actions|actions skip)\]/i.test(message) ||
    /(?:^|\n)skip-checks: *true\s*$/i.test(message)
  );
}

/**
 * Three lists that should say the same: what GitHub knows, which containers run, what is on record. `reconcile()` names every
 * difference by a rule and says what to do about it. Pure. Doing it again changes nothing more, so a crash anywhere is
 * repaired by the next look. What could not be asked is unknown, and unknown is never taken for absent.
 */
import { unreachable } from '../result.ts';
import { isOlder, ownerLabel, scopeKey } from './pool.ts';
import { limitsOf, type EndRule } from './rules.ts';
import type { Runner, RunnerChange } from './runner.ts';

/** A runner as GitHub lists it. */
export interface ForgeRunner {
  readonly id: number;
  readonly name: string;
  readonly isOnline: boolean;
  readonly isBusy: boolean;
  readonly labels: readonly string[];
  /** null until it was online once, and on servers that do not tell. */
  readonly version: string | null;
}

/** A container with our label. */
export interface RunnerContainer {
  readonly id: string;
  /** Name of the runner that it was made for. */
  readonly runner: string;
  /** Where that one was registered; see scopeKey. */
  readonly scope: string;
  readonly isRunning: boolean;
  /** null while it runs, and when it was never started. */
  readonly exitCode: number | null;
}

/** What was seen, and when asking for it began. */
export interface Seeing<T> {
  readonly at: Date;
  readonly list: readonly T[];
}

export interface Sight {
  /** By scopeKey; an absent key = GitHub did not answer, or was not asked. */
  readonly forge: ReadonlyMap<string, Seeing<ForgeRunner>>;
  /** null = the engine did not answer. */
  readonly containers: Seeing<RunnerContainer> | null;
}

export interface ReconcileParts {
  /** All that are not gone, read after what is in `sight`: so nothing in it can be younger than its row. */
  readonly runners: readonly Runner[];
  /** Names of runners that a webhook says were given a job. */
  readonly withJob: ReadonlySet<string>;
  readonly sight: Sight;
  readonly now: Date;
  readonly installation: string;
  /** Ids of runners that this process is about to register or start. */
  readonly underWay: ReadonlySet<number>;
  /** By name: when this process saw the end of a runner. A list from before may still show it. */
  readonly endedAt: ReadonlyMap<string, Date>;
  /** By its pool; undefined when that is gone. */
  readonly wanted: (runner: Runner) => { readonly minVersion: string; readonly maxLifetimeMs: number } | undefined;
}

export type Fix =
  | { readonly do: 'change'; readonly runner: Runner; readonly change: RunnerChange }
  /** It leaves, for this reason. */
  | { readonly do: 'leave'; readonly runner: Runner; readonly rule: EndRule }
  | { readonly do: 'deregister'; readonly runner: Runner; readonly githubId: number }
  | { readonly do: 'remove-container'; readonly runner: Runner; readonly container: string }
  | { readonly do: 'end'; readonly runner: Runner }
  | { readonly do: 'deregister-orphan'; readonly scope: string; readonly githubId: number; readonly name: string }
  | { readonly do: 'remove-orphan'; readonly container: string; readonly name: string };

type Seen<T> = T | 'absent' | 'unknown';

export function reconcile(parts: ReconcileParts): readonly Fix[] {
  const { runners, sight } = parts;
  const inForge = new Map(
    [...sight.forge].map(([key, { at, list }]) => [key, { at, by: new Map(list.map((one) => [one.name, one])) }]),
  );
  const running =
    sight.containers === null
      ? undefined
      : { at: sight.containers.at, by: new Map(sight.containers.list.map((one) => [one.runner, one])) };
  const fixes = runners
    .filter(({ id }) => !parts.underWay.has(id))
    .flatMap((runner) => {
      const forge = lookUp(inForge.get(scopeKey(runner.scope)), runner, parts.now);
      return judge(parts, runner, forge, lookUp(running, runner, parts.now)) ?? [];
    });
  return [...fixes, ...orphans(parts)];
}

/** A list from before the runner's last change tells nothing of it, except where a clock was set back since. */
function lookUp<T extends object>(
  seeing: { readonly at: Date; readonly by: ReadonlyMap<string, T> } | undefined,
  { name, changedAt }: Runner,
  now: Date,
): Seen<T> {
  // In one and the same millisecond nobody can tell which came first.
  if (seeing === undefined || (seeing.at <= changedAt && changedAt <= now)) return 'unknown';
  return seeing.by.get(name) ?? 'absent';
}

function judge(
  parts: ReconcileParts,
  runner: Runner,
  forge: Seen<ForgeRunner>,
  container: Seen<RunnerContainer>,
): Fix | readonly Fix[] | undefined {
  const leave = (rule: EndRule): Fix => ({ do: 'leave', runner, rule });
  switch (runner.state) {
    case 'planned':
      // A row is written before GitHub is asked, so what GitHub has by this name was made for it.
      return isThere(forge) ? leave('lost-config') : leave('unfinished-plan');
    case 'registered':
      return leave(isThere(container) ? 'died-at-start' : 'not-started');
    case 'starting':
    case 'idle':
    case 'busy':
      return watch(parts, runner, forge, container);
    case 'leaving':
      return takeAway(runner, forge, container);
    case 'gone':
      return undefined;
    default:
      return unreachable(runner.state);
  }
}

/** A runner whose container was started. */
function watch(
  parts: ReconcileParts,
  runner: Runner,
  forge: Seen<ForgeRunner>,
  container: Seen<RunnerContainer>,
): Fix | undefined {
  const { now } = parts;
  const limits = limitsOf(runner.isEmulated);
  const leave = (rule: EndRule): Fix => ({ do: 'leave', runner, rule });
  if (container === 'absent') return leave('container-lost');
  if (isThere(container) && !container.isRunning) {
    // Between two looks a runner may have come, done its job and gone.
    const wasSeen = runner.state !== 'starting' || container.exitCode === 0;
    return leave(wasSeen ? 'finished' : 'died-at-start');
  }
  if (runner.state !== 'busy' && parts.withJob.has(runner.name))
    return { do: 'change', runner, change: { state: 'busy', busyAt: now, onlineAt: runner.onlineAt ?? now } };
  if (forge === 'unknown') return undefined;
  if (forge === 'absent') {
    if (runner.state === 'starting') return overdue(runner, now, limits.online, 'never-online');
    return overdue(runner, now, limits.exit, runner.state === 'busy' ? 'did-not-exit' : 'unregistered');
  }
  if (!forge.isOnline) {
    if (runner.state === 'starting') return overdue(runner, now, limits.online, 'never-online');
    return overdue(runner, now, runner.state === 'busy' ? limits.busyOffline : limits.offline, 'offline');
  }
  const change: RunnerChange = {
    ...(runner.odd === null ? {} : { odd: null, oddAt: null }),
    ...(runner.onlineAt === null ? { onlineAt: now } : {}),
    ...(runner.githubId === null ? { githubId: forge.id } : {}),
    ...(forge.isBusy && runner.state !== 'busy' ? { state: 'busy', busyAt: now } : {}),
    ...(!forge.isBusy && runner.state === 'starting' ? { state: 'idle' } : {}),
  };
  if (Object.keys(change).length > 0) return { do: 'change', runner, change };
  if (runner.state === 'busy') return undefined;
  const wanted = parts.wanted(runner);
  if (wanted === undefined) return undefined;
  if (forge.version !== null && isOlder(forge.version, wanted.minVersion)) return leave('old-version');
  return now.getTime() - runner.plannedAt.getTime() >= wanted.maxLifetimeMs ? leave('too-old') : undefined;
}

/** What should pass by itself is noted first, and acted upon when it did not pass in time. */
function overdue(runner: Runner, now: Date, limitMs: number, rule: EndRule): Fix | undefined {
  if (runner.odd !== rule || runner.oddAt === null) return { do: 'change', runner, change: { odd: rule, oddAt: now } };
  return now.getTime() - runner.oddAt.getTime() >= limitMs ? { do: 'leave', runner, rule } : undefined;
}

/**
 * The registration first: GitHub refuses to give up a runner with a job, and once it is given up no job can come. Only then
 * its container may be killed.
 */
function takeAway(runner: Runner, forge: Seen<ForgeRunner>, container: Seen<RunnerContainer>): Fix | undefined {
  if (!runner.isReleased) {
    // GitHub itself forgets a runner after its job, and each call counts.
    if (forge === 'absent') return { do: 'change', runner, change: { isReleased: true } };
    const githubId = isThere(forge) ? forge.id : runner.githubId;
    return githubId === null ? undefined : { do: 'deregister', runner, githubId };
  }
  if (isThere(container)) return { do: 'remove-container', runner, container: container.id };
  return container === 'absent' ? { do: 'end', runner } : undefined;
}

/** Only what carries our label is ever looked at. */
function orphans({ runners, sight, installation, endedAt }: ReconcileParts): readonly Fix[] {
  const known = new Set(runners.map(({ name }) => name));
  const label = ownerLabel(installation);
  const isOld = (name: string, at: Date): boolean => (endedAt.get(name) ?? new Date(0)) >= at;
  const registrations = [...sight.forge].flatMap(([scope, { at, list }]) =>
    list
      .filter(
        ({ name, labels }) => !known.has(name) && !isOld(name, at) && labels.some((one) => one.toLowerCase() === label),
      )
      .map((one) => ({ scope, ...one })),
  );
  const containers = (sight.containers?.list ?? []).filter(({ runner, scope, isRunning }) => {
    if (known.has(runner)) return false;
    if (!isRunning) return true;
    // Somebody's job may run in it, and only GitHub knows.
    const list = sight.forge.get(scope);
    return list !== undefined && list.list.find(({ name }) => name === runner)?.isBusy !== true;
  });
  return [
    ...registrations
      .filter(({ isBusy }) => !isBusy)
      .map(({ scope, id, name }): Fix => ({ do: 'deregister-orphan', scope, githubId: id, name })),
    ...containers.map(({ id, runner }): Fix => ({ do: 'remove-orphan', container: id, name: runner })),
  ];
}

function isThere<T extends object>(seen: Seen<T>): seen is T {
  return typeof seen === 'object';
}

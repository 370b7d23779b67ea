/** How many runners each pool starts now, and which it lets go. Pure. */
import { NOTHING, fits, minus, plus, type Amounts } from '../resources.ts';
import type { WorkflowJob } from '../workflow.ts';
import { scopeFor, type Offering } from './match.ts';
import { scopeKey, scopesOf, type Scaling, type Scope } from './pool.ts';
import type { EndRule } from './rules.ts';
import type { Runner } from './runner.ts';

/** The origin's: so many jobs must wait, or one of them so long. */
export const presets: Readonly<Record<Scaling, { readonly jobs: number; readonly waitMs: number }>> = {
  lazy: { jobs: 5, waitMs: 120_000 },
  balanced: { jobs: 2, waitMs: 60_000 },
  aggressive: { jobs: 1, waitMs: 30_000 },
};

/** A pool that is ready on this box and shall run, or is to be emptied. */
export interface PoolState extends Offering {
  readonly fingerprint: string;
  readonly wish: 'running' | 'stopped';
  /** Its runners may be started: everything about it was checked. */
  readonly isReady: boolean;
  /** Runners at once. */
  readonly most: number;
  readonly size: Amounts;
  readonly isEmulated: boolean;
  /** Nothing is started before; null = at once. */
  readonly notBefore: Date | null;
}

/** A job that waits for a runner. */
export interface WaitingJob {
  readonly job: Pick<WorkflowJob, 'id' | 'labels' | 'repo'>;
  readonly since: Date;
}

export interface ScaleParts {
  readonly pools: readonly PoolState[];
  readonly runners: readonly Runner[];
  readonly waiting: readonly WaitingJob[];
  /** What runners may take together. */
  readonly room: Amounts;
  /** What jobs of pipelines may take together. */
  readonly capacity: Amounts;
  /** What they hold. */
  readonly held: Amounts;
  /** The oldest job of a pipeline that waits for cores, memory or disk. */
  readonly pressing: { readonly wants: Amounts; readonly since: Date } | null;
  readonly now: Date;
}

export interface Start {
  readonly pool: string;
  readonly scope: Scope;
}

export interface ScalePlan {
  /** In the order in which they should begin. */
  readonly starts: readonly Start[];
  readonly leaves: readonly { readonly runner: Runner; readonly rule: EndRule }[];
}

interface Group {
  readonly state: PoolState;
  readonly scope: Scope;
  readonly jobs: WaitingJob[];
  /** On their way or idle, and not leaving. */
  readonly ready: readonly Runner[];
}

export function scale(parts: ScaleParts): ScalePlan {
  const groups = groupsOf(parts);
  const leaves = [...unwanted(parts), ...groups.flatMap((group) => surplus(group, parts)), ...givingWay(groups, parts)];
  const going = new Set(leaves.map(({ runner }) => runner.id));
  let free = minus(minus(parts.room, parts.held), parts.runners.map(({ size }) => size).reduce(plus, NOTHING));
  const counts = new Map(parts.pools.map(({ pool }) => [pool.name, countOf(parts.runners, pool.name)]));
  const starts: Start[] = [];
  // What jobs wait for comes before what only might be asked for; then whoever waits longest.
  for (const { state, scope, isForJob } of wishes(groups, parts, going)) {
    const { name } = state.pool;
    const count = counts.get(name) ?? 0;
    if (count >= state.most || !fits(state.size, free)) continue;
    if (parts.pressing !== null && !isForJob) continue;
    free = minus(free, state.size);
    counts.set(name, count + 1);
    starts.push({ pool: name, scope });
  }
  return { starts, leaves };
}

function countOf(runners: readonly Runner[], pool: string): number {
  return runners.filter((runner) => runner.pool === pool).length;
}

/** Each waiting job is counted once: for the first pool that takes it and has room, else for the first that takes it. */
function groupsOf({ pools, runners, waiting }: ScaleParts): readonly Group[] {
  const groups = pools
    .filter(({ wish, isReady }) => wish === 'running' && isReady)
    .toSorted((a, b) => Number(a.isEmulated) - Number(b.isEmulated) || a.size.cpus - b.size.cpus)
    .flatMap((state) =>
      scopesOf(state.pool).map((scope): Group => {
        const ready = runners.filter(
          (runner) =>
            runner.pool === state.pool.name &&
            scopeKey(runner.scope) === scopeKey(scope) &&
            ['planned', 'registered', 'starting', 'idle'].includes(runner.state) &&
            runner.fingerprint === state.fingerprint,
        );
        return { state, scope, jobs: [], ready };
      }),
    );
  const room = new Map(pools.map(({ pool, most }) => [pool.name, most - countOf(runners, pool.name)]));
  for (const one of waiting.toSorted((a, b) => a.since.getTime() - b.since.getTime())) {
    const takers = groups.filter((group) => {
      const scope = scopeFor(group.state, one.job);
      return scope !== undefined && scopeKey(scope) === scopeKey(group.scope);
    });
    const best =
      takers.find((group) => group.ready.length > group.jobs.length) ??
      takers.find(({ state }) => (room.get(state.pool.name) ?? 0) > 0) ??
      takers[0];
    if (best === undefined) continue;
    if (best.ready.length <= best.jobs.length) {
      const { name } = best.state.pool;
      room.set(name, (room.get(name) ?? 0) - 1);
    }
    best.jobs.push(one);
  }
  return groups;
}

interface Wish {
  readonly state: PoolState;
  readonly scope: Scope;
  readonly isForJob: boolean;
  readonly since: number;
}

function wishes(groups: readonly Group[], { now }: ScaleParts, going: ReadonlySet<number>): readonly Wish[] {
  return groups
    .flatMap(({ state, scope, jobs, ready }): Wish[] => {
      if (state.notBefore !== null && state.notBefore > now) return [];
      const staying = ready.filter(({ id }) => !going.has(id)).length;
      const short = jobs.slice(staying);
      const { jobs: threshold, waitMs } = presets[state.pool.scaling];
      const oldest = short[0]?.since;
      const isDue = oldest !== undefined && (short.length >= threshold || now.getTime() - oldest.getTime() >= waitMs);
      const forJobs = (isDue ? short : []).map((one): Wish => ({
        ...{ state, scope, isForJob: true },
        since: one.since.getTime(),
      }));
      // The floor counts runners that nobody waits for; while jobs wait for the threshold it is no way around it.
      const spare = isDue || short.length === 0 ? Math.max(0, staying - jobs.length) : staying;
      const floor = Math.max(0, state.pool.minIdle - spare);
      return [...forJobs, ...Array.from({ length: floor }, (): Wish => ({ state, scope, isForJob: false, since: 0 }))];
    })
    .toSorted((a, b) => Number(b.isForJob) - Number(a.isForJob) || a.since - b.since);
}

/** Runners without a job whose pool is stopped, gone, or defined otherwise now. */
function unwanted({ pools, runners }: ScaleParts): ScalePlan['leaves'] {
  const byName = new Map(pools.map((state) => [state.pool.name, state]));
  return runners.flatMap((runner): ScalePlan['leaves'][number][] => {
    if (runner.state !== 'idle' && runner.state !== 'starting') return [];
    const state = byName.get(runner.pool);
    if (state === undefined || state.wish === 'stopped') return [{ runner, rule: 'pool-stopped' }];
    return runner.fingerprint === state.fingerprint ? [] : [{ runner, rule: 'pool-changed' }];
  });
}

function surplus({ state, jobs, ready }: Group, { pressing, now }: ScaleParts): ScalePlan['leaves'] {
  const idle = ready.filter((runner) => runner.state === 'idle').toSorted((a, b) => sinceOf(a) - sinceOf(b));
  if (pressing !== null) return [];
  const spare = ready.length - jobs.length - state.pool.minIdle;
  return idle
    .slice(0, Math.max(0, spare))
    .filter((runner) => now.getTime() - sinceOf(runner) >= state.pool.idleMs)
    .map((runner) => ({ runner, rule: 'surplus' }));
}

/** As many idle runners as it takes for the job that waits, whatever `min-idle` says; none when all of them were too few. */
function givingWay(groups: readonly Group[], { runners, capacity, held, pressing }: ScaleParts): ScalePlan['leaves'] {
  if (pressing === null) return [];
  // Those that leave already make room without anybody else.
  const staying = runners.filter(({ state }) => state !== 'leaving');
  let left = minus(minus(capacity, held), staying.map(({ size }) => size).reduce(plus, NOTHING));
  const going: Runner[] = [];
  for (const { ready, jobs } of groups) {
    const idle = ready.filter((runner) => runner.state === 'idle').toSorted((a, b) => sinceOf(a) - sinceOf(b));
    for (const runner of idle.slice(0, Math.max(0, ready.length - jobs.length))) {
      if (fits(pressing.wants, left)) break;
      going.push(runner);
      left = plus(left, runner.size);
    }
  }
  return fits(pressing.wants, left) ? going.map((runner) => ({ runner, rule: 'gives-way' })) : [];
}

function sinceOf({ onlineAt, plannedAt }: Runner): number {
  return (onlineAt ?? plannedAt).getTime();
}

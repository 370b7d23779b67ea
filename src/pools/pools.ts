/**
 * The pool loop: what GitHub, the engine and the store say → reconcile() and scale() → done and written down. It holds nothing
 * that matters in memory: after a crash anywhere, the next tick goes on from the three lists.
 */
import { roomForRunners } from '../core/pool/box.ts';
import type { RunnerContainers, RunnerForge } from '../core/pool/pool-ports.ts';
import type { NewRunner, PoolRecord, PoolSnapshot, PoolStore } from '../core/pool/pool-store.ts';
import { labelsOfPool, runnerName, scopesOf, type Scope } from '../core/pool/pool.ts';
import { reconcile, type Fix, type Sight } from '../core/pool/reconcile.ts';
import { scale, type PoolState, type Start } from '../core/pool/scale.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { Capacity } from '../core/resources.ts';
import { checkPool } from './checks.ts';
import type { PoolEvents } from './events.ts';
import { createFixing } from './fixes.ts';
import { createLooking } from './sight.ts';
import { createStarter } from './starter.ts';

export interface PoolsParts {
  readonly store: PoolStore;
  readonly forge: RunnerForge;
  readonly containers: RunnerContainers;
  readonly clock: Clock;
  readonly random: Random;
  /** Whose box it is. */
  readonly worker: string;
  /** By which runners of this box are known at GitHub. */
  readonly installation: string;
  readonly forgeUrl: string;
  readonly capacity: () => Promise<Capacity>;
  readonly events: PoolEvents;
  /** Something changed that another tick should see. */
  readonly onChange: () => void;
}

export interface Pools extends AsyncDisposable {
  /** One look at everything, and what follows from it. */
  tick(signal: AbortSignal): Promise<void>;
  /** Resolves when nothing that ticks have begun is under way any more. */
  settled(): Promise<void>;
}

/** GitHub is asked for its runners so often, and more often while one is about to come online. */
const LIST_EVERY_MS = 30_000;
const LIST_SOON_MS = 5_000;
/** What is in order is looked at again after so long, what is not, after a minute. */
const CHECK_AGAIN_MS = 60 * 60_000;
const CHECK_TROUBLE_MS = 60_000;

export function createPools(parts: PoolsParts): Pools {
  const { store, forge, containers, clock, events } = parts;
  const stop = new AbortController();
  const looking = createLooking({ forge, containers, clock, onTrouble: events.trouble });
  const starter = createStarter({
    ...parts,
    onTrouble: (runner, why) => {
      events.runner(runner, `was not started: ${why}`);
    },
  });
  const fixing = createFixing({ ...parts, starter, stop: stop.signal });
  let hasLooked = false;
  const checking = new Map<string, Promise<void>>();

  async function tick(signal: AbortSignal): Promise<void> {
    const before = await store.poolSnapshot(parts.worker);
    // Without a pool there may still be what one left behind, from before this process.
    if (before.pools.length + before.runners.length === 0 && hasLooked) return;
    hasLooked = true;
    checkWhatIsDue(before.pools);
    const scopes = scopesToSee(before);
    const isSoon = before.runners.some(
      ({ state, githubId }) => state === 'starting' || (state === 'leaving' && githubId === null),
    );
    const sight =
      scopes.length === 0 && before.runners.length === 0
        ? await looking.look([], LIST_EVERY_MS, signal)
        : await looking.look(scopes, isSoon ? LIST_SOON_MS : LIST_EVERY_MS, signal);
    if (signal.aborted) return;
    // After the lists, so that nothing in them can be younger than what is on record.
    const snapshot = await store.poolSnapshot(parts.worker);
    for (const fix of fixesFor(snapshot, sight)) await fixing.carryOut(fix);
    await scaleNow(await store.poolSnapshot(parts.worker), signal);
    for (const { pool, wish } of snapshot.pools)
      if (wish === 'removed' && (await store.forgetPool(pool.name))) events.pool(pool.name, 'is removed');
  }

  function fixesFor(snapshot: PoolSnapshot, sight: Sight): readonly Fix[] {
    const byName = new Map(snapshot.pools.map((record) => [record.pool.name, record.pool]));
    return reconcile({
      ...{ runners: snapshot.runners, withJob: snapshot.withJob, sight, now: clock.now() },
      ...{ installation: parts.installation, underWay: starter.underWay, endedAt: fixing.endedAt },
      wanted: ({ pool }) => byName.get(pool),
    });
  }

  async function scaleNow(snapshot: PoolSnapshot, signal: AbortSignal): Promise<void> {
    const capacity = await parts.capacity();
    const room = roomForRunners(capacity);
    const { runners, waiting, held, pressing, pools } = snapshot;
    const states = pools.map(stateOf);
    const now = clock.now();
    const plan = scale({ pools: states, runners, waiting, room, capacity, held, pressing, now });
    for (const { runner, rule } of plan.leaves) if (!starter.underWay.has(runner.id)) await fixing.leave(runner, rule);
    if (plan.starts.length === 0 || signal.aborted) return;
    const byName = new Map(pools.map((record) => [record.pool.name, record]));
    const wanted = plan.starts.flatMap((start) => newRunner(start, byName.get(start.pool)) ?? []);
    const made = await store.planRunners(parts.worker, wanted, room, now);
    for (const [pool, some] of Map.groupBy(made, (runner) => runner.pool)) {
      const record = byName.get(pool);
      if (record !== undefined) starter.begin(record, some, stop.signal);
    }
  }

  function stateOf({ pool, fingerprint, wish, condition }: PoolRecord): PoolState {
    const { seen } = condition;
    const platform = seen?.platform ?? pool.platform ?? '';
    return {
      pool,
      fingerprint,
      labels: labelsOfPool(pool, platform, parts.installation),
      wish: wish === 'running' ? 'running' : 'stopped',
      // Trouble that may pass does not empty a pool, and neither does it start anything.
      isReady: condition.state === 'ready',
      most: seen?.most ?? 0,
      size: seen?.size ?? { cpus: 0, memoryBytes: 0, diskBytes: 0 },
      isEmulated: seen?.isEmulated ?? false,
      notBefore: starter.notBefore(pool.name),
    };
  }

  function newRunner({ pool, scope }: Start, record: PoolRecord | undefined): NewRunner | undefined {
    const seen = record?.condition.seen;
    if (record === undefined || seen === null || seen === undefined) return undefined;
    const { platform, size, isEmulated } = seen;
    const name = runnerName(pool, parts.random.hex(5));
    return { name, pool, fingerprint: record.fingerprint, scope, platform, size, isEmulated };
  }

  /** In the background, since an image may have to be pulled first. */
  function checkWhatIsDue(pools: readonly PoolRecord[]): void {
    for (const record of pools) {
      const { pool, condition, wish } = record;
      if (wish === 'removed' || wish === 'stopped' || checking.has(pool.name) || !isDue(record)) continue;
      const check = checkPool(parts, record, stop.signal)
        .then(async (found) => {
          // What was seen before stays so while something is in the way that may pass.
          await store.notePool(pool.name, found.state === 'trouble' ? { ...found, seen: condition.seen } : found);
          if (found.state !== condition.state || found.message !== condition.message)
            events.pool(pool.name, `is ${found.state}: ${found.message}`);
          parts.onChange();
        })
        .catch((cause: unknown) => {
          if (!stop.signal.aborted)
            events.trouble(`pool ${pool.name}`, cause instanceof Error ? cause.message : String(cause));
        })
        .finally(() => checking.delete(pool.name));
      checking.set(pool.name, check);
    }
  }

  function isDue({ condition, changedAt }: PoolRecord): boolean {
    if (condition.at === null || condition.at < changedAt) return true;
    const age = clock.now().getTime() - condition.at.getTime();
    return age < 0 || age >= (condition.state === 'ready' ? CHECK_AGAIN_MS : CHECK_TROUBLE_MS);
  }

  async function settled(): Promise<void> {
    await Promise.all([starter.settled(), fixing.settled(), ...checking.values()]);
  }

  return {
    tick,
    settled,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the pools were asked to leave'));
      await starter[Symbol.asyncDispose]();
      await settled();
    },
  };
}

/** Those of runners that are still there, and of pools that may have left something behind. */
function scopesToSee({ pools, runners }: PoolSnapshot): readonly Scope[] {
  return [...runners.map(({ scope }) => scope), ...pools.flatMap(({ pool }) => scopesOf(pool))];
}

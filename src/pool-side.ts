/** The part of a worker that keeps pools of GitHub Actions runners on its box. */
import type { RunnerContainers, RunnerForge, WorkflowWork } from './core/pool/pool-ports.ts';
import type { Pool } from './core/pool/pool.ts';
import type { Clock, Random, Store } from './core/ports.ts';
import type { Capacity } from './core/resources.ts';
import type { Log } from './log.ts';
import { startLoop } from './loop.ts';
import { pollOnce } from './pools/poll.ts';
import { createPools } from './pools/pools.ts';

export interface PoolSettings {
  readonly forge: RunnerForge;
  readonly work: WorkflowWork;
  /** Of the settings file. */
  readonly pools: readonly Pool[];
  /** The allow-list, for pools of organisations. */
  readonly repos: readonly string[];
  /** Where people see the forge. */
  readonly forgeUrl: string;
}

export interface PoolSideParts extends PoolSettings {
  readonly store: Store;
  readonly containers: RunnerContainers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly worker: string;
  readonly installation: string;
  readonly capacity: () => Promise<Capacity>;
}

export interface PoolSide extends AsyncDisposable {
  wake(): void;
}

const TICK_MS = 5_000;
/** A webhook that did not come is made up for within this. */
const POLL_MS = 45_000;

/** Resolves when the pools of the settings file are on record. Disposing leaves the runners as they are to the next process. */
export async function startPoolSide(parts: PoolSideParts): Promise<PoolSide> {
  const { store, clock, log } = parts;
  await takeFromFile(parts);
  const pools = createPools({
    ...parts,
    events: {
      trouble: (of, why) => {
        log.warn({ of, reason: why }, 'pools: something did not answer or was refused');
      },
      runner: ({ pool, name }, what) => {
        log.info({ pool, runner: name, what }, 'pools: a runner');
      },
      pool: (pool, what) => {
        log.info({ pool, what }, 'pools: a pool');
      },
    },
    onChange: () => {
      ticking.wake();
    },
  });
  const loop = (name: string, tick: (signal: AbortSignal) => Promise<void>, intervalMs: number) =>
    startLoop(tick, {
      intervalMs,
      onError: (error) => {
        log.error({ err: error, loop: name }, 'a loop failed and goes on');
      },
    });
  const ticking = loop('pools', (signal) => pools.tick(signal), TICK_MS);
  const polling = loop(
    'pool-poll',
    (signal) =>
      pollOnce(
        {
          ...{ store, work: parts.work, clock, repos: parts.repos },
          onChange: () => {
            ticking.wake();
          },
          onTrouble: (repo, why) => {
            log.warn({ repo, reason: why }, 'pools: GitHub did not tell what waits');
          },
        },
        signal,
      ),
    POLL_MS,
  );
  return {
    wake: () => {
      ticking.wake();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([ticking[Symbol.asyncDispose](), polling[Symbol.asyncDispose]()]);
      await pools[Symbol.asyncDispose]();
    },
  };
}

/** New ones of the file run; known ones stay as somebody wished; those that are no more in it are emptied. */
async function takeFromFile({ store, pools, clock }: PoolSideParts): Promise<void> {
  const now = clock.now();
  const known = new Map((await store.pools()).map((record) => [record.pool.name, record]));
  for (const pool of pools) {
    const before = known.get(pool.name);
    const isNew = before === undefined || before.wish === 'removed';
    await store.savePool(pool, 'file', isNew ? 'running' : null, now);
  }
  const named = new Set(pools.map(({ name }) => name));
  for (const { pool, source } of known.values())
    if (source === 'file' && !named.has(pool.name)) await store.wishPool(pool.name, 'removed', now);
}

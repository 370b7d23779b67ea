/** An agent from its first connection to its goodbye: works on a timetable, stores, pushes, pulls and reports. */
import { randomUUID, type KeyObject } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectHub, Lost, Refused, type HubConnection } from './connection.ts';
import { startLink } from './link.ts';
import type { LocalStore } from './local-store.ts';
import { createPusher, expectType, pullAll, syncOnce, type Synced } from './sync.ts';
import { trespass } from './trespass.ts';
import { workOf, type Role } from './work.ts';
import type { Debug } from '../debug/debug.ts';
import type { Attempt, Summary } from '../protocol/messages.ts';
import { identityText, type Identity } from '../protocol/names.ts';
import { processBytes } from '../process-size.ts';

export interface AgentOptions {
  readonly url: string;
  readonly identity: Identity;
  readonly key: KeyObject;
  readonly role: Role;
  readonly seed: number;
  readonly intervalMs: number;
  readonly durationMs: number;
  readonly store: LocalStore;
  readonly debug: Debug;
  /** Whose tenant this agent tries to get at in every sync; undefined = it behaves. */
  readonly target?: Identity | undefined;
  readonly timeoutMs?: number;
  readonly heartbeatMs?: number;
  /** After every change of what it is doing. */
  readonly onState?: (state: AgentState) => void;
}

export interface AgentState {
  readonly isConnected: boolean;
  readonly iterations: number;
  readonly isDone: boolean;
}

/** The hub was not there when the agent had to end. Its episodes are in the local store. */
export class NoGoodbye extends Error {
  override readonly name = 'NoGoodbye';
}

/** How long an agent waits for a hub that is away before it ends without a goodbye. */
const PATIENCE_MS = 60_000;
const MAX_RECEIPTS = 2000;

/** Resolves to the summary after the goodbye was answered. `stop` ends the work early, with a goodbye all the same. */
export async function runAgent(options: AgentOptions, stop: AbortSignal): Promise<Summary> {
  const { identity, store, debug, key, url, timeoutMs = 5000, heartbeatMs = 10_000 } = options;
  const pusher = createPusher(store, identity);
  const exclusively = createQueue();
  const done = { iterations: 0, syncs: 0, rewards: 0, successes: 0, news: 0 };
  let fresh: HubConnection | undefined;
  const tell = (isDone = false): void => {
    options.onState?.({ isConnected: link.isConnected, iterations: done.iterations, isDone });
  };
  const link = startLink({
    connect: () =>
      connectHub({ ...{ url, identity, key, timeoutMs, heartbeatMs }, helloId: `hello-${randomUUID()}`, onNews }),
    random: Math.random,
    onConnected(connection) {
      fresh = connection;
      store.hubHas(connection.lastSequence);
      pusher.hubHas(connection.lastSequence);
      const { connectMs, authMs, lastSequence } = connection;
      const fields = { connectMs: round(connectMs), authMs: round(authMs), lastSequence };
      debug('BASIC', { kind: 'lifecycle', name: 'connected', fields });
      tell();
    },
    onTrouble(message) {
      debug('BASIC', { kind: 'lifecycle', name: 'not connected', fields: { message } });
      tell();
    },
  });

  /** Others have pushed: fetch it now rather than with the next sync. What fails here comes with that one. */
  function onNews(): void {
    done.news += 1;
    debug('TRACE', { kind: 'message', name: 'news' });
    void exclusively(async () => {
      if (!link.isConnected) return;
      const pulled = await pullAll(await link.ready(), store, identity, `news-${randomUUID()}`);
      debug('DETAILED', { kind: 'memory', name: 'received', fields: { pulled } });
    }).catch((error: unknown) => trouble('pull after news', error));
  }

  function trouble(what: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    debug('BASIC', { kind: 'message', name: 'failed', fields: { what, message } });
  }

  async function iterate(iteration: number): Promise<void> {
    const work = workOf({ identity, role: options.role, seed: options.seed, iteration });
    const [startedAt, from] = [new Date().toISOString(), performance.now()];
    const { sequence } = store.add({ ...work, at: startedAt });
    const storeMs = performance.now() - from;
    done.iterations = iteration;
    done.rewards += work.reward;
    done.successes += work.success ? 1 : 0;
    debug('DETAILED', { kind: 'task', name: 'worked', fields: { iteration, task: work.task, reward: work.reward } });
    debug('VERBOSE', { kind: 'memory', name: 'stored', fields: { sequence, storeMs: round(storeMs) } });
    await syncAndReport({ iteration, task: work.task, startedAt, storeMs });
  }

  /** A sync that fails is made up for by the next one: the episode is stored and stays unacknowledged until then. */
  async function syncAndReport(told: Told): Promise<void> {
    if (!link.isConnected) return;
    try {
      const connection = await link.ready();
      const synced = await syncOnce({ connection, store, pusher, identity });
      done.syncs += 1;
      const attempts =
        options.target === undefined
          ? []
          : await trespass(connection, { url, identity, key, target: options.target, timeoutMs });
      await report({ connection, told, synced, attempts });
      logSync(told, synced);
      tell();
    } catch (error) {
      if (!(error instanceof Lost) && !(error instanceof Refused)) throw error;
      trouble('sync', error);
    }
  }

  async function report({ connection, told, synced, attempts }: Report): Promise<void> {
    const received = [...store.unreported(MAX_RECEIPTS)];
    const isFresh = fresh === connection;
    const sync = {
      ...told,
      ...synced,
      connectMs: isFresh ? connection.connectMs : null,
      authMs: isFresh ? connection.authMs : null,
    };
    const memoryBytes = processBytes();
    const id = `report-${randomUUID()}`;
    expectType(
      'noted',
      await connection.ask({ type: 'report', id, sync, received, attempts: [...attempts], memoryBytes }),
    );
    store.reported(received);
    if (isFresh) fresh = undefined;
  }

  function logSync({ iteration }: Told, { id, pushMs, pullMs, syncMs, pushed, pulled }: Synced): void {
    const times = { pushMs: round(pushMs), pullMs: round(pullMs), syncMs: round(syncMs) };
    debug('BASIC', { kind: 'task', name: 'synced', fields: { id, iteration, pushed, pulled, ...times } });
  }

  async function sayGoodbye(): Promise<Summary> {
    const late = sleep(PATIENCE_MS, undefined, { ref: false }).then(() => {
      throw new NoGoodbye('The hub was not there for the goodbye.');
    });
    for (;;) {
      const connection = await Promise.race([link.ready(), late]);
      try {
        return await exclusively(async () => {
          // The last receipts, and whatever a lost connection left unacknowledged.
          const synced = await syncOnce({ connection, store, pusher, identity });
          const told = { iteration: done.iterations, task: 'goodbye', startedAt: new Date().toISOString(), storeMs: 0 };
          if (done.iterations > 0) await report({ connection, told, synced, attempts: [] });
          const summary = summaryOf(done, { connectionErrors: link.errors, received: store.receivedCount });
          expectType('farewell', await connection.ask({ type: 'goodbye', id: `bye-${randomUUID()}`, summary }));
          link.stop();
          await connection.close();
          return summary;
        });
      } catch (error) {
        if (!(error instanceof Lost) && !(error instanceof Refused)) throw error;
        trouble('goodbye', error);
        await Promise.race([sleep(500), late]);
      }
    }
  }

  try {
    const stopped = new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([link.ready(), stopped, sleep(PATIENCE_MS, undefined, { ref: false })]);
    if (!link.isConnected) throw new NoGoodbye(`No connection to ${url} came about.`);
    const isStopped = (): boolean => stop.aborted;
    const from = performance.now();
    const count = Math.floor(options.durationMs / options.intervalMs);
    for (let n = 0; n <= count && !isStopped(); n += 1) {
      await Promise.race([stopped, sleep(Math.max(0, from + n * options.intervalMs - performance.now()))]);
      // The last turn is the end of the duration.
      if (n < count && !isStopped()) await exclusively(() => iterate(n + 1));
    }
    const summary = await sayGoodbye();
    debug('BASIC', { kind: 'lifecycle', name: 'summary', fields: { agent: identityText(identity), ...summary } });
    tell(true);
    return summary;
  } finally {
    link.stop();
  }
}

interface Told {
  readonly iteration: number;
  readonly task: string;
  readonly startedAt: string;
  readonly storeMs: number;
}

interface Report {
  readonly connection: HubConnection;
  readonly told: Told;
  readonly synced: Synced;
  readonly attempts: readonly Attempt[];
}

interface Done {
  readonly iterations: number;
  readonly syncs: number;
  readonly rewards: number;
  readonly successes: number;
  readonly news: number;
}

function summaryOf(done: Done, more: Pick<Summary, 'connectionErrors' | 'received'>): Summary {
  const { iterations, syncs, rewards, successes, news } = done;
  const share = (sum: number): number => (iterations === 0 ? 0 : sum / iterations);
  return { iterations, syncs, meanReward: round(share(rewards)), successRate: share(successes), news, ...more };
}

/** One after the other: a pull between a push and its receipt would make both unreadable in the log. */
function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = Promise.allSettled([last]).then(work);
    last = next;
    return next;
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

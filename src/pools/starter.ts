/** From a row to a runner that GitHub sees: register, start, and write each step down before the next. */
import PQueue from 'p-queue';
import type { RunnerContainers, RunnerForge } from '../core/pool/pool-ports.ts';
import type { PoolRecord, PoolStore } from '../core/pool/pool-store.ts';
import { labelsOfPool, scopeName } from '../core/pool/pool.ts';
import type { Runner } from '../core/pool/runner.ts';
import type { Clock } from '../core/ports.ts';

export interface StarterParts {
  readonly store: Pick<PoolStore, 'changeRunner'>;
  readonly forge: Pick<RunnerForge, 'register' | 'registrationToken'>;
  readonly containers: Pick<RunnerContainers, 'start'>;
  readonly clock: Clock;
  readonly installation: string;
  /** Where people see the forge, for servers without registrations for one job. */
  readonly forgeUrl: string;
  readonly onTrouble: (runner: Runner, why: string) => void;
  /** Something was written down. */
  readonly onChange: () => void;
}

export interface Starter extends AsyncDisposable {
  /** Ids of runners that are waited for or being started. */
  readonly underWay: ReadonlySet<number>;
  /** Takes them on in their order; returns at once. */
  begin(record: PoolRecord, runners: readonly Runner[], signal: AbortSignal): void;
  /** When the pool may start something again after failures in a row; null = now. */
  notBefore(pool: string): Date | null;
  /** A runner of the pool came online: failures before it do not count any more. */
  wentWell(pool: string): void;
  /** One did not, although its container was started. */
  wentWrong(pool: string): void;
  settled(): Promise<void>;
}

const AT_ONCE = 4;
const LONGEST_BACKOFF_MS = 5 * 60_000;

export function createStarter(parts: StarterParts): Starter {
  const { store, forge, containers, clock } = parts;
  const queues = new Map<string, PQueue>();
  const underWay = new Set<number>();
  const failures = new Map<string, { readonly inRow: number; readonly notBefore: Date }>();
  const stop = new AbortController();

  function queueOf({ pool }: PoolRecord): PQueue {
    const known = queues.get(pool.name);
    if (known !== undefined) return known;
    const paced = pool.staggerMs > 0 ? { concurrency: 1, interval: pool.staggerMs, intervalCap: 1 } : {};
    const made = new PQueue({ concurrency: AT_ONCE, ...paced });
    queues.set(pool.name, made);
    return made;
  }

  function failed(pool: string, retryAt?: Date): void {
    const now = clock.now().getTime();
    const inRow = (failures.get(pool)?.inRow ?? 0) + 1;
    const waitMs = Math.min(1000 * 2 ** (inRow - 1), LONGEST_BACKOFF_MS);
    failures.set(pool, { inRow, notBefore: new Date(Math.max(now + waitMs, retryAt?.getTime() ?? 0)) });
  }

  async function login({ pool }: PoolRecord, runner: Runner, signal: AbortSignal) {
    const labels = labelsOfPool(pool, runner.platform, parts.installation);
    if (pool.register === 'token') {
      const token = await forge.registrationToken(runner.scope, signal);
      if (!token.ok) return token;
      const url = `${parts.forgeUrl}/${scopeName(runner.scope)}`;
      const how = { kind: 'token', token: token.value, url, labels, group: pool.group } as const;
      return { ok: true, value: { how, githubId: undefined } } as const;
    }
    const made = await forge.register(runner.scope, { name: runner.name, labels, group: pool.group }, signal);
    if (!made.ok) return made;
    const { config, githubId } = made.value;
    return { ok: true, value: { how: { kind: 'jit', config }, githubId } } as const;
  }

  async function start(record: PoolRecord, runner: Runner, signal: AbortSignal): Promise<void> {
    const { pool, condition } = record;
    const leave = (from: Runner['state'], why: string): Promise<boolean> => {
      parts.onTrouble(runner, why);
      return store.changeRunner(runner.id, from, { state: 'leaving', reason: 'start-failed' }, clock.now());
    };
    const known = await login(record, runner, signal);
    // A registration may have been made although its answer was lost; whoever reconciles looks for the name.
    if (!known.ok) {
      failed(pool.name, known.problem.retryAt);
      await leave('planned', known.problem.message);
      return;
    }
    const { how, githubId } = known.value;
    const change = { state: 'registered', ...(githubId === undefined ? {} : { githubId }) } as const;
    if (!(await store.changeRunner(runner.id, 'planned', change, clock.now()))) return;
    if (condition.seen === null)
      throw new Error(`Internal error: pool ${pool.name} starts runners and was not checked`);
    try {
      const container = await containers.start({
        ...{ name: runner.name, scope: runner.scope, platform: runner.platform, size: runner.size },
        ...{ imageId: condition.seen.imageId, docker: pool.docker, login: how },
      });
      const startedAt = clock.now();
      await store.changeRunner(runner.id, 'registered', { state: 'starting', container, startedAt }, startedAt);
    } catch (cause) {
      failed(pool.name);
      await leave('registered', cause instanceof Error ? cause.message : String(cause));
    }
  }

  async function settled(): Promise<void> {
    await Promise.all([...queues.values()].map((queue) => queue.onIdle()));
  }

  return {
    underWay,
    begin(record, runners, signal) {
      const queue = queueOf(record);
      const ends = AbortSignal.any([signal, stop.signal]);
      for (const runner of runners) {
        underWay.add(runner.id);
        void queue.add(async () => {
          try {
            if (!ends.aborted) await start(record, runner, ends);
          } catch (cause) {
            // The store did not take it: the row is as it was, and the next look takes it from there.
            parts.onTrouble(runner, cause instanceof Error ? cause.message : String(cause));
          } finally {
            underWay.delete(runner.id);
            parts.onChange();
          }
        });
      }
    },
    notBefore: (pool) => failures.get(pool)?.notBefore ?? null,
    wentWell(pool) {
      failures.delete(pool);
    },
    wentWrong(pool) {
      failed(pool);
    },
    settled,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the pools were asked to leave'));
      await settled();
    },
  };
}

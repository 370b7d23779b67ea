/** The real pool loop over a real store and GitHub's API by HTTP; time is virtual and containers are scripted. */
import { readPayload } from '../../src/github/payload.ts';
import type { Pool } from '../../src/core/pool/pool.ts';
import { parsePool } from '../../src/core/pool/pool-schema.ts';
import { ownerLabel } from '../../src/core/pool/pool.ts';
import type { Runner } from '../../src/core/pool/runner.ts';
import type { Store } from '../../src/core/ports.ts';
import { Secret } from '../../src/core/secrets/secret.ts';
import { createGithubApi } from '../../src/github/api.ts';
import { createRunnerForge } from '../../src/github/runners.ts';
import { createWorkflowWork } from '../../src/github/workflow-work.ts';
import { pollOnce } from '../../src/pools/poll.ts';
import { createPools, type Pools } from '../../src/pools/pools.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { startActionsGithub, type ActionsGithub, type GithubOptions } from './actions-github.ts';
import { GIB } from './make-pool.ts';
import { scriptedRunners, type ScriptedRunners, type ScriptedRunnersOptions } from './scripted-runners.ts';
import { virtualClock, type VirtualClock } from './virtual-clock.ts';

export const INSTALLATION = 'abcd1234';
export const REPO = 'octo/app';

export interface PoolsRigOptions {
  readonly fault?: GithubOptions['fault'];
  readonly losesWebhook?: () => boolean;
  readonly scripted?: Partial<Omit<ScriptedRunnersOptions, 'github' | 'clock'>>;
  readonly cpus?: number;
  readonly isPublic?: boolean;
  readonly scopes?: string;
}

export interface PoolsRig extends AsyncDisposable {
  readonly store: Store;
  readonly github: ActionsGithub;
  readonly engine: ScriptedRunners;
  readonly clock: VirtualClock;
  readonly said: readonly string[];
  /** Runs the pool as the settings file would. */
  run(written: Readonly<Record<string, unknown>>, name?: string): Promise<Pool>;
  /** Lets time pass, a second at a time, with a tick every five seconds and whenever something changed. */
  pass(seconds: number, each?: () => void | Promise<void>): Promise<void>;
  /** The process is killed in the middle of its nth call from now, before it has an effect or after; nothing of it is heard again. */
  killAt(call: number, when: 'before' | 'after'): void;
  readonly isDead: () => boolean;
  /** Another process takes its place. */
  restart(): void;
  live(): Promise<readonly Runner[]>;
  /** What would be left behind for ever: what is on one side and not on record, or more than is. */
  differences(): Promise<readonly string[]>;
}

const TICK_S = 5;
const POLL_S = 45;

export async function startPoolsRig(options: PoolsRigOptions = {}): Promise<PoolsRig> {
  const clock = virtualClock();
  const store = await openSqliteStore(':memory:');
  const webhooks: Readonly<Record<string, unknown>>[] = [];
  const github = await startActionsGithub({
    repos: { [REPO]: { id: 7, ...(options.isPublic === undefined ? {} : { isPublic: options.isPublic }) } },
    now: () => clock.now(),
    ...(options.fault === undefined ? {} : { fault: options.fault }),
    ...(options.scopes === undefined ? {} : { scopes: options.scopes }),
    onWebhook: (payload) => {
      if (options.losesWebhook?.() !== true) webhooks.push(payload);
    },
  });
  const engine = scriptedRunners({ github, clock, ...options.scripted });
  const said: string[] = [];
  const api = createGithubApi({
    apiUrl: github.url,
    credential: { kind: 'token', token: new Secret('t') },
    clock,
    onWarning: () => undefined,
  });
  const work = createWorkflowWork(api);
  const stop = new AbortController();
  let life = startLife();
  let elapsed = 0;

  interface Life {
    readonly pools: Pools;
    readonly mortal: Mortal;
    woken: boolean;
  }

  function startLife(): Life {
    const mortal = makeMortal();
    const mine: Life = {
      mortal,
      woken: true,
      pools: createPools({
        ...{
          store: mortal.wrap(store),
          forge: mortal.wrap(createRunnerForge(api, {})),
          containers: mortal.wrap(engine),
        },
        ...{ clock, worker: 'w', installation: INSTALLATION, forgeUrl: 'https://github.test' },
        random: {
          hex: (bytes) =>
            crypto
              .randomUUID()
              .replaceAll('-', '')
              .slice(0, bytes * 2),
          fraction: Math.random,
        },
        capacity: () => {
          const cpus = options.cpus ?? 1000;
          return Promise.resolve({ cpus, memoryBytes: 4000 * GIB, diskBytes: 40_000 * GIB });
        },
        events: {
          trouble: (of, why) => said.push(`${of}: ${why}`),
          runner: ({ name }, what) => said.push(`${name} ${what}`),
          pool: (name, what) => said.push(`pool ${name} ${what}`),
        },
        onChange: () => {
          mine.woken = true;
        },
      }),
    };
    return mine;
  }

  async function tick(): Promise<void> {
    life.woken = false;
    const { mortal, pools } = life;
    await Promise.race([pools.tick(stop.signal).then(() => pools.settled()), mortal.died]);
  }

  async function deliver(): Promise<void> {
    for (const payload of webhooks.splice(0)) {
      const reading = readPayload('workflow_job', payload);
      if (!reading.ok) throw new Error(reading.problem);
      if (reading.value.news !== null) await store.recordWorkflowNews([reading.value.news], clock.now());
      life.woken = true;
    }
  }

  const rig: PoolsRig = {
    ...{ store, github, engine, clock, said },
    async run(written, name = 'p') {
      const parsed = parsePool(name, { repos: [REPO], size: { cpus: 1, memory: '1g', disk: '1g' }, ...written });
      if (!parsed.ok) throw new Error(parsed.problem.join('; '));
      await store.savePool(parsed.value, 'file', 'running', clock.now());
      return parsed.value;
    },
    async pass(count, each) {
      for (let second = 0; second < count; second++) {
        engine.step();
        await deliver();
        await each?.();
        if (!life.mortal.isDead()) {
          if (elapsed % POLL_S === 0)
            await pollOnce(
              {
                ...{ store, work, clock, repos: [], onChange: () => (life.woken = true) },
                onTrouble: (repo, why) => said.push(`${repo}: ${why}`),
              },
              stop.signal,
            );
          if (elapsed % TICK_S === 0) life.woken = true;
          // What one tick begins, another sees; a few of them in a second, as in real life.
          for (let again = 0; again < 4 && life.woken && !life.mortal.isDead(); again++) await tick();
        }
        clock.advance(1000);
        elapsed += 1;
      }
    },
    killAt(call, when) {
      life.mortal.killAt(call, when);
    },
    isDead: () => life.mortal.isDead(),
    restart() {
      life.mortal.kill();
      life = startLife();
    },
    live: async () => (await store.poolSnapshot('w')).runners,
    async differences() {
      const rows = await rig.live();
      const names = new Set(rows.map(({ name }) => name));
      const ours = [...github.runners.values()].filter(({ labels }) => labels.includes(ownerLabel(INSTALLATION)));
      return [
        ...ours.filter(({ name }) => !names.has(name)).map(({ name }) => `${name} is only at GitHub`),
        ...[...engine.containers.values()]
          .filter(({ runner }) => !names.has(runner))
          .map(({ runner }) => `${runner} is only a container`),
        ...rows
          .filter(({ name }) => ![...engine.containers.values()].some(({ runner }) => runner === name))
          .map(({ name, state }) => `${name} (${state}) is only on record`),
      ];
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      life.mortal.kill();
      await github[Symbol.asyncDispose]();
      await store.close();
    },
  };
  return rig;
}

interface Mortal {
  wrap<T extends object>(port: T): T;
  killAt(call: number, when: 'before' | 'after'): void;
  kill(): void;
  isDead(): boolean;
  readonly died: Promise<void>;
}

/** Counts the calls of a process to the outside; from its death on, none has an effect and none is answered. */
function makeMortal(): Mortal {
  const death = Promise.withResolvers<undefined>();
  const never = new Promise<never>(() => undefined);
  let calls = 0;
  let at: { readonly call: number; readonly when: 'before' | 'after' } | undefined;
  let dead = false;
  const kill = (): void => {
    dead = true;
    death.resolve(undefined);
  };
  // Read through a function: it changes while others are waited for.
  const isDead = (): boolean => dead;
  return {
    wrap: (port) =>
      new Proxy(port, {
        get(target, key) {
          const member: unknown = Reflect.get(target, key);
          if (typeof member !== 'function') return member;
          return async (...args: readonly unknown[]): Promise<unknown> => {
            if (isDead()) return never;
            calls += 1;
            const isLast = at?.call === calls;
            if (isLast && at?.when === 'before') kill();
            if (isDead()) return never;
            const answer: unknown = await Reflect.apply(member, target, args);
            if (isLast) kill();
            return isDead() ? never : answer;
          };
        },
      }),
    killAt(call, when) {
      at = { call: calls + call, when };
    },
    kill,
    isDead,
    died: death.promise,
  };
}

/** Whether the hub works, shown by doing it: a commit that is read back, and a request to its own WebSocket port. */
import { get } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { MemoryState } from './memory.ts';

export interface Check {
  readonly status: 'ok' | 'degraded' | 'down';
  readonly reason: string;
  /** When it was looked at, and how long that took. */
  readonly at: string;
  readonly ms: number;
}

export interface Health {
  readonly status: Check['status'];
  readonly checks: { readonly database: Check; readonly listener: Check; readonly memory: Check };
}

export interface Proofs {
  /** Rejects when the database cannot be written or read. */
  probeDatabase(value: string): Promise<void>;
  /** Port that must answer a plain request with 426; undefined = not listening. */
  listenerPort(): number | undefined;
  memory(): MemoryState;
  isStopping(): boolean;
  now(): Date;
}

const PROBE_MS = 3000;
/** Whoever asks more often gets the last answer, with its time: questions must not become load. */
const FRESH_MS = 500;

/** A function that tells the health of now. */
export function createHealth(proofs: Proofs): () => Promise<Health> {
  let last: { readonly health: Promise<Health>; readonly atMs: number } | undefined;
  let probes = 0;
  async function look(): Promise<Health> {
    const [database, listener] = await Promise.all([
      check(proofs, async () => {
        await within(PROBE_MS, proofs.probeDatabase(`${proofs.now().toISOString()} ${++probes}`));
        return 'a probe was committed and read back';
      }),
      check(proofs, () => within(PROBE_MS, knock(proofs))),
    ]);
    const memory = await check(proofs, () => Promise.resolve(proofs.memory().says));
    const { kind, failures } = proofs.memory();
    const isWhole = kind === 'agentdb' && failures === 0;
    const checks = { database, listener, memory: isWhole ? memory : { ...memory, status: 'degraded' as const } };
    const isDown = [database, listener].some(({ status }) => status === 'down');
    // Without agentdb everything that is promised still works, so that alone does not make the hub unwell.
    return { status: isDown ? 'down' : failures > 0 ? 'degraded' : 'ok', checks };
  }
  return () => {
    if (last === undefined || performance.now() - last.atMs > FRESH_MS) {
      last = { health: look(), atMs: performance.now() };
    }
    return last.health;
  };
}

async function check({ now }: Proofs, work: () => Promise<string>): Promise<Check> {
  const [at, startedAt] = [now().toISOString(), performance.now()];
  const ms = (): number => Math.round((performance.now() - startedAt) * 100) / 100;
  try {
    const reason = await work();
    return { status: 'ok', reason, at, ms: ms() };
  } catch (error) {
    return { status: 'down', reason: error instanceof Error ? error.message : String(error), at, ms: ms() };
  }
}

/** A real connection to the port that agents use. */
function knock({ listenerPort, isStopping }: Proofs): Promise<string> {
  const port = listenerPort();
  if (port === undefined || isStopping()) return Promise.reject(new Error('the hub is stopping'));
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', agent: false }, (response) => {
      response.resume();
      if (response.statusCode === 426) resolve('the WebSocket port answers');
      else reject(new Error(`the WebSocket port answers ${response.statusCode}`));
    });
    request.on('error', reject);
    request.setTimeout(PROBE_MS, () => request.destroy(new Error('the WebSocket port does not answer')));
  });
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

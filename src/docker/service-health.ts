/** Waits until services are ready, by what the engine says of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from './engine.ts';

export interface ServiceState {
  readonly id: string;
  readonly name: string;
  readonly hasHealthCheck: boolean;
  /** Why it will never be ready, for an outcome; null = it is. */
  readonly trouble: string | null;
  /** The same for people who read a log: "is running". */
  readonly says: string;
}

interface Wait {
  readonly engine: Engine;
  readonly ids: readonly string[];
  /** Of the same services, in the same order. */
  readonly names: readonly string[];
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
}

/** Each look is a call of the engine's command line, so they become rarer. */
const FIRST_LOOK_MS = 50;
const RAREST_LOOK_MS = 1_000;

/**
 * Resolves when all are ready, or when one never will be: ended, or unhealthy as the engine counts it. Rejects with the
 * reason of the signal.
 */
export async function waitUntilReady({ engine, ids, names, timeoutMs, stop }: Wait): Promise<readonly ServiceState[]> {
  const deadline = performance.now() + timeoutMs;
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(pause * 1.5, RAREST_LOOK_MS)) {
    stop.throwIfAborted();
    const found = JSON.parse(await engine.command(['container', 'inspect', ...ids])) as readonly Inspected[];
    const states = found.map((one, index) => stateOf(one, names[index] ?? ''));
    if (states.some(({ trouble }) => trouble !== null) || !states.some(({ isWaiting }) => isWaiting)) return states;
    if (performance.now() > deadline) {
      const late = "did not get healthy within the job's timeout-minutes; see its last lines";
      return states.map((state) => (state.isWaiting ? { ...state, trouble: late, says: 'is not healthy' } : state));
    }
    await sleep(pause, undefined, { signal: stop }).catch(() => undefined);
  }
}

interface Inspected {
  readonly Id: string;
  readonly State: {
    readonly Running: boolean;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Error?: string;
    readonly Health?: { readonly Status: string; readonly FailingStreak: number } | null;
  };
}

function stateOf({ Id: id, State: state }: Inspected, name: string): ServiceState & { readonly isWaiting: boolean } {
  const { Health: health } = state;
  const hasHealthCheck = health != null && health.Status !== 'none';
  const known = { id, name, hasHealthCheck, isWaiting: false };
  if (!state.Running) {
    const why = state.OOMKilled ? 'it ran out of memory' : `exit code ${state.ExitCode}`;
    const more = state.Error ? `; ${state.Error}` : '';
    return {
      ...known,
      trouble: `it ended before the job could start (${why}${more}); see its last lines`,
      says: `ended (${why})`,
    };
  }
  if (health?.Status === 'unhealthy') {
    const trouble = `it did not get healthy: its check failed ${health.FailingStreak} times; see its last lines`;
    return { ...known, trouble, says: 'is unhealthy' };
  }
  return { ...known, trouble: null, says: 'is running', isWaiting: health?.Status === 'starting' };
}

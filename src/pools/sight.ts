/** What GitHub and the engine have of runners, looked at again and again; the newest answer of each is kept. */
import type { RunnerContainers, RunnerForge } from '../core/pool/pool-ports.ts';
import { scopeKey, type Scope } from '../core/pool/pool.ts';
import type { ForgeRunner, Seeing, Sight } from '../core/pool/reconcile.ts';
import type { Clock } from '../core/ports.ts';

export interface SightParts {
  readonly forge: Pick<RunnerForge, 'list'>;
  readonly containers: Pick<RunnerContainers, 'list'>;
  readonly clock: Clock;
  readonly onTrouble: (of: string, why: string) => void;
}

export interface Looking {
  /**
   * Looks at the engine, and asks GitHub where the last answer is older than `maxAgeMs` or there is none. What does not
   * answer is left as unknown: an answer from before is not shown in its place for longer than two minutes.
   */
  look(scopes: readonly Scope[], maxAgeMs: number, signal: AbortSignal): Promise<Sight>;
}

/** Whoever decides by a list must not decide by one that is older. */
const STALE_MS = 120_000;

export function createLooking({ forge, containers, clock, onTrouble }: SightParts): Looking {
  const lists = new Map<string, Seeing<ForgeRunner>>();
  const notBefore = new Map<string, number>();

  async function ask(scope: Scope, maxAgeMs: number, signal: AbortSignal): Promise<void> {
    const key = scopeKey(scope);
    const at = clock.now();
    const age = at.getTime() - (lists.get(key)?.at.getTime() ?? -Infinity);
    // A clock that was set back makes the age negative.
    if ((age >= 0 && age < maxAgeMs) || at.getTime() < (notBefore.get(key) ?? 0)) return;
    const answer = await forge.list(scope, signal);
    if (answer.ok) {
      lists.set(key, { at, list: answer.value });
      notBefore.delete(key);
      return;
    }
    if (signal.aborted) return;
    if (age >= STALE_MS || age < 0) lists.delete(key);
    const { retryAt } = answer.problem;
    notBefore.set(key, retryAt?.getTime() ?? at.getTime() + maxAgeMs);
    onTrouble(key, answer.problem.message);
  }

  return {
    async look(scopes, maxAgeMs, signal) {
      const wanted = new Map(scopes.map((scope) => [scopeKey(scope), scope]));
      for (const key of [...lists.keys()]) if (!wanted.has(key)) lists.delete(key);
      const [engine] = await Promise.all([
        containers.list().catch((cause: unknown) => {
          onTrouble('the engine', cause instanceof Error ? cause.message : String(cause));
          return null;
        }),
        ...[...wanted.values()].map((scope) => ask(scope, maxAgeMs, signal)),
      ]);
      return { forge: new Map(lists), containers: engine };
    },
  };
}

/** Time that passes only when somebody waits. */
import type { Clock } from '../../src/core/ports.ts';

export interface VirtualClock extends Clock {
  advance(ms: number): void;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export function virtualClock(start = new Date('2026-03-01T00:00:00Z')): VirtualClock {
  let elapsed = 0;
  const advance = (ms: number): void => {
    elapsed += ms;
  };
  return {
    now: () => new Date(start.getTime() + elapsed),
    // Another origin than the wall clock's, as in real life.
    monotonicMs: () => 5_000_000 + elapsed,
    advance,
    sleep: (ms) => {
      advance(ms);
      return Promise.resolve();
    },
  };
}

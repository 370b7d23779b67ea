/** The scheduler: reads everything unfinished, asks `decide()` what to do, writes it down; again until nothing is left to do. */
import type { Clock, Store } from './core/ports.ts';
import { decide } from './core/schedule/schedule.ts';

export interface SchedulerParts {
  readonly store: Store;
  readonly clock: Clock;
  /** How long a claim stays good without its worker being heard of, in ms. */
  readonly leaseMs: number;
  /** Something was claimed or ended: workers and the reporter should look. */
  readonly onChange: () => void;
}

/** One tick. A skip travels one edge per round, so a deep graph takes as many rounds as it has levels. */
export async function scheduleOnce(
  { store, clock, leaseMs, onChange }: SchedulerParts,
  signal: AbortSignal,
): Promise<void> {
  let changed = 0;
  while (!signal.aborted) {
    const now = clock.now();
    const decisions = decide(await store.snapshot(), now, leaseMs);
    if (decisions.length === 0) break;
    const applied = await store.apply(decisions, now);
    changed += applied;
    // None took effect: another writer was faster, and the next tick sees what it wrote.
    if (applied === 0) break;
  }
  if (changed > 0) onChange();
}

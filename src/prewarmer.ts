/** The pre-warmer: reads what is unfinished and what was just received, and has prepared what the jobs to come will need. */
import type { WorkerId } from './core/job.ts';
import type { Clock, Preparations, Store } from './core/ports.ts';
import { whatToPrepare } from './core/schedule/prewarm.ts';

export interface PrewarmerParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly preparations: Preparations;
  readonly worker: WorkerId;
}

/** So many pushes at a time; it is for the next second, and more than that no box can start. */
const INTAKES = 20;

/** One tick. It only begins work and never waits for it. */
export async function prewarmOnce({ store, clock, preparations, worker }: PrewarmerParts): Promise<void> {
  const now = clock.now();
  const coming = await store.unplannedIntakes(now, INTAKES);
  const past = coming.length === 0 ? [] : await store.recentRuns([...new Set(coming.map(({ repo }) => repo.id))]);
  const snapshot = await store.snapshot();
  preparations.prepare(whatToPrepare({ snapshot, coming, past, worker, building: preparations.building(), now }));
}

/** The timetable: times of `on.schedule` that have come become intakes, each once. The planner keeps the times themselves. */
import type { DueTime } from './core/timetable.ts';
import { newestTime, nextTime } from './core/cron.ts';
import type { Delivery, IntakeRequest } from './core/intake.ts';
import type { Clock, Store } from './core/ports.ts';
import { fullName, type RepoRef } from './core/run.ts';

export interface TimetableParts {
  readonly store: Pick<Store, 'dueTimes' | 'takeTime'>;
  readonly clock: Clock;
  /** Whether the repository is still on the allow-list. */
  readonly isAllowed: (repo: RepoRef) => boolean;
  /** Something is to be planned. */
  readonly onChange: () => void;
  readonly log: { info(fields: object, message: string): void };
}

const BATCH = 100;

/**
 * Makes the tick, for a loop. Of several times that passed while nobody looked only the newest asks for a run. A clock that
 * steps back asks for nothing twice.
 */
export function createTimetable(parts: TimetableParts): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    let isWorking = true;
    while (isWorking && !signal.aborted) {
      const now = parts.clock.now();
      const due = await parts.store.dueTimes(now, BATCH);
      for (const one of due) await take(parts, one, now);
      isWorking = due.length === BATCH;
    }
  };
}

async function take({ store, isAllowed, onChange, log }: TimetableParts, due: DueTime, now: Date): Promise<void> {
  const { known, pipeline, time } = due;
  const at = newestTime(time, due.due, now) ?? due.due;
  const isWanted = isAllowed(known.repo);
  const taken = await store.takeTime(due, nextTime(time, now), isWanted ? asking(due, at, now) : null);
  if (!taken) return;
  log.info({ repo: fullName(known.repo), pipeline, cron: time.cron, due: at }, 'a time of the timetable has come');
  onChange();
}

function asking(
  { known: { repo, defaultBranch }, pipeline, time }: DueTime,
  at: Date,
  now: Date,
): { readonly delivery: Delivery; readonly request: IntakeRequest } {
  return {
    delivery: {
      // Says which time of what it is, so that the store takes it once.
      id: `time:${JSON.stringify([repo.id, pipeline, time.cron, time.timezone, at.toISOString()])}`,
      event: 'schedule',
      body: new Uint8Array(),
      receivedAt: now,
      verdict: 'accepted',
      note: null,
    },
    request: {
      kind: 'asked',
      eventName: 'schedule',
      asked: { ref: `refs/heads/${defaultBranch}`, sha: null, pipeline, inputs: {}, time },
      repo,
      headRef: `refs/heads/${defaultBranch}`,
      headRepoId: repo.id,
      prNumber: null,
      baseRef: null,
      defaultBranch,
      actor: 'schedule',
    },
  };
}

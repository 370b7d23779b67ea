/** How jobs and runs change state. Every change is compare-and-set on (id, state, attempt) along an edge of core/job.ts. */
import type { Updateable } from 'kysely';
import { mayMove, type JobState } from '../core/job.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Finish } from '../core/ports.ts';
import { mayRetry } from '../core/schedule/retry.ts';
import { endColumns, jobOf } from './rows.ts';
import { settleRun } from './settle.ts';
import type { Db, JobRow, JobTable, RunRow } from './schema.ts';

type JobKey = Pick<JobRow, 'id' | 'state' | 'attempt'>;

/**
 * Moves the job when it still is where the caller saw it; false when another was faster. Throws for an edge that does
 * not exist: that is a bug of the caller, and going on would break what all others rely on.
 */
export async function moveJob(db: Db, job: JobKey, to: JobState, changes: Updateable<JobTable>): Promise<boolean> {
  if (!mayMove(job.state, to)) {
    throw new Error(`Internal error: job ${job.id} cannot go from ${job.state} to ${to}`);
  }
  const moved = await db
    .updateTable('jobs')
    .set({ ...changes, state: to })
    .where('id', '=', job.id)
    .where('state', '=', job.state)
    .where('attempt', '=', job.attempt)
    .returning('id')
    .executeTakeFirst();
  return moved !== undefined;
}

/** The only way into `finished`. Nothing is green without evidence. */
export async function endJob(
  db: Db,
  job: JobKey,
  end: Omit<Finish, 'outputs'> & { readonly outputs?: Finish['outputs']; readonly at: Date },
): Promise<boolean> {
  if (end.outcome.result === 'success' && end.evidence === null) {
    throw new Error(`Internal error: job ${job.id} cannot succeed without evidence`);
  }
  return moveJob(db, job, 'finished', {
    ...endColumns(end.outcome, end.at),
    evidence: end.evidence === null ? null : JSON.stringify(end.evidence),
    outputs: JSON.stringify(end.outputs ?? {}),
    ...(end.reuse?.kind === 'taken' ? { origin: JSON.stringify(end.reuse.from) } : {}),
    lease_until: null,
  });
}

/**
 * The end of a running attempt: of the job with it, or of this attempt alone when it may be tried again. What it said is
 * kept; the next attempt has a log of its own.
 */
export async function endAttempt(
  db: Db,
  row: JobRow,
  end: Omit<Finish, 'outputs'> & { readonly outputs?: Finish['outputs']; readonly at: Date },
): Promise<boolean> {
  const job = jobOf(row);
  const { ending } = await db
    .selectFrom('runs')
    .select('ending')
    .where('id', '=', row.run_id)
    .executeTakeFirstOrThrow();
  const isWanted = ending === null && job.ending === null;
  if (!isWanted || !mayRetry(job.spec.retry, job.history, end.outcome, row.started_at !== null))
    return endJob(db, row, end);
  return moveJob(db, row, 'queued', {
    ...{ worker: null, lease_until: null, claimed_at: null, started_at: null, queued_at: end.at.getTime() },
    // What this attempt published stays with those that have it; others wait for the next one.
    ...{ published: null, artifact_origins: null },
    history: JSON.stringify([...job.history, { attempt: row.attempt, outcome: end.outcome }]),
  });
}

/**
 * Lets a run end: what is not running ends now, what is running is to be stopped (`claimsOf` says so) and ends when its
 * worker reports. First cause wins, so ending it again changes nothing.
 */
export async function endRun(db: Db, run: RunRow, outcome: Outcome, at: Date): Promise<void> {
  if (outcome.result === 'success') throw new Error(`Internal error: run ${run.id} cannot be ended with a success`);
  if (run.state === 'finished' || run.ending !== null) return;
  await db
    .updateTable('runs')
    .set({ ending: JSON.stringify(outcome) })
    // Its commit may be pushed again later and then gets a run of its own.
    .$if(outcome.result === 'cancelled', (update) => update.set({ dedupe: null }))
    .where('id', '=', run.id)
    .execute();
  const idle = await db
    .selectFrom('jobs')
    .select(['id', 'state', 'attempt'])
    .where('run_id', '=', run.id)
    .where('state', 'in', ['waiting', 'queued'])
    .execute();
  for (const job of idle) await endJob(db, job, { outcome, evidence: null, at });
  await settleRun(db, run.id, at);
}

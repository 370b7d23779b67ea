/** The outbox: statuses that the forge should show and does not yet. One row per context holds only the newest. */
import { sql, type SqlBool } from 'kysely';
import type { OutgoingStatus } from '../core/ports.ts';
import { statusOf } from './rows.ts';
import type { Db } from './schema.ts';

/** Spelled as in the partial index, so that the engine uses it. */
export const isUnsent = sql<SqlBool>`statuses.sent_version <> statuses.version and statuses.dead = 0`;

export async function unsentStatuses(db: Db, now: Date, limit: number): Promise<readonly OutgoingStatus[]> {
  const rows = await db
    .selectFrom('statuses')
    .innerJoin('runs', 'runs.id', 'statuses.run_id')
    .selectAll('statuses')
    .leftJoin('jobs', (join) =>
      join.onRef('jobs.run_id', '=', 'statuses.run_id').onRef('jobs.name', '=', 'statuses.job'),
    )
    .leftJoin('dispatches', (join) =>
      join.onRef('dispatches.job_id', '=', 'jobs.id').onRef('dispatches.attempt', '=', 'jobs.attempt'),
    )
    .select(['runs.repo_owner', 'runs.repo_name', 'dispatches.url as workflow_url'])
    .where(isUnsent)
    .where((or) => or.or([or('statuses.retry_at', 'is', null), or('statuses.retry_at', '<=', now.getTime())]))
    .orderBy('statuses.rank')
    .orderBy('statuses.desired_at')
    .orderBy('statuses.id')
    .limit(limit)
    .execute();
  return rows.map(statusOf);
}

export async function statusSent(db: Db, id: number, version: number, at: Date): Promise<void> {
  await db
    .updateTable('statuses')
    .set({ sent_version: version, sent_at: at.getTime(), failures: 0, retry_at: null, why: null })
    .where('id', '=', id)
    .where('version', '>=', version)
    .where('sent_version', '<', version)
    .execute();
}

export interface SendFailure {
  readonly id: number;
  readonly version: number;
  readonly why: string;
  readonly retryAt: Date | 'never';
}

export async function statusFailed(db: Db, { id, version, why, retryAt }: SendFailure): Promise<void> {
  const failed = db
    .updateTable('statuses')
    .set((row) => ({ failures: row('failures', '+', 1), why }))
    .where('id', '=', id)
    .where('sent_version', '<', version);
  if (retryAt === 'never') {
    // Only what was refused is dead; a newer version was not tried yet.
    await failed.set({ dead: 1 }).where('version', '=', version).execute();
  } else {
    await failed.set({ retry_at: retryAt.getTime() }).where('version', '>=', version).execute();
  }
}

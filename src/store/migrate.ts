/** Brings a store to the schema this version knows. Forward only: going back means restoring a backup. */
import { sql } from 'kysely';
import { transaction, type Engine } from './engine.ts';
import { first } from './migrations/0001-first.ts';
import { jobOutputs } from './migrations/0002-job-outputs.ts';
import { runTitles } from './migrations/0003-run-titles.ts';
import { jobHistory } from './migrations/0004-job-history.ts';
import { concurrency } from './migrations/0005-concurrency.ts';
import { secrets } from './migrations/0006-secrets.ts';
import { timetable } from './migrations/0007-timetable.ts';
import { artifacts } from './migrations/0008-artifacts.ts';
import { durations } from './migrations/0009-durations.ts';
import { approvals } from './migrations/0010-approvals.ts';
import { reruns } from './migrations/0011-reruns.ts';
import { reuse } from './migrations/0012-reuse.ts';
import { labels } from './migrations/0013-labels.ts';
import { publications } from './migrations/0014-publications.ts';
import { images } from './migrations/0015-images.ts';
import { workflows } from './migrations/0016-workflows.ts';
import { pools } from './migrations/0017-pools.ts';
import { dispatches } from './migrations/0018-dispatches.ts';
import type { Migration } from './migrations/migration.ts';

export const migrations: readonly Migration[] = [
  first,
  jobOutputs,
  runTitles,
  jobHistory,
  concurrency,
  secrets,
  timetable,
  artifacts,
  durations,
  approvals,
  reruns,
  reuse,
  labels,
  publications,
  images,
  workflows,
  pools,
  dispatches,
];

/**
 * Applies what is missing, each step in a transaction of its own. Two processes may do it at once, and a crash at any
 * point leaves whole steps only: the step's row is inserted first, so that whoever comes second finds it and moves on.
 * Rejects when the store was written by a newer version.
 */
export async function migrate(engine: Engine, known: readonly Migration[] = migrations): Promise<void> {
  await transaction(engine.writer, async (db) => {
    const { integer, table } = engine.words;
    await sql
      .raw(`create table if not exists migrations (number ${integer} primary key, name text not null)${table}`)
      .execute(db);
    const newest = await db.selectFrom('migrations').selectAll().orderBy('number', 'desc').limit(1).executeTakeFirst();
    refuseNewer(newest?.number ?? 0, Math.max(0, ...known.map(({ number }) => number)));
  });
  for (const migration of known) {
    await transaction(engine.writer, async (db) => {
      const { number, name } = migration;
      const mine = await db
        .insertInto('migrations')
        .values({ number, name })
        .onConflict((conflict) => conflict.doNothing())
        .returning('number')
        .executeTakeFirst();
      if (mine === undefined) return;
      for (const statement of migration.statements(engine.words)) await sql.raw(statement).execute(db);
    });
  }
}

function refuseNewer(found: number, known: number): void {
  if (found <= known) return;
  throw new Error(
    `The store has schema ${found}, but this version of Hearth knows schemas up to ${known}. ` +
      'Start the newer version that wrote it, or restore a backup made before the upgrade.',
  );
}

/** Deliveries and what they ask for, up to the moment they are planned. */
import { sql, type SqlBool } from 'kysely';
import type { Delivery, Intake, IntakeRequest, IntakeState } from '../core/intake.ts';
import type { RunId } from '../core/job.ts';
import type { Store } from '../core/ports.ts';
import { lineOf } from '../core/run.ts';
import type { WorkflowNews } from '../core/workflow.ts';
import { rememberRepository } from './repositories.ts';
import { intakeOf, runOf } from './rows.ts';
import type { Db } from './schema.ts';
import { recordNews } from './workflows.ts';

export async function recordDelivery(
  db: Db,
  delivery: Delivery,
  request: IntakeRequest | null,
  news: WorkflowNews | null = null,
): Promise<'new' | 'duplicate'> {
  if ((request !== null || news !== null) && delivery.verdict !== 'accepted') {
    throw new Error(`Internal error: delivery ${delivery.id} was ${delivery.verdict}, so it must not ask for work`);
  }
  const { id, event, body, verdict, note } = delivery;
  const received_at = delivery.receivedAt.getTime();
  const recorded = await db
    .insertInto('deliveries')
    .values({ id, event, body, received_at, verdict, note })
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet({ event, body, received_at, verdict, note })
        .where('deliveries.verdict', '=', 'rejected'),
    )
    .returning('id')
    .executeTakeFirst();
  if (recorded === undefined) return 'duplicate';
  if (news !== null) await recordNews(db, [news], delivery.receivedAt);
  if (request === null) return 'new';
  await insertIntake(db, delivery, request);
  await rememberRepository(db, request, delivery.receivedAt);
  return 'new';
}

async function insertIntake(db: Db, delivery: Delivery, request: IntakeRequest): Promise<void> {
  await db
    .insertInto('intakes')
    .values({
      delivery_id: delivery.id,
      request: JSON.stringify(request),
      repo_id: request.repo.id,
      line: lineOf(request.headRepoId, request.headRef, request.prNumber),
      sha: request.kind === 'head' ? request.sha : null,
      received_at: delivery.receivedAt.getTime(),
      tries: 0,
    })
    .execute();
}

export async function unplannedIntakes(db: Db, now: Date, limit: number): Promise<readonly Intake[]> {
  const rows = await db
    .selectFrom('intakes')
    .selectAll()
    .where('planned_at', 'is', null)
    .where((or) => or.or([or('retry_at', 'is', null), or('retry_at', '<=', now.getTime())]))
    // Only a head has a sha. A newer one need not wait: it makes the older one stale, in whatever order they are planned.
    .where(
      sql<SqlBool>`(intakes.sha is not null or not exists (
        select 1 from intakes earlier
        where earlier.planned_at is null and earlier.repo_id = intakes.repo_id and earlier.id < intakes.id
          and earlier.sha is not null and earlier.retry_at > ${now.getTime()}))`,
    )
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(intakeOf);
}

export async function findIntake(
  db: Db,
  by: { readonly id: number } | { readonly delivery: string },
): Promise<IntakeState | undefined> {
  const all = db.selectFrom('intakes').selectAll();
  const row = await (
    'id' in by ? all.where('id', '=', by.id) : all.where('delivery_id', '=', by.delivery)
  ).executeTakeFirst();
  if (row === undefined) return undefined;
  const runs = await runsOfIntake(db, row.id);
  const isPlanned = row.planned_at !== null;
  return { intake: intakeOf(row), isPlanned, note: isPlanned ? row.note : row.why, runs };
}

/** The runs that stand for an intake, in the order they were made. */
export async function runsOfIntake(db: Db, intake: number): Promise<readonly RunId[]> {
  const rows = await db
    .selectFrom('intake_runs')
    .select('run_id')
    .where('intake_id', '=', intake)
    .orderBy('run_id')
    .execute();
  return rows.map((row) => row.run_id);
}

export async function lineOfIntake(db: Db, intake: Intake): ReturnType<Store['lineOfIntake']> {
  const newest = await db
    .selectFrom('intakes')
    .select(['id', 'sha'])
    .where('repo_id', '=', intake.repo.id)
    .where('line', '=', lineOf(intake.headRepoId, intake.headRef, intake.prNumber))
    .where('sha', 'is not', null)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  const live = await db
    .selectFrom('runs')
    .selectAll()
    .where('repo_id', '=', intake.repo.id)
    .where(sql<SqlBool>`runs.state <> 'finished'`)
    .orderBy('id')
    .execute();
  const newestSeen = newest === undefined || newest.sha === null ? null : { id: newest.id, sha: newest.sha };
  return { newestSeen, live: live.map(runOf) };
}

export async function postponeIntake(db: Db, intake: Intake, until: Date, why: string): Promise<void> {
  await db
    .updateTable('intakes')
    .set((row) => ({ retry_at: until.getTime(), why, tries: row('tries', '+', 1) }))
    .where('id', '=', intake.id)
    .where('planned_at', 'is', null)
    .execute();
}

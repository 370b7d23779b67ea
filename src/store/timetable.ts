/** The times at which pipelines want to run, and which of them have come. */
import type { DueTime, Timetable } from '../core/timetable.ts';
import type { Delivery, IntakeRequest } from '../core/intake.ts';
import { recordDelivery } from './intakes.ts';
import type { Db } from './schema.ts';

/** Brings a repository's times in line with what its default branch says. */
export async function setTimetable(db: Db, repoId: number, { entries, keep }: Timetable): Promise<void> {
  const known = await db.selectFrom('timetable').selectAll().where('repo_id', '=', repoId).execute();
  const wanted = new Map(entries.map((entry) => [keyOf(entry.pipeline, entry.time), entry]));
  const kept = new Set(keep);
  for (const { id, pipeline, cron, timezone } of known) {
    // What stays keeps the time it waits for: it may have come already and not been taken yet.
    if (wanted.delete(keyOf(pipeline, { cron, timezone })) || kept.has(pipeline)) continue;
    await db.deleteFrom('timetable').where('id', '=', id).execute();
  }
  for (const { pipeline, time, next } of wanted.values())
    await db
      .insertInto('timetable')
      .values({ repo_id: repoId, pipeline, cron: time.cron, timezone: time.timezone, next_at: next.getTime() })
      .execute();
}

function keyOf(pipeline: string, { cron, timezone }: DueTime['time']): string {
  return JSON.stringify([pipeline, cron, timezone]);
}

export async function dueTimes(db: Db, now: Date, limit: number): Promise<readonly DueTime[]> {
  const rows = await db
    .selectFrom('timetable')
    .innerJoin('repositories', 'repositories.repo_id', 'timetable.repo_id')
    .select(['timetable.id', 'timetable.repo_id', 'pipeline', 'cron', 'timezone', 'next_at'])
    .select(['owner', 'name', 'default_branch'])
    .where('next_at', 'is not', null)
    .where('next_at', '<=', now.getTime())
    .orderBy('next_at')
    .orderBy('timetable.id')
    .limit(limit)
    .execute();
  return rows.map(({ id, repo_id, owner, name, default_branch, pipeline, cron, timezone, next_at }) => ({
    id,
    known: { repo: { id: repo_id, owner, name }, defaultBranch: default_branch },
    pipeline,
    time: { cron, timezone },
    due: new Date(next_at ?? 0),
  }));
}

export async function takeTime(
  db: Db,
  { id, due }: DueTime,
  next: Date | null,
  ask: { readonly delivery: Delivery; readonly request: IntakeRequest } | null,
): Promise<boolean> {
  const taken = await db
    .updateTable('timetable')
    .set({ next_at: next?.getTime() ?? null })
    .where('id', '=', id)
    .where('next_at', '=', due.getTime())
    .returning('id')
    .executeTakeFirst();
  if (taken === undefined || ask === null) return false;
  return (await recordDelivery(db, ask.delivery, ask.request)) === 'new';
}

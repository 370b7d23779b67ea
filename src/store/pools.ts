/** Pools: what they are, what is wished of them, and what was found. */
import { sql, type SqlBool } from 'kysely';
import type { PoolCondition, PoolRecord, PoolSeen, PoolSnapshot, PoolWish } from '../core/pool/pool-store.ts';
import type { Pool } from '../core/pool/pool.ts';
import { heldByJobs, pressingJob } from './held.ts';
import { liveRunners } from './runners.ts';
import type { PoolRow } from './pool-tables.ts';
import type { Db } from './schema.ts';
import { workflowJobOf } from './workflows.ts';

const UNCHECKED: PoolCondition = {
  state: 'unchecked',
  message: 'not looked at yet',
  at: null,
  fingerprint: null,
  seen: null,
};

export async function savePool(
  db: Db,
  { pool, source, wish, at }: { pool: Pool; source: PoolRecord['source']; wish: PoolWish | null; at: Date },
): Promise<'new' | 'changed' | 'same'> {
  const known = await db.selectFrom('pools').selectAll().where('name', '=', pool.name).executeTakeFirst();
  const definition = JSON.stringify(pool);
  const next = wish ?? known?.wish ?? 'registered';
  if (known?.definition === definition && known.source === source && known.wish === next) return 'same';
  const columns = { definition, fingerprint: fingerprintOf(pool), source, wish: next, changed_at: at.getTime() };
  await db
    .insertInto('pools')
    .values({ name: pool.name, condition: JSON.stringify(UNCHECKED), ...columns })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(columns))
    .execute();
  return known === undefined ? 'new' : 'changed';
}

/** What a runner is made by. How many there are and how long they stay may change without making them anew. */
function fingerprintOf(pool: Pool): string {
  const { labels, platform, size, emulation, image, docker, register, group } = pool;
  return JSON.stringify({ labels, platform, size, emulation, image, docker, register, group });
}

export async function wishPool(db: Db, name: string, wish: PoolWish, at: Date): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('pools')
    .set({ wish, changed_at: at.getTime() })
    .where('name', '=', name)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function forgetPool(db: Db, name: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('pools')
    .where('name', '=', name)
    .where('wish', '=', 'removed')
    .where(sql<SqlBool>`not exists (select 1 from runners where runners.pool = ${name} and runners.state <> 'gone')`)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

export async function notePool(db: Db, name: string, condition: PoolCondition): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('pools')
    .set({ condition: JSON.stringify(condition) })
    .where('name', '=', name)
    .where('fingerprint', '=', condition.fingerprint ?? '')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function pools(db: Db): Promise<readonly PoolRecord[]> {
  const rows = await db.selectFrom('pools').selectAll().orderBy('name').execute();
  return rows.map(poolOf);
}

/** More than any box gives runners to at once. */
const MOST_WAITING = 2000;

export async function poolSnapshot(db: Db, worker: string): Promise<PoolSnapshot> {
  const runners = await liveRunners(db, worker);
  const waiting = await db
    .selectFrom('workflow_jobs')
    .selectAll()
    .where(sql<SqlBool>`workflow_jobs.state <> 'completed'`)
    .where('state', '=', 'queued')
    .orderBy('id')
    .limit(MOST_WAITING)
    .execute();
  const names = runners.map(({ name }) => name);
  const given =
    names.length === 0
      ? []
      : await db.selectFrom('workflow_jobs').select('runner').where('runner', 'in', names).execute();
  return {
    pools: await pools(db),
    runners,
    waiting: waiting.map((row) => ({ job: workflowJobOf(row), since: new Date(row.first_seen_at) })),
    withJob: new Set(given.flatMap(({ runner }) => runner ?? [])),
    held: await heldByJobs(db, worker),
    pressing: await pressingJob(db),
  };
}

function poolOf(row: PoolRow): PoolRecord {
  const condition = JSON.parse(row.condition) as Written<PoolCondition> & { readonly seen: Written<PoolSeen> | null };
  const isAboutThis = condition.fingerprint === row.fingerprint;
  return {
    pool: JSON.parse(row.definition) as Pool,
    fingerprint: row.fingerprint,
    source: row.source,
    wish: row.wish,
    condition: isAboutThis ? { ...condition, at: atOf(condition), seen: seenOf(condition.seen) } : UNCHECKED,
    changedAt: new Date(row.changed_at),
  };
}

/** JSON knows no dates. */
type Written<T> = Omit<T, 'at' | 'seen'> & { readonly at: string | null };

function atOf({ at }: { readonly at: string | null }): Date | null {
  return at === null ? null : new Date(at);
}

function seenOf(seen: Written<PoolSeen> | null): PoolSeen | null {
  return seen === null ? null : { ...seen, at: new Date(seen.at ?? 0) };
}

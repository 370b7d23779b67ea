/** Runners of pools: each is on record before it is anywhere else, and until it is nowhere else. */
import { sql, type SqlBool } from 'kysely';
import type { NewRunner } from '../core/pool/pool-store.ts';
import type { Scope } from '../core/pool/pool.ts';
import type { Rule } from '../core/pool/rules.ts';
import { mayGo, type Runner, type RunnerChange, type RunnerState } from '../core/pool/runner.ts';
import { fits, minus, type Amounts } from '../core/resources.ts';
import { heldByJobs, heldByRunners } from './held.ts';
import type { RunnerRow } from './pool-tables.ts';
import { dateOf } from './rows.ts';
import type { Db } from './schema.ts';

/** Spelled as in the partial index, so that the engine uses it. */
const isLive = sql<SqlBool>`runners.state <> 'gone'`;

export async function liveRunners(db: Db, worker: string): Promise<readonly Runner[]> {
  const rows = await db
    .selectFrom('runners')
    .selectAll()
    .where(isLive)
    .where('worker', '=', worker)
    .orderBy('id')
    .execute();
  return rows.map(runnerOf);
}

export async function runners(db: Db, limit: number): Promise<readonly Runner[]> {
  const live = await db.selectFrom('runners').selectAll().where(isLive).orderBy('id', 'desc').execute();
  const gone = await db
    .selectFrom('runners')
    .selectAll()
    .where('state', '=', 'gone')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return [...live, ...gone].map(runnerOf);
}

export async function planRunners(
  db: Db,
  { worker, runners, room, at }: { worker: string; runners: readonly NewRunner[]; room: Amounts; at: Date },
): Promise<readonly Runner[]> {
  // Jobs of pipelines may have been claimed since the decision: what is left is seen here, where nobody can come in between.
  let free = minus(minus(room, await heldByJobs(db, worker)), await heldByRunners(db, worker));
  const made: Runner[] = [];
  for (const runner of runners) {
    if (!fits(runner.size, free)) break;
    free = minus(free, runner.size);
    const row = await db
      .insertInto('runners')
      .values({
        ...{ name: runner.name, pool: runner.pool, worker, fingerprint: runner.fingerprint, platform: runner.platform },
        ...{ scope: JSON.stringify(runner.scope), size: JSON.stringify(runner.size) },
        ...{ emulated: runner.isEmulated ? 1 : 0, state: 'planned', released: 0 },
        ...{ planned_at: at.getTime(), changed_at: at.getTime() },
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    made.push(runnerOf(row));
  }
  return made;
}

export async function changeRunner(
  db: Db,
  { id, from, change, at }: { id: number; from: RunnerState; change: RunnerChange; at: Date },
): Promise<boolean> {
  const { state, reason } = change;
  if (state !== undefined && !mayGo(from, state))
    throw new Error(`Internal error: runner ${id} cannot go from ${from} to ${state}`);
  const changed = await db
    .updateTable('runners')
    .set({
      ...(state === undefined ? {} : { state, changed_at: at.getTime() }),
      ...(change.githubId === undefined ? {} : { github_id: change.githubId }),
      ...(change.container === undefined ? {} : { container: change.container }),
      ...(reason === undefined ? {} : { reason }),
      ...(change.odd === undefined ? {} : { odd: change.odd }),
      ...(change.oddAt === undefined ? {} : { odd_at: change.oddAt?.getTime() ?? null }),
      ...(change.isReleased === undefined ? {} : { released: 1 as const }),
      ...(change.startedAt === undefined ? {} : { started_at: change.startedAt.getTime() }),
      ...(change.onlineAt === undefined ? {} : { online_at: change.onlineAt.getTime() }),
      ...(change.busyAt === undefined ? {} : { busy_at: change.busyAt.getTime() }),
      ...(change.goneAt === undefined ? {} : { gone_at: change.goneAt.getTime() }),
    })
    .where('id', '=', id)
    .where('state', '=', from)
    .returning('pool')
    .executeTakeFirst();
  if (changed === undefined) return false;
  if (state === 'leaving' && reason !== undefined) await countRule(db, changed.pool, reason as Rule, at);
  return true;
}

export async function countRule(db: Db, pool: string, rule: Rule, at: Date): Promise<void> {
  await db
    .insertInto('pool_rules')
    .values({ pool, rule, count: 1, last_at: at.getTime() })
    .onConflict((conflict) =>
      conflict
        .columns(['pool', 'rule'])
        .doUpdateSet((row) => ({ count: row('pool_rules.count', '+', 1), last_at: at.getTime() })),
    )
    .execute();
}

export function runnerOf(row: RunnerRow): Runner {
  return {
    ...{ id: row.id, name: row.name, pool: row.pool, worker: row.worker, fingerprint: row.fingerprint },
    scope: JSON.parse(row.scope) as Scope,
    platform: row.platform,
    size: JSON.parse(row.size) as Amounts,
    isEmulated: row.emulated === 1,
    ...{ state: row.state, githubId: row.github_id, container: row.container, reason: row.reason },
    ...{ odd: row.odd, oddAt: dateOf(row.odd_at), isReleased: row.released === 1 },
    ...{ plannedAt: new Date(row.planned_at), changedAt: new Date(row.changed_at) },
    ...{ startedAt: dateOf(row.started_at), onlineAt: dateOf(row.online_at) },
    ...{ busyAt: dateOf(row.busy_at), goneAt: dateOf(row.gone_at) },
  };
}

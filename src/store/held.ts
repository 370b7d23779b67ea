/** What is taken of a box: by jobs of pipelines and by runners of pools, which share it. */
import { sql, type SqlBool } from 'kysely';
import type { JobSpec } from '../core/pipeline/pipeline.ts';
import {
  NOTHING,
  amountsOf,
  asksForNothing,
  fits,
  minus,
  plus,
  type Amounts,
  type Capacity,
} from '../core/resources.ts';
import type { PoolSnapshot } from '../core/pool/pool-store.ts';
import type { Db, JobRow } from './schema.ts';

export async function heldByJobs(db: Db, worker: string): Promise<Amounts> {
  const rows = await db
    .selectFrom('jobs')
    .select('spec')
    .where(sql<SqlBool>`jobs.state = 'running'`)
    .where('worker', '=', worker)
    .execute();
  return rows.map(({ spec }) => wantedBy({ spec })).reduce(plus, NOTHING);
}

export async function heldByRunners(db: Db, worker: string): Promise<Amounts> {
  const rows = await db
    .selectFrom('runners')
    .select('size')
    .where(sql<SqlBool>`runners.state <> 'gone'`)
    .where('worker', '=', worker)
    .execute();
  return rows.map(({ size }) => JSON.parse(size) as Amounts).reduce(plus, NOTHING);
}

/** Runners may have been put on record since the decision; here nobody can come in between. */
export async function hasRoom(db: Db, worker: string, job: Pick<JobRow, 'spec'>): Promise<boolean> {
  const wants = wantedBy(job);
  if (asksForNothing(wants)) return true;
  const lent = await heldByRunners(db, worker);
  if (asksForNothing(lent)) return true;
  const row = await db.selectFrom('workers').select('capacity').where('id', '=', worker).executeTakeFirst();
  if (row?.capacity === undefined || row.capacity === null) return true;
  const taken = plus(await heldByJobs(db, worker), lent);
  return fits(wants, minus(JSON.parse(row.capacity) as Capacity, taken));
}

/** The oldest job of a pipeline that waits and wants cores, memory or disk. */
export async function pressingJob(db: Db): Promise<PoolSnapshot['pressing']> {
  const rows = await db
    .selectFrom('jobs')
    .innerJoin('runs', 'runs.id', 'jobs.run_id')
    .select(['jobs.spec', 'jobs.queued_at'])
    .where(sql<SqlBool>`jobs.state = 'queued'`)
    // These wait for a person.
    .where('runs.trust', '<>', 'T4')
    .orderBy('jobs.queued_at')
    .execute();
  for (const { spec, queued_at: at } of rows) {
    const wants = wantedBy({ spec });
    if (!asksForNothing(wants)) return { wants, since: new Date(at ?? 0) };
  }
  return null;
}

function wantedBy({ spec }: Pick<JobRow, 'spec'>): Amounts {
  return amountsOf((JSON.parse(spec) as Partial<JobSpec>).resources ?? null);
}

/** Leases: of workers on their jobs, and of processes on roles. */
import { sql, type SqlBool } from 'kysely';
import type { WorkerInfo } from '../core/ports.ts';
import type { Db } from './schema.ts';

/** A worker that was silent this long is forgotten; its jobs were taken from it when their lease ran out. */
const FORGET_AFTER_MS = 7 * 24 * 3_600_000;

export async function renewWorker(db: Db, worker: WorkerInfo, leaseUntil: Date, now: Date): Promise<void> {
  const columns = {
    slots: worker.slots,
    details: JSON.stringify(worker.details),
    lease_until: leaseUntil.getTime(),
    platform: worker.platform ?? null,
    labels: worker.labels === undefined ? null : JSON.stringify(worker.labels),
    capacity: worker.capacity === undefined ? null : JSON.stringify(worker.capacity),
  };
  await db
    .insertInto('workers')
    .values({ id: worker.id, ...columns })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
    .execute();
  await db
    .updateTable('jobs')
    .set({ lease_until: leaseUntil.getTime() })
    .where('worker', '=', worker.id)
    .where(sql<SqlBool>`jobs.state = 'running'`)
    .execute();
  await db
    .deleteFrom('workers')
    .where('lease_until', '<', now.getTime() - FORGET_AFTER_MS)
    .execute();
}

export interface RoleClaim {
  readonly role: string;
  readonly owner: string;
  readonly until: Date;
  readonly now: Date;
}

export async function holdRole(db: Db, { role, owner, until, now }: RoleClaim): Promise<boolean> {
  const columns = { owner, until: until.getTime() };
  const held = await db
    .insertInto('roles')
    .values({ role, ...columns })
    .onConflict((conflict) =>
      conflict
        .column('role')
        .doUpdateSet(columns)
        .where((row) => row.or([row('roles.owner', '=', owner), row('roles.until', '<', now.getTime())])),
    )
    .returning('role')
    .executeTakeFirst();
  return held !== undefined;
}

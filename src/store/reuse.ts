/** Results that later jobs may take over. */
import { sql, type SqlBool } from 'kysely';
import type { Reusable } from '../core/reusable.ts';
import { leavesResults } from '../core/reuse.ts';
import type { TrustClass } from '../core/run.ts';
import type { Finish } from '../core/ports.ts';
import { jobOf } from './rows.ts';
import type { Db, JobRow } from './schema.ts';

/** What is taken over must still be there when the jobs after it start. */
const MARGIN_MS = 60 * 60_000;

export async function findReusable(
  db: Db,
  { repoId, trust, key }: { readonly repoId: number; readonly trust: TrustClass; readonly key: string },
  now: Date,
): Promise<Reusable | undefined> {
  const row = await db
    .selectFrom('reusable')
    .selectAll()
    .where('repo_id', '=', repoId)
    .where('trust', '=', trust)
    .where('key', '=', key)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const kept = await db
    .selectFrom('artifacts')
    .select('name')
    .where('job_id', '=', row.job_id)
    .where('attempt', '=', row.attempt)
    .where('expires_at', '>', now.getTime() + MARGIN_MS)
    .execute();
  if (kept.length < row.artifacts) return undefined;
  const { evidence, outputs, outcome } = jobOf(
    await db.selectFrom('jobs').selectAll().where('id', '=', row.job_id).executeTakeFirstOrThrow(),
  );
  if (evidence === null || outcome?.result !== 'success') return undefined;
  return { from: { runId: row.run_id, jobId: row.job_id, attempt: row.attempt }, outputs, evidence };
}

/** In the transaction that ends the attempt. */
export async function keepForReuse(
  db: Db,
  job: JobRow,
  { reuse, outcome, artifacts = [], at }: Finish & { readonly at: Date },
): Promise<void> {
  if (reuse === undefined) return;
  const run = await db
    .selectFrom('runs')
    .select(['repo_id', 'trust'])
    .where('id', '=', job.run_id)
    .executeTakeFirstOrThrow();
  switch (reuse.kind) {
    case 'taken':
      return keepLonger(db, job, reuse.from, at);
    case 'contradicted':
      await db
        .deleteFrom('reusable')
        .where('repo_id', '=', run.repo_id)
        .where('trust', '=', run.trust)
        .where('key', '=', reuse.key)
        .execute();
      return;
    case 'ran': {
      if (outcome.result !== 'success' || !leavesResults(run)) return;
      const columns = {
        ...{ run_id: job.run_id, job_id: job.id, attempt: job.attempt },
        ...{ artifacts: artifacts.length, recorded_at: at.getTime() },
      };
      await db
        .insertInto('reusable')
        .values({ ...run, key: reuse.key, ...columns })
        .onConflict((conflict) => conflict.columns(['repo_id', 'trust', 'key']).doUpdateSet(columns))
        .execute();
    }
  }
}

/** What was taken over lasts as long as if it had been made now. */
async function keepLonger(
  db: Db,
  row: JobRow,
  { jobId, attempt }: { readonly jobId: number; readonly attempt: number },
  at: Date,
): Promise<void> {
  for (const { name, expireMs } of jobOf(row).spec.artifacts) {
    const until = at.getTime() + expireMs;
    await db
      .updateTable('artifacts')
      .set({ expires_at: until })
      .where('job_id', '=', jobId)
      .where('attempt', '=', attempt)
      .where('name', '=', name)
      .where(sql<SqlBool>`artifacts.expires_at < ${until}`)
      .execute();
  }
}

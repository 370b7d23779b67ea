/**
 * After a use-case changed jobs: brings the run's state, its outcome and the desired statuses in line with them, in the
 * same transaction. Idempotent, and it looks at the whole run, so no path can forget a status.
 */
import { jobStatus, runStatus, type CommitStatus } from '../core/commit-status.ts';
import { runOutcome } from '../core/run.ts';
import { endColumns, jobOf, outcomeOf, runOf } from './rows.ts';
import type { Db, JobRow, RunRow, StatusRow } from './schema.ts';

export async function settleRun(db: Db, id: number, now: Date): Promise<void> {
  const run = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const jobs = await db.selectFrom('jobs').selectAll().where('run_id', '=', id).orderBy('id').execute();
  const settled = await settleState(db, run, jobs, now);
  if (settled.reported === 1) await settleStatuses(db, settled, jobs, now);
}

async function settleState(db: Db, run: RunRow, jobs: readonly JobRow[], now: Date): Promise<RunRow> {
  if (run.state === 'finished') return run;
  const outcome = runOutcome(jobs.map(jobOf), outcomeOf(run.ending));
  const begun = run.state === 'queued' && jobs.some((job) => job.attempt > 0 && job.origin === null);
  const change = outcome === null ? (begun ? { state: 'running' as const } : undefined) : endColumns(outcome, now);
  if (change === undefined) return run;
  return db
    .updateTable('runs')
    .set(change)
    .where('id', '=', run.id)
    .where('state', '=', run.state)
    .returningAll()
    .executeTakeFirstOrThrow();
}

interface Desired extends CommitStatus {
  readonly job: string | null;
}

async function settleStatuses(db: Db, row: RunRow, jobs: readonly JobRow[], now: Date): Promise<void> {
  const run = runOf(row);
  const desired: Desired[] = [
    { ...runStatus(run), job: null },
    ...jobs.map((job) => ({ ...jobStatus(run, jobOf(job)), job: job.name })),
  ];
  const standing = await db
    .selectFrom('statuses')
    .innerJoin('runs', 'runs.id', 'statuses.run_id')
    .selectAll('statuses')
    .select('runs.trust')
    .where('statuses.repo_id', '=', row.repo_id)
    .where('statuses.sha', '=', row.sha)
    .execute();
  const byContext = new Map(standing.map((status) => [status.context, status]));
  for (const status of desired) {
    const old = byContext.get(status.context);
    if (old === undefined) await insertStatus(db, row, status, now);
    else if (replaces(status, old, row)) await updateStatus(db, row, status, old, now);
  }
}

/** Whether the desired status takes the place of the one that stands under its context. */
function replaces(next: Desired, old: StatusRow & Pick<RunRow, 'trust'>, run: RunRow): boolean {
  // A fork may open a pull request from a commit of ours: a run of lower trust must not overwrite a verdict of higher.
  if (run.trust !== old.trust) return run.trust < old.trust;
  // The newest run of a commit speaks for it; one that it superseded may still be stopping its jobs.
  if (run.id !== old.run_id) return run.id > old.run_id;
  if (next.state === 'pending' && old.state !== 'pending') return false;
  return next.state !== old.state || next.description !== old.description;
}

async function insertStatus(db: Db, run: RunRow, status: Desired, now: Date): Promise<void> {
  const { context, job, state, description, rank } = status;
  await db
    .insertInto('statuses')
    .values({
      ...{ repo_id: run.repo_id, sha: run.sha, context, run_id: run.id, job, state, description, rank },
      ...{ version: 1, sent_version: 0, dead: 0, failures: 0, desired_at: now.getTime() },
    })
    .execute();
}

async function updateStatus(db: Db, run: RunRow, status: Desired, old: StatusRow, now: Date): Promise<void> {
  const { job, state, description, rank } = status;
  await db
    .updateTable('statuses')
    .set({ run_id: run.id, job, state, description, rank, version: old.version + 1, desired_at: now.getTime() })
    // What the forge refused for good was the old state; the new one gets its own chance.
    .$if(old.dead === 1, (update) => update.set({ dead: 0, failures: 0, retry_at: null }))
    .where('id', '=', old.id)
    .where('version', '=', old.version)
    .execute();
}

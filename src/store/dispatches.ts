/** Workflows of GitHub that jobs have asked for, and the runs that stand for them. */
import type { JobId } from '../core/job.ts';
import { originOf, type Job } from '../core/job.ts';
import type { Dispatch, DispatchAnswer } from '../core/lane/dispatch.ts';
import type { LaneRecord } from '../core/lane/lane-spec.ts';
import type { Db } from './schema.ts';
import type { DispatchRow } from './workflow-tables.ts';

export async function dispatchOf(db: Db, job: JobId, attempt: number): Promise<Dispatch | undefined> {
  const row = await rowOf(db, job, attempt);
  return row === undefined ? undefined : dispatchIn(row);
}

function rowOf(db: Db, job: JobId, attempt: number): Promise<DispatchRow | undefined> {
  return db
    .selectFrom('dispatches')
    .selectAll()
    .where('job_id', '=', job)
    .where('attempt', '=', attempt)
    .executeTakeFirst();
}

export async function askDispatch(db: Db, ask: Omit<Dispatch, 'asks' | 'isAccepted' | 'run'>): Promise<boolean> {
  const { jobId, attempt, repoId, workflow, ref } = ask;
  const job = await db.selectFrom('jobs').select(['state', 'attempt']).where('id', '=', jobId).executeTakeFirst();
  if (job?.state !== 'running' || job.attempt !== attempt) return false;
  const before = await rowOf(db, jobId, attempt);
  if (before !== undefined && before.run_id !== null) return false;
  if (before !== undefined) {
    // A run of the first asking that is late must not look as if it had been there before.
    await db
      .updateTable('dispatches')
      .set({ asks: before.asks + 1, accepted: 0 })
      .where('job_id', '=', jobId)
      .where('attempt', '=', attempt)
      .execute();
    return true;
  }
  await db
    .insertInto('dispatches')
    .values({
      ...{ job_id: jobId, attempt, repo_id: repoId, workflow, ref, asked_at: ask.askedAt.getTime() },
      ...{ known: JSON.stringify(ask.known), asks: 1, accepted: 0, run_id: null, url: null, run_at: null },
    })
    .execute();
  return true;
}

export async function dispatchAnswered(db: Db, job: JobId, attempt: number, answer: DispatchAnswer): Promise<boolean> {
  const row = await rowOf(db, job, attempt);
  if (row === undefined) return false;
  if (answer.kind === 'run') return take(db, row, answer.run);
  if (row.run_id !== null) return false;
  const ofRow = { job_id: job, attempt };
  if (answer.kind === 'accepted')
    await db
      .updateTable('dispatches')
      .set({ accepted: 1 })
      .where(({ and }) => and(ofRow))
      .execute();
  else
    await db
      .deleteFrom('dispatches')
      .where(({ and }) => and(ofRow))
      .execute();
  return true;
}

async function take(db: Db, row: DispatchRow, run: NonNullable<Dispatch['run']>): Promise<boolean> {
  if (row.run_id !== null) return row.run_id === run.id;
  if ((await takenRuns(db, [run.id])).length > 0) return false;
  await db
    .updateTable('dispatches')
    .set({ run_id: run.id, url: run.url, run_at: run.at.getTime() })
    .where('job_id', '=', row.job_id)
    .where('attempt', '=', row.attempt)
    .execute();
  return true;
}

export async function takenRuns(db: Db, ids: readonly number[]): Promise<readonly number[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('dispatches')
    .select('run_id')
    .where('run_id', 'in', [...ids])
    .execute();
  return rows.flatMap(({ run_id: id }) => id ?? []);
}

/** By name, of the newest attempt of each job that has a run there, wherever it was made. */
export async function workflowsOf(db: Db, jobs: readonly Job[]): Promise<ReadonlyMap<string, LaneRecord>> {
  const found = new Map<string, LaneRecord>();
  for (const job of jobs.filter(({ spec }) => spec.lane !== undefined)) {
    const { jobId, attempt } = originOf(job);
    const row = await rowOf(db, jobId, attempt);
    if (row === undefined || row.run_id === null) continue;
    const { conclusion = null, attempt: attemptThere = null } = job.evidence?.workflow ?? {};
    const { workflow, url } = row;
    found.set(job.name, { workflow, runId: row.run_id, url: url ?? '', conclusion, attempt: attemptThere });
  }
  return found;
}

function dispatchIn(row: DispatchRow): Dispatch {
  const { run_id: id, run_at: at } = row;
  return {
    ...{ jobId: row.job_id, attempt: row.attempt, repoId: row.repo_id, workflow: row.workflow, ref: row.ref },
    askedAt: new Date(row.asked_at),
    known: JSON.parse(row.known) as number[],
    asks: row.asks,
    isAccepted: row.accepted === 1,
    run: id === null ? null : { id, url: row.url ?? '', at: new Date(at ?? row.asked_at) },
  };
}

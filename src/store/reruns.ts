/** Makes a run that repeats a finished one. */
import { sql, type Insertable, type SqlBool } from 'kysely';
import { originOf, type Job } from '../core/job.ts';
import { isKept } from '../core/artifact.ts';
import { planRerun, type RerunFacts, type RerunRequest, type RerunVerdict } from '../core/rerun.ts';
import { isAskedFor, type TrustClass } from '../core/run.ts';
import { dedupeKey, groupColumns, JOBS_PER_STATEMENT, makeRoomInGroup } from './plans.ts';
import { artifactsOfJobs } from './results.ts';
import { jobOf, runOf } from './rows.ts';
import type { Db, JobRow, JobTable, RunRow } from './schema.ts';
import { settleRun } from './settle.ts';

export async function rerun(db: Db, id: number, asked: RerunRequest, at: Date): Promise<RerunVerdict> {
  const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) return { kind: 'unknown' };
  const rows = await db.selectFrom('jobs').selectAll().where('run_id', '=', id).orderBy('id').execute();
  const jobs = rows.map(jobOf);
  const plan = planRerun(runOf(row), jobs, asked, await factsOf(db, row, jobs, at));
  if (!plan.ok) return { kind: 'refused', trouble: plan.problem };
  const { trust, again } = plan.value;
  const made = await insertRerun(db, row, trust, at);
  await insertJobs(db, made, rows, again);
  await makeRoomInGroup(db, made, { ...runOf(row), trust }, at);
  await settleRun(db, made, at);
  return { kind: 'made', run: made, again: jobs.filter(({ name }) => again.has(name)).map(({ name }) => name) };
}

async function factsOf(db: Db, run: RunRow, jobs: readonly Job[], at: Date): Promise<RerunFacts> {
  const known = await db
    .selectFrom('repositories')
    .select('default_branch')
    .where('repo_id', '=', run.repo_id)
    .executeTakeFirst();
  const repeated = await db.selectFrom('runs').select('id').where('rerun_of', '=', run.id).executeTakeFirst();
  const live = isAskedFor(run.event_name)
    ? undefined
    : await db
        .selectFrom('runs')
        .select('id')
        .where('dedupe', '=', dedupeKey(runOf(run)))
        .where(sql<SqlBool>`runs.state <> 'finished'`)
        .executeTakeFirst();
  return {
    defaultBranch: known?.default_branch ?? null,
    repeatedBy: repeated?.id ?? null,
    underWay: live?.id ?? null,
    lost: await withoutArtifacts(db, jobs, at),
  };
}

/** Jobs that kept something of which a part is not there any more. */
async function withoutArtifacts(db: Db, jobs: readonly Job[], at: Date): Promise<ReadonlySet<string>> {
  const lost = new Set<string>();
  for (const job of jobs) {
    const result = job.outcome?.result;
    const hasEnded = result === 'success' || result === 'failure';
    const left = job.spec.artifacts.filter(
      (spec) => (hasEnded && isKept(spec, result)) || job.published.includes(spec.name),
    );
    if (left.length === 0) continue;
    const kept = new Map((await artifactsOfJobs(db, [job])).map((artifact) => [artifact.name, artifact]));
    for (const spec of left) {
      // One without a row was removed when its time was over, or is optional and was never there.
      const until = (job.timings.finishedAt ?? at).getTime() + spec.expireMs;
      const isThere = kept.has(spec.name) || (spec.isOptional && until > at.getTime());
      if (!isThere || (kept.get(spec.name)?.expiresAt.getTime() ?? until) <= at.getTime()) lost.add(job.name);
    }
  }
  return lost;
}

async function insertRerun(db: Db, row: RunRow, trust: TrustClass, at: Date): Promise<number> {
  const run = { ...runOf(row), trust };
  const { repo_id, repo_owner, repo_name, repo_key, sha, ref, line, branch, pr_number, event_name } = row;
  // Of a fork: where its pipeline was read, and who let the commit run.
  const { pipeline, title, context, reported, config, approved_by, approved_at } = row;
  // It stands for its commit from now on; what was asked for stands for nothing else.
  const dedupe = isAskedFor(run.eventName) ? null : dedupeKey(run);
  if (dedupe !== null) await db.updateTable('runs').set({ dedupe: null }).where('dedupe', '=', dedupe).execute();
  const { id } = await db
    .insertInto('runs')
    .values({
      ...{ repo_id, repo_owner, repo_name, repo_key, sha, ref, line, branch, pr_number, event_name },
      ...{ config, approved_by, approved_at, pipeline, title, context, reported, trust, dedupe, ...groupColumns(run) },
      ...{ state: 'queued' as const, created_at: at.getTime(), rerun_of: row.id },
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

async function insertJobs(db: Db, run: number, rows: readonly JobRow[], again: ReadonlySet<string>): Promise<void> {
  const values = rows.map((row): Insertable<JobTable> => {
    const { name, spec, waits_for } = row;
    const same = { run_id: run, name, spec, waits_for };
    if (again.has(name)) return { ...same, state: 'waiting', attempt: 0, outputs: '{}', history: '[]' };
    const { state, result, outcome, evidence, outputs, history, attempt, published } = row;
    const { queued_at, claimed_at, started_at, finished_at } = row;
    return {
      ...{ ...same, state, result, outcome, evidence, outputs, history, attempt, published },
      ...{ queued_at, claimed_at, started_at, finished_at, origin: JSON.stringify(originOf(jobOf(row))) },
    };
  });
  for (let start = 0; start < values.length; start += JOBS_PER_STATEMENT)
    await db
      .insertInto('jobs')
      .values(values.slice(start, start + JOBS_PER_STATEMENT))
      .execute();
}

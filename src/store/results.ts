/** What jobs left behind: artifacts, test reports, images. The files themselves are not in the store. */
import { sql, type SqlBool } from 'kysely';
import type { ArtifactOf, KeptArtifact } from '../core/artifact.ts';
import { flakyTests, type TestReport } from '../core/junit.ts';
import type { ImageRecord } from '../core/image/image-spec.ts';
import type { Finish, RunResults } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { originOf, type Job, type JobOrigin } from '../core/job.ts';
import { workflowsOf } from './dispatches.ts';
import { jobOf } from './rows.ts';
import type { ArtifactRow, Db, JobRow, RunRow } from './schema.ts';

/** In the transaction that ends the attempt. */
export async function keepResults(
  db: Db,
  job: JobRow,
  { artifacts = [], tests, image }: Pick<Finish, 'artifacts' | 'tests' | 'image'>,
): Promise<void> {
  await insertArtifacts(db, job, artifacts);
  if (image !== undefined)
    await db
      .insertInto('images')
      .values({ job_id: job.id, attempt: job.attempt, record: JSON.stringify(image) })
      .execute();
  if (tests === undefined || tests === null) return;
  const of = { run_id: job.run_id, job_id: job.id, attempt: job.attempt };
  const run = await db
    .selectFrom('runs')
    .select(['repo_id', 'sha'])
    .where('id', '=', job.run_id)
    .executeTakeFirstOrThrow();
  await db
    .insertInto('test_reports')
    .values({ ...of, ...run, report: JSON.stringify(tests) })
    .execute();
}

/** One that was published already only lasts longer. */
export async function insertArtifacts(db: Db, job: JobRow, artifacts: readonly KeptArtifact[]): Promise<void> {
  const of = { run_id: job.run_id, job_id: job.id, attempt: job.attempt };
  for (const { name, bytes, files, expiresAt } of artifacts) {
    const until = { expires_at: expiresAt.getTime() };
    await db
      .insertInto('artifacts')
      .values({ ...of, name, bytes, files, ...until })
      .onConflict((conflict) => conflict.columns(['job_id', 'attempt', 'name']).doUpdateSet(until))
      .execute();
  }
}

/** Of the newest attempt of these jobs, wherever it was made, in the order of the jobs, then of the names. */
export async function artifactsOfJobs(
  db: Db,
  jobs: readonly Pick<Job, 'id' | 'runId' | 'name' | 'attempt' | 'origin'>[],
): Promise<readonly ArtifactOf[]> {
  const found: ArtifactOf[] = [];
  for (const job of jobs) {
    const { jobId, attempt } = originOf(job);
    const rows = await db
      .selectFrom('artifacts')
      .selectAll()
      .where('job_id', '=', jobId)
      .where('attempt', '=', attempt)
      .orderBy('name')
      .execute();
    found.push(...rows.map((row) => artifactOf(row, job.name)));
  }
  return found;
}

export async function resultsOf(db: Db, run: number): Promise<RunResults> {
  const jobs = (await db.selectFrom('jobs').selectAll().where('run_id', '=', run).orderBy('id').execute()).map(jobOf);
  const of = await db.selectFrom('runs').select(['repo_id', 'sha']).where('id', '=', run).executeTakeFirst();
  if (of === undefined)
    return { artifacts: [], tests: new Map(), flaky: new Set(), images: new Map(), workflows: new Map() };
  const rows = await db
    .selectFrom('test_reports')
    .selectAll()
    .where('repo_id', '=', of.repo_id)
    .where('sha', '=', of.sha)
    .execute();
  const reports = rows.map((row) => ({ ...row, report: JSON.parse(row.report) as TestReport }));
  const tests = new Map<string, TestReport>();
  for (const job of jobs) {
    const { jobId, attempt } = originOf(job);
    const own =
      reports.find((one) => one.job_id === jobId && one.attempt === attempt)?.report ??
      // What was taken over may have been observed at another commit.
      (job.origin === null ? undefined : await reportOf(db, { jobId, attempt }));
    if (own !== undefined) tests.set(job.name, own);
  }
  const kept = await artifactsOfJobs(db, jobs);
  const flaky = flakyTests(reports.map(({ report }) => report));
  const workflows = await workflowsOf(db, jobs);
  return { artifacts: kept, tests, flaky, images: await imagesOf(db, jobs), workflows };
}

async function imagesOf(db: Db, jobs: readonly Job[]): Promise<ReadonlyMap<string, ImageRecord>> {
  const found = new Map<string, ImageRecord>();
  for (const job of jobs.filter(({ spec }) => spec.image !== undefined)) {
    const { jobId, attempt } = originOf(job);
    const row = await db
      .selectFrom('images')
      .select('record')
      .where('job_id', '=', jobId)
      .where('attempt', '=', attempt)
      .executeTakeFirst();
    if (row !== undefined) found.set(job.name, JSON.parse(row.record) as ImageRecord);
  }
  return found;
}

async function reportOf(db: Db, { jobId, attempt }: Pick<JobOrigin, 'jobId' | 'attempt'>) {
  const row = await db
    .selectFrom('test_reports')
    .select('report')
    .where('job_id', '=', jobId)
    .where('attempt', '=', attempt)
    .executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.report) as TestReport);
}

export async function expiredArtifacts(
  db: Db,
  now: Date,
  limit: number,
): Promise<readonly (ArtifactOf & { readonly run: Pick<Run, 'repo' | 'trust'> })[]> {
  const rows = await db
    .selectFrom('artifacts')
    .innerJoin('runs', 'runs.id', 'artifacts.run_id')
    .innerJoin('jobs', 'jobs.id', 'artifacts.job_id')
    .selectAll('artifacts')
    .select(['runs.repo_id', 'runs.repo_owner', 'runs.repo_name', 'runs.trust', 'jobs.name as job'])
    .where('artifacts.expires_at', '<=', now.getTime())
    // Published by a job that still runs: its time begins when that has ended.
    .where(sql<SqlBool>`not (jobs.state = 'running' and jobs.attempt = artifacts.attempt)`)
    .orderBy('artifacts.expires_at')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...artifactOf(row, row.job), run: { repo: repoOf(row), trust: row.trust } }));
}

export async function artifactsRemoved(db: Db, artifacts: readonly ArtifactOf[]): Promise<void> {
  for (const { jobId, attempt, name } of artifacts)
    await db
      .deleteFrom('artifacts')
      .where('job_id', '=', jobId)
      .where('attempt', '=', attempt)
      .where('name', '=', name)
      .execute();
}

function artifactOf(row: ArtifactRow, job: string): ArtifactOf {
  const { run_id: runId, job_id: jobId, attempt, name, bytes, files } = row;
  return { runId, jobId, attempt, job, name, bytes, files, expiresAt: new Date(row.expires_at) };
}

function repoOf(row: Pick<RunRow, 'repo_id' | 'repo_owner' | 'repo_name'>): Run['repo'] {
  return { id: row.repo_id, owner: row.repo_owner, name: row.repo_name };
}

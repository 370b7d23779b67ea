/** What jobs took when they succeeded, for the order in which the next ones start. */
import { median, remember, type RecordedDuration } from '../core/schedule/critical-path.ts';
import type { Db, JobRow } from './schema.ts';

/** Of a pipeline; a run has at most 1000 jobs. Names that nobody uses any more make room for new ones. */
const MOST_NAMES = 2000;

/**
 * Call in the transaction that ends the attempt with a success, with the job as it was before. A fork's runs are not
 * counted: what strangers push must not change the order of anybody else's jobs.
 */
export async function recordDuration(db: Db, job: JobRow, at: Date): Promise<void> {
  const run = await db
    .selectFrom('runs')
    .select(['repo_id', 'pipeline', 'trust'])
    .where('id', '=', job.run_id)
    .executeTakeFirstOrThrow();
  if (job.claimed_at === null || run.trust === 'T3' || run.trust === 'T4') return;
  const { repo_id, pipeline } = run;
  const key = { repo_id, pipeline, job: job.name, platform: await platformOf(db, job.worker) };
  const known = await db
    .selectFrom('job_durations')
    .select('recent')
    .where('repo_id', '=', repo_id)
    .where('pipeline', '=', pipeline)
    .where('job', '=', key.job)
    .where('platform', '=', key.platform)
    .executeTakeFirst();
  const past = known === undefined ? [] : (JSON.parse(known.recent) as readonly number[]);
  const recent = remember(past, at.getTime() - job.claimed_at);
  const columns = { recent: JSON.stringify(recent), median_ms: median(recent), updated_at: at.getTime() };
  await db
    .insertInto('job_durations')
    .values({ ...key, ...columns })
    .onConflict((conflict) => conflict.columns(['repo_id', 'pipeline', 'job', 'platform']).doUpdateSet(columns))
    .execute();
  if (known === undefined) await forgetOldest(db, repo_id, pipeline);
}

async function platformOf(db: Db, worker: string | null): Promise<string> {
  if (worker === null) return '';
  const row = await db.selectFrom('workers').select('platform').where('id', '=', worker).executeTakeFirst();
  return row?.platform ?? '';
}

async function forgetOldest(db: Db, repo: number, pipeline: string): Promise<void> {
  const newestOfTheOld = await db
    .selectFrom('job_durations')
    .select('updated_at')
    .where('repo_id', '=', repo)
    .where('pipeline', '=', pipeline)
    .orderBy('updated_at', 'desc')
    .limit(1)
    .offset(MOST_NAMES)
    .executeTakeFirst();
  if (newestOfTheOld === undefined) return;
  await db
    .deleteFrom('job_durations')
    .where('repo_id', '=', repo)
    .where('pipeline', '=', pipeline)
    .where('updated_at', '<=', newestOfTheOld.updated_at)
    .execute();
}

/** Of one pipeline, in the order of the names. */
export async function durationsOf(db: Db, repo: number, pipeline: string): Promise<readonly RecordedDuration[]> {
  const rows = await db
    .selectFrom('job_durations')
    .select(['job', 'platform', 'median_ms'])
    .where('repo_id', '=', repo)
    .where('pipeline', '=', pipeline)
    .orderBy('job')
    .orderBy('platform')
    .execute();
  return rows.map(({ job, platform, median_ms: ms }) => ({ job, platform, ms }));
}

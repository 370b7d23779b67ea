/** What was heard of GitHub's own workflows, by webhook or by asking. */
import { isNewerState, type WorkflowJob, type WorkflowNews, type WorkflowRun } from '../core/workflow.ts';
import { dateOf } from './rows.ts';
import type { Db } from './schema.ts';
import type { WorkflowJobRow, WorkflowRunRow } from './workflow-tables.ts';

export async function recordNews(db: Db, news: readonly WorkflowNews[], at: Date): Promise<void> {
  for (const one of news) await (one.kind === 'job' ? recordJob(db, one.job, at) : recordRun(db, one.run, at));
}

async function recordJob(db: Db, job: WorkflowJob, at: Date): Promise<void> {
  const known = await db
    .selectFrom('workflow_jobs')
    .select(['state', 'runner', 'started_at'])
    .where('id', '=', job.id)
    .executeTakeFirst();
  if (known !== undefined && !isNewerState(job.state, known.state)) return;
  const columns = {
    ...{ repo_owner: job.repo.owner, repo_name: job.repo.name, attempt: job.attempt, workflow: job.workflow },
    ...{ name: job.name, url: job.url, head_sha: job.headSha, labels: JSON.stringify(job.labels) },
    ...{ state: job.state, conclusion: job.conclusion, runner: job.runner ?? known?.runner ?? null },
    created_at: job.createdAt?.getTime() ?? null,
    started_at: job.startedAt?.getTime() ?? known?.started_at ?? null,
    completed_at: job.completedAt?.getTime() ?? null,
    seen_at: at.getTime(),
  };
  await db
    .insertInto('workflow_jobs')
    .values({ id: job.id, repo_id: job.repo.id, run_id: job.runId, first_seen_at: at.getTime(), ...columns })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
    .execute();
}

async function recordRun(db: Db, run: WorkflowRun, at: Date): Promise<void> {
  const known = await db
    .selectFrom('workflow_runs')
    .select(['state', 'attempt'])
    .where('id', '=', run.id)
    .executeTakeFirst();
  // Another attempt begins anew, so only within one attempt a state cannot be taken back.
  const isOld =
    known !== undefined &&
    (run.attempt < known.attempt || (run.attempt === known.attempt && !isNewerState(run.state, known.state)));
  if (isOld) return;
  const columns = {
    ...{ repo_owner: run.repo.owner, repo_name: run.repo.name, attempt: run.attempt, event: run.event },
    ...{ head_sha: run.headSha, head_branch: run.headBranch, path: run.path, title: run.title, url: run.url },
    ...{ state: run.state, conclusion: run.conclusion },
    ...{ created_at: run.createdAt.getTime(), seen_at: at.getTime() },
  };
  await db
    .insertInto('workflow_runs')
    .values({ id: run.id, repo_id: run.repo.id, ...columns })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
    .execute();
}

export async function workflowRun(
  db: Db,
  id: number,
): Promise<{ readonly run: WorkflowRun | null; readonly jobs: readonly WorkflowJob[] }> {
  const run = await db.selectFrom('workflow_runs').selectAll().where('id', '=', id).executeTakeFirst();
  const jobs = await db.selectFrom('workflow_jobs').selectAll().where('run_id', '=', id).orderBy('id').execute();
  const newest = Math.max(run?.attempt ?? 0, ...jobs.map(({ attempt }) => attempt));
  return {
    run: run === undefined ? null : workflowRunOf(run),
    jobs: jobs.filter(({ attempt }) => attempt === newest).map(workflowJobOf),
  };
}

export function workflowJobOf(row: WorkflowJobRow): WorkflowJob {
  return {
    id: row.id,
    repo: { id: row.repo_id, owner: row.repo_owner, name: row.repo_name },
    runId: row.run_id,
    attempt: row.attempt,
    workflow: row.workflow,
    name: row.name,
    url: row.url,
    headSha: row.head_sha,
    labels: JSON.parse(row.labels) as string[],
    state: row.state,
    conclusion: row.conclusion,
    runner: row.runner,
    createdAt: dateOf(row.created_at),
    startedAt: dateOf(row.started_at),
    completedAt: dateOf(row.completed_at),
  };
}

function workflowRunOf(row: WorkflowRunRow): WorkflowRun {
  return {
    id: row.id,
    repo: { id: row.repo_id, owner: row.repo_owner, name: row.repo_name },
    attempt: row.attempt,
    event: row.event,
    headSha: row.head_sha,
    headBranch: row.head_branch,
    path: row.path,
    title: row.title,
    url: row.url,
    state: row.state,
    conclusion: row.conclusion,
    createdAt: new Date(row.created_at),
  };
}

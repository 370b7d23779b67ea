/** What is on record of a pool, for people: jobs, minutes, rules, evidence. */
import type { PoolHistory } from '../core/pool/pool-store.ts';
import { billedMinutes, IMAGES_WORKFLOW } from '../core/pool/usage.ts';
import type { Rule } from '../core/pool/rules.ts';
import type { WorkflowJob } from '../core/workflow.ts';
import { runnerOf } from './runners.ts';
import type { Db } from './schema.ts';
import { workflowJobOf } from './workflows.ts';

export async function poolHistory(db: Db, name: string, limit: number): Promise<PoolHistory> {
  const rules = await db.selectFrom('pool_rules').selectAll().where('pool', '=', name).orderBy('rule').execute();
  const done = () =>
    db
      .selectFrom('workflow_jobs')
      .innerJoin('runners', 'runners.name', 'workflow_jobs.runner')
      .selectAll('workflow_jobs')
      .where('runners.pool', '=', name)
      .where('workflow_jobs.state', '=', 'completed');
  const newest = await done().orderBy('workflow_jobs.completed_at', 'desc').limit(limit).execute();
  const times = await db
    .selectFrom('workflow_jobs')
    .innerJoin('runners', 'runners.name', 'workflow_jobs.runner')
    .select(['workflow_jobs.started_at', 'workflow_jobs.completed_at'])
    .where('runners.pool', '=', name)
    .where('workflow_jobs.state', '=', 'completed')
    .execute();
  const lasted = times.flatMap(({ started_at: from, completed_at: to }) =>
    from === null || to === null ? [] : [{ from, ms: Math.max(0, to - from) }],
  );
  const images = await done()
    .where('workflow_jobs.workflow', '=', IMAGES_WORKFLOW)
    .where('workflow_jobs.conclusion', '=', 'success')
    .orderBy('workflow_jobs.completed_at', 'desc')
    .executeTakeFirst();
  const newestRunner = (column: 'github_id' | 'online_at') =>
    db
      .selectFrom('runners')
      .selectAll()
      .where('pool', '=', name)
      .where(column, 'is not', null)
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst();
  const registered = await newestRunner('github_id');
  const online = await newestRunner('online_at');
  return {
    rules: rules.map(({ rule, count, last_at: at }) => ({ rule: rule as Rule, count, at: new Date(at) })),
    jobs: newest.map(workflowJobOf),
    usage: {
      jobs: times.length,
      ms: lasted.reduce((sum, { ms }) => sum + ms, 0),
      minutes: lasted.reduce((sum, { ms }) => sum + billedMinutes(ms), 0),
      since: lasted.length === 0 ? null : new Date(Math.min(...lasted.map(({ from }) => from))),
    },
    registered: registered === undefined ? null : runnerOf(registered),
    online: online === undefined ? null : runnerOf(online),
    imagesBuilt: images === undefined ? null : workflowJobOf(images),
  };
}

export async function openWorkflowJobs(
  db: Db,
  limit: number,
): Promise<readonly (WorkflowJob & { readonly firstSeenAt: Date })[]> {
  const rows = await db
    .selectFrom('workflow_jobs')
    .selectAll()
    .where((row) => row('workflow_jobs.state', '<>', 'completed'))
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...workflowJobOf(row), firstSeenAt: new Date(row.first_seen_at) }));
}

import type { Migration } from './migration.ts';

/** What was heard of GitHub's own workflows: runner pools and jobs with `lane: github` go by it. */
export const workflows: Migration = {
  number: 16,
  name: 'workflows',
  statements: ({ integer, table }) => [
    `create table workflow_runs (
      id ${integer} not null primary key,
      repo_id ${integer} not null,
      repo_owner text not null,
      repo_name text not null,
      attempt ${integer} not null,
      event text not null,
      head_sha text not null,
      head_branch text,
      path text,
      title text not null,
      url text not null,
      state text not null,
      conclusion text,
      created_at ${integer} not null,
      seen_at ${integer} not null
    )${table}`,
    `create index workflow_runs_of_sha on workflow_runs (repo_id, head_sha)`,
    `create table workflow_jobs (
      id ${integer} not null primary key,
      repo_id ${integer} not null,
      repo_owner text not null,
      repo_name text not null,
      run_id ${integer} not null,
      attempt ${integer} not null,
      workflow text,
      name text not null,
      url text not null,
      head_sha text not null,
      labels text not null,
      state text not null,
      conclusion text,
      runner text,
      created_at ${integer},
      started_at ${integer},
      completed_at ${integer},
      first_seen_at ${integer} not null,
      seen_at ${integer} not null
    )${table}`,
    `create index workflow_jobs_open on workflow_jobs (id) where state <> 'completed'`,
    `create index workflow_jobs_of_run on workflow_jobs (run_id)`,
    `create index workflow_jobs_of_runner on workflow_jobs (runner) where runner is not null`,
  ],
};

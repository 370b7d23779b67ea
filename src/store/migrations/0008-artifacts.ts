import type { Migration } from './migration.ts';

export const artifacts: Migration = {
  number: 8,
  name: 'artifacts',
  statements: ({ integer, table }) => [
    `create table artifacts (
      run_id ${integer} not null references runs (id),
      job_id ${integer} not null references jobs (id),
      attempt ${integer} not null,
      name text not null,
      bytes ${integer} not null,
      files ${integer} not null,
      expires_at ${integer} not null,
      primary key (job_id, attempt, name)
    )${table}`,
    `create index artifacts_of_run on artifacts (run_id)`,
    `create index artifacts_by_end on artifacts (expires_at)`,
    `create table test_reports (
      job_id ${integer} not null references jobs (id),
      attempt ${integer} not null,
      run_id ${integer} not null references runs (id),
      repo_id ${integer} not null,
      sha text not null,
      report text not null,
      primary key (job_id, attempt)
    )${table}`,
    `create index test_reports_of_sha on test_reports (repo_id, sha)`,
  ],
};

import type { Migration } from './migration.ts';

/** Successes that later jobs with the same key may take over. */
export const reuse: Migration = {
  number: 12,
  name: 'reuse',
  statements: ({ integer, table }) => [
    `create table reusable (
      repo_id ${integer} not null,
      trust text not null,
      key text not null,
      run_id ${integer} not null references runs (id),
      job_id ${integer} not null references jobs (id),
      attempt ${integer} not null,
      artifacts ${integer} not null,
      recorded_at ${integer} not null,
      primary key (repo_id, trust, key)
    )${table}`,
  ],
};

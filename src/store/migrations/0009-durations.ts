import type { Migration } from './migration.ts';

/** What jobs took, one row for each name of a job, so that it grows with pipelines and not with runs; what workers have. */
export const durations: Migration = {
  number: 9,
  name: 'durations',
  statements: ({ integer, table }) => [
    `create table job_durations (
      repo_id ${integer} not null,
      pipeline text not null,
      job text not null,
      platform text not null,
      recent text not null,
      median_ms ${integer} not null,
      updated_at ${integer} not null,
      primary key (repo_id, pipeline, job, platform)
    )${table}`,
    `alter table workers add column platform text`,
    `alter table workers add column capacity text`,
  ],
};

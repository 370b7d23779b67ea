import type { Migration } from './migration.ts';

/** Repositories that were heard of, and the times at which the pipelines of their default branches want to run. */
export const timetable: Migration = {
  number: 7,
  name: 'timetable',
  statements: ({ id, integer, table }) => [
    `create table repositories (
      repo_id ${integer} not null primary key,
      owner text not null,
      name text not null,
      key text not null,
      default_branch text not null,
      changed_at ${integer} not null
    )${table}`,
    `create index repositories_of_key on repositories (key, changed_at)`,
    `create table timetable (
      id ${id},
      repo_id ${integer} not null references repositories (repo_id),
      pipeline text not null,
      cron text not null,
      timezone text not null,
      next_at ${integer},
      unique (repo_id, pipeline, cron, timezone)
    )${table}`,
    `create index timetable_due on timetable (next_at) where next_at is not null`,
  ],
};

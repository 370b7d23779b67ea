import type { Migration } from './migration.ts';

/** Jobs that run as a workflow of GitHub: that one was asked for, and which run came of it. */
export const dispatches: Migration = {
  number: 18,
  name: 'dispatches',
  statements: ({ integer, table }) => [
    `create table dispatches (
      job_id ${integer} not null references jobs (id),
      attempt ${integer} not null,
      repo_id ${integer} not null,
      workflow text not null,
      ref text not null,
      asked_at ${integer} not null,
      known text not null,
      asks ${integer} not null,
      accepted ${integer} not null,
      run_id ${integer},
      url text,
      run_at ${integer},
      primary key (job_id, attempt)
    )${table}`,
    `create unique index dispatches_of_run on dispatches (run_id) where run_id is not null`,
  ],
};

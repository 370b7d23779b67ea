import type { Migration } from './migration.ts';

export const concurrency: Migration = {
  number: 5,
  name: 'concurrency',
  statements: () => [
    `alter table runs add column concurrency text`,
    `alter table runs add column concurrency_key text`,
    `create index runs_of_group on runs (concurrency_key) where state <> 'finished' and concurrency_key is not null`,
  ],
};

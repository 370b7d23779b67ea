import type { Migration } from './migration.ts';

export const runTitles: Migration = {
  number: 3,
  name: 'run-titles',
  statements: () => [`alter table runs add column title text not null default ''`],
};

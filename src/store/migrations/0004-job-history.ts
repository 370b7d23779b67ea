import type { Migration } from './migration.ts';

export const jobHistory: Migration = {
  number: 4,
  name: 'job-history',
  statements: () => [`alter table jobs add column history text not null default '[]'`],
};

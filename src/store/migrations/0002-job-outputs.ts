import type { Migration } from './migration.ts';

export const jobOutputs: Migration = {
  number: 2,
  name: 'job-outputs',
  statements: () => [`alter table jobs add column outputs text not null default '{}'`],
};

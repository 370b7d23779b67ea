import type { Migration } from './migration.ts';

/** What workers offer to `runs-on`. */
export const labels: Migration = {
  number: 13,
  name: 'labels',
  statements: () => [`alter table workers add column labels text`],
};

import type { Migration } from './migration.ts';

/** A run is repeated once; the index is what two callers at the same time meet. */
export const reruns: Migration = {
  number: 11,
  name: 'reruns',
  statements: ({ integer }) => [
    `alter table runs add column rerun_of ${integer} references runs (id)`,
    `create unique index runs_rerun_of on runs (rerun_of) where rerun_of is not null`,
    `alter table jobs add column origin text`,
  ],
};

import type { Migration } from './migration.ts';

/** Who approved a fork's commit, and which commit its pipeline was read at. */
export const approvals: Migration = {
  number: 10,
  name: 'approvals',
  statements: ({ integer }) => [
    `alter table runs add column config text`,
    `alter table runs add column approved_by text`,
    `alter table runs add column approved_at ${integer}`,
  ],
};

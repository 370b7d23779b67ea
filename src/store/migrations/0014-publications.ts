import type { Migration } from './migration.ts';

/** Artifacts that running jobs published, and which of them a job was claimed with. */
export const publications: Migration = {
  number: 14,
  name: 'publications',
  statements: () => [`alter table jobs add column published text`, `alter table jobs add column artifact_origins text`],
};

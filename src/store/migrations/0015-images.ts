import type { Migration } from './migration.ts';

/** What jobs built: digests, sizes, bases. The images themselves lie in the engine and in registries. */
export const images: Migration = {
  number: 15,
  name: 'images',
  statements: ({ integer, table }) => [
    `create table images (
      job_id ${integer} not null references jobs (id),
      attempt ${integer} not null,
      record text not null,
      primary key (job_id, attempt)
    )${table}`,
  ],
};

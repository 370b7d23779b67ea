import type { Migration } from './migration.ts';

export const secrets: Migration = {
  number: 6,
  name: 'secrets',
  statements: ({ integer, table }) => [
    `create table secrets (
      repo text not null,
      name text not null,
      sealed text not null,
      trust text not null,
      events text,
      set_at ${integer} not null,
      primary key (repo, name)
    )${table}`,
  ],
};

import type { Migration } from './migration.ts';

/** Pools of GitHub Actions runners, their runners, and how those came to their end. */
export const pools: Migration = {
  number: 17,
  name: 'pools',
  statements: ({ id, integer, table }) => [
    `create table pools (
      name text not null primary key,
      definition text not null,
      fingerprint text not null,
      source text not null,
      wish text not null,
      condition text not null,
      changed_at ${integer} not null
    )${table}`,
    `create table runners (
      id ${id},
      name text not null unique,
      pool text not null,
      worker text not null,
      fingerprint text not null,
      scope text not null,
      platform text not null,
      size text not null,
      emulated ${integer} not null,
      state text not null,
      github_id ${integer},
      container text,
      reason text,
      odd text,
      odd_at ${integer},
      released ${integer} not null,
      planned_at ${integer} not null,
      changed_at ${integer} not null,
      started_at ${integer},
      online_at ${integer},
      busy_at ${integer},
      gone_at ${integer}
    )${table}`,
    `create index runners_live on runners (worker, id) where state <> 'gone'`,
    `create index runners_of_pool on runners (pool, id)`,
    `create table pool_rules (
      pool text not null,
      rule text not null,
      count ${integer} not null,
      last_at ${integer} not null,
      primary key (pool, rule)
    )${table}`,
  ],
};

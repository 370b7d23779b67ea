import type { Migration } from './migration.ts';

/**
 * Deliveries and what they ask for, runs, jobs, desired statuses, workers, roles. The indexes with a `where` hold only
 * what is unfinished, so that the loops cost the same with a million finished runs as with none.
 */
export const first: Migration = {
  number: 1,
  name: 'first',
  statements: ({ id, integer, bytes, table }) => [
    `create table deliveries (
      id text not null primary key,
      event text not null,
      body ${bytes},
      received_at ${integer} not null,
      verdict text not null check (verdict in ('accepted', 'ignored', 'rejected')),
      note text
    )${table}`,

    `create table intakes (
      id ${id},
      delivery_id text not null unique references deliveries (id),
      request text not null,
      repo_id ${integer} not null,
      line text not null,
      sha text,
      received_at ${integer} not null,
      tries ${integer} not null,
      retry_at ${integer},
      why text,
      planned_at ${integer},
      note text
    )${table}`,
    `create index intakes_unplanned on intakes (id) where planned_at is null`,
    `create index intakes_of_line on intakes (repo_id, line, id) where sha is not null`,

    `create table runs (
      id ${id},
      repo_id ${integer} not null,
      repo_owner text not null,
      repo_name text not null,
      repo_key text not null,
      sha text not null,
      ref text not null,
      line text not null,
      branch text,
      pr_number ${integer},
      event_name text not null,
      trust text not null check (trust in ('T1', 'T2', 'T3', 'T4')),
      pipeline text not null,
      state text not null check (state in ('queued', 'running', 'finished')),
      result text,
      outcome text,
      ending text,
      context text not null,
      reported ${integer} not null check (reported in (0, 1)),
      dedupe text unique,
      created_at ${integer} not null,
      finished_at ${integer},
      check ((state = 'finished') = (outcome is not null)),
      check ((outcome is null) = (result is null))
    )${table}`,
    `create index runs_live on runs (id) where state <> 'finished'`,
    `create index runs_of_sha on runs (sha, repo_id, pipeline, id)`,
    `create index runs_of_repo on runs (repo_key, id)`,
    `create index runs_of_branch on runs (branch, id)`,
    `create index runs_of_repo_branch on runs (repo_key, branch, id)`,
    `create index runs_succeeded on runs (finished_at) where result = 'success'`,

    `create table intake_runs (
      intake_id ${integer} not null references intakes (id),
      run_id ${integer} not null references runs (id),
      primary key (intake_id, run_id)
    )${table}`,
    `create index intake_runs_of_run on intake_runs (run_id)`,

    `create table jobs (
      id ${id},
      run_id ${integer} not null references runs (id),
      name text not null,
      spec text not null,
      waits_for text not null,
      state text not null check (state in ('waiting', 'queued', 'running', 'finished')),
      result text,
      outcome text,
      evidence text,
      attempt ${integer} not null,
      worker text,
      lease_until ${integer},
      stop text,
      queued_at ${integer},
      claimed_at ${integer},
      started_at ${integer},
      finished_at ${integer},
      unique (run_id, name),
      check ((state = 'finished') = (outcome is not null)),
      check ((outcome is null) = (result is null)),
      check (result is null or result <> 'success' or evidence is not null)
    )${table}`,
    `create index jobs_queued on jobs (queued_at) where state = 'queued'`,
    `create index jobs_running on jobs (worker) where state = 'running'`,

    `create table statuses (
      id ${id},
      repo_id ${integer} not null,
      sha text not null,
      context text not null,
      run_id ${integer} not null references runs (id),
      job text,
      state text not null,
      description text not null,
      rank ${integer} not null,
      version ${integer} not null,
      sent_version ${integer} not null,
      sent_at ${integer},
      dead ${integer} not null check (dead in (0, 1)),
      failures ${integer} not null,
      retry_at ${integer},
      why text,
      desired_at ${integer} not null,
      unique (repo_id, sha, context),
      check (sent_version <= version)
    )${table}`,
    `create index statuses_unsent on statuses (rank, desired_at, id) where sent_version <> version and dead = 0`,
    `create index statuses_of_run on statuses (run_id)`,
    `create index statuses_dead on statuses (id) where dead = 1`,

    `create table workers (
      id text not null primary key,
      slots ${integer} not null,
      details text not null,
      lease_until ${integer} not null
    )${table}`,

    `create table roles (
      role text not null primary key,
      owner text not null,
      until ${integer} not null
    )${table}`,
  ],
};

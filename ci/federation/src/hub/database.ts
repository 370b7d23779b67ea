/** The hub's SQLite file: its schema, and a writer that makes one transaction of what arrives together. */
import Database from 'better-sqlite3';

export type Connection = Database.Database;

const VERSION = 1;

const SCHEMA = `
  create table agents (
    tenant text not null, agent text not null, last_sequence integer not null, first_seen text not null,
    primary key (tenant, agent)
  ) strict, without rowid;
  create table episodes (
    tenant text not null, agent text not null, sequence integer not null, digest text not null,
    task text not null, reward real not null, success integer not null, at text not null, received_at text not null,
    json text not null,
    unique (tenant, agent, sequence),
    foreign key (tenant, agent) references agents (tenant, agent)
  ) strict;
  create table connections (
    session text primary key, tenant text not null, agent text not null, connected_at text not null,
    running_ms real not null, connect_ms real not null, ended_at text, end_code integer, end_reason text
  ) strict;
  create table syncs (
    tenant text not null, agent text not null, id text not null, iteration integer not null, task text not null,
    started_at text not null, connect_ms real, auth_ms real, store_ms real not null, push_ms real not null,
    pull_ms real not null, sync_ms real not null, pushed integer not null, pulled integer not null,
    memory_bytes real not null, noted_at text not null,
    primary key (tenant, agent, id)
  ) strict;
  -- What agents say they received. Not checked against the tenant: a leak has to be visible here.
  create table receipts (
    tenant text not null, agent text not null, from_agent text not null, sequence integer not null,
    digest text not null, noted_at text not null,
    primary key (tenant, agent, digest)
  ) strict, without rowid;
  -- Requests beyond the sender's tenant: what the hub refused (by = hub) and what the agent saw (by = agent).
  create table attempts (
    tenant text not null, agent text not null, request text not null, by text not null, what text not null,
    target_tenant text not null, code text, noted_at text not null,
    primary key (tenant, agent, request, by)
  ) strict, without rowid;
  create table summaries (
    session text primary key, tenant text not null, agent text not null, iterations integer not null,
    syncs integer not null, mean_reward real not null, success_rate real not null, connection_errors integer not null,
    received integer not null, news integer not null, noted_at text not null
  ) strict;
  create table probe (id integer primary key check (id = 1), value text not null) strict;
`;

/** The file is no hub database, or one of a newer version. */
export class UnusableDatabase extends Error {
  override readonly name = 'UnusableDatabase';
}

/** Opens or makes the file; its folder must exist. What is committed survives a loss of power. */
export function openDatabase(path: string): Connection {
  const db = openFile(path);
  try {
    db.pragma('journal_mode = WAL');
    // In WAL mode this build would otherwise use NORMAL, which loses acknowledged pushes with the power.
    db.pragma('synchronous = FULL');
    db.pragma('foreign_keys = ON');
    prepareSchema(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function openFile(path: string): Connection {
  try {
    return new Database(path, { timeout: 5000 });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const cure = `Give HUB_DB_PATH a file in a folder that user ${process.getuid?.()} may write.`;
    throw new UnusableDatabase(`${path}: ${why}. ${cure}`, { cause });
  }
}

function prepareSchema(db: Connection, path: string): void {
  const version = db.pragma('user_version', { simple: true });
  if (version === VERSION) return;
  if (version !== 0) {
    throw new UnusableDatabase(
      `${path} has version ${String(version)}; this hub knows ${VERSION}. Start the newer hub, or give HUB_DB_PATH another file.`,
    );
  }
  db.transaction(() => {
    db.exec(SCHEMA);
    db.pragma(`user_version = ${VERSION}`);
  }).immediate();
}

export interface Writer {
  /**
   * Runs the work inside a transaction and resolves when it is on disk. Work that throws is undone alone and rejects;
   * a commit that fails rejects everything in it. Works run in the order of the calls.
   */
  write<T>(work: () => T): Promise<T>;
  /** Resolves when everything that was asked for so far is on disk or has failed. */
  idle(): Promise<void>;
  /** Works that wait for their commit. */
  readonly waiting: number;
}

interface Waiting {
  run(): void;
  settle(commitError: unknown): void;
}

/** What arrives within one turn of the event loop shares a commit: a sync to disk costs more than all else together. */
export function createWriter(db: Connection): Writer {
  let queue: Waiting[] = [];
  let idle = Promise.resolve();
  const savepoint = db.transaction((work: () => unknown) => work());
  const commitAll = db.transaction((batch: readonly Waiting[]) => {
    for (const work of batch) work.run();
  });

  function flush(): void {
    const batch = queue;
    queue = [];
    let trouble: unknown;
    try {
      commitAll.immediate(batch);
    } catch (error) {
      trouble = error ?? new Error('commit failed');
    }
    for (const work of batch) work.settle(trouble);
  }

  return {
    write<T>(work: () => T): Promise<T> {
      if (queue.length === 0) {
        idle = new Promise((resolve) => {
          setImmediate(() => {
            flush();
            resolve();
          });
        });
      }
      return new Promise<T>((resolve, reject) => {
        let result: { readonly value: T } | undefined;
        let failure: { readonly error: unknown } | undefined;
        queue.push({
          run() {
            try {
              result = { value: savepoint(work) as T };
            } catch (error) {
              // With the transaction gone there is nothing left to go on with: let the whole batch fail.
              if (!db.inTransaction) throw error;
              failure = { error };
            }
          },
          settle(commitError) {
            const error = commitError ?? failure?.error;
            if (error !== undefined || result === undefined) reject(toError(error));
            else resolve(result.value);
          },
        });
      });
    },
    async idle() {
      while (queue.length > 0) await idle;
      await idle;
    },
    get waiting() {
      return queue.length;
    },
  };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error('The write failed.', { cause: error });
}

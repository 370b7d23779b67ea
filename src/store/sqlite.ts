/** SQLite, through better-sqlite3. Everything that knows this engine is in this file. */
import { constants } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect, type SqliteDatabase, type SqliteStatement } from 'kysely';
import { StoreUnavailable } from '../core/store-trouble.ts';
import type { Engine, Side, WriterSide } from './engine.ts';
import { hasCode, openPrivateFile } from './private-files.ts';
import type { Schema } from './schema.ts';
import { openStore, type OpenStore } from './store.ts';

type Connection = Database.Database;

/**
 * Opens or makes the store at a path, or one in memory that ends with the process (`:memory:`). Several processes may
 * have the same file open. The file is made with mode 0600; its folder must exist. Rejects when the file is no store,
 * was written by a newer version, or cannot be opened.
 */
export async function openSqliteStore(path: string): Promise<OpenStore> {
  let engine: Engine | undefined;
  try {
    engine = await openSqliteEngine(path);
    return await openStore(engine);
  } catch (error) {
    await engine?.close();
    if (!isInTrouble(error)) throw error;
    throw new StoreUnavailable(`The store ${path} cannot be opened: ${error.message}`, { cause: error });
  }
}

/** The engine alone, without a schema. For the store, and for what works below it (backup, tests). */
export async function openSqliteEngine(path: string): Promise<Engine> {
  if (path === ':memory:') {
    const only = openConnection(path);
    return sqliteEngine(only, only);
  }
  await makeDatabaseFile(path);
  const writer = openConnection(path);
  try {
    const reader = openConnection(path);
    // Reads have a connection of their own, so that they see what is committed and not what a batch is about to write.
    reader.pragma('query_only = ON');
    return sqliteEngine(writer, reader);
  } catch (error) {
    writer.close();
    throw error;
  }
}

/** SQLite gives its -wal and -shm files the mode of the database, so only this one must be made by hand. */
async function makeDatabaseFile(path: string): Promise<void> {
  try {
    const file = await openPrivateFile(path, constants.O_RDWR | constants.O_EXCL);
    await file.close();
  } catch (error) {
    // It is there: do not even open it, for closing it would drop the locks that this process holds on it.
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

const OPEN_TIMEOUT_MS = 10_000;
/** SQLite waits on the main thread, so it waits briefly and the event loop gets its turn in between. */
const BUSY_TIMEOUT_MS = 100;
const BUSY_TRIES = 100;
/** 16 MB: a checkpoint costs two fsyncs and should not come with every few hundred deliveries. */
const CHECKPOINT_PAGES = 4000;
const WAL_KEPT_BYTES = 32 * 1024 ** 2;

function openConnection(path: string): Connection {
  const connection = new Database(path, { timeout: OPEN_TIMEOUT_MS });
  try {
    connection.pragma('journal_mode = WAL');
    // In WAL mode this build would otherwise use NORMAL, which loses acknowledged commits with the power.
    connection.pragma('synchronous = FULL');
    connection.pragma('foreign_keys = ON');
    connection.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    connection.pragma(`journal_size_limit = ${WAL_KEPT_BYTES}`);
    connection.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}

/** An engine on open connections; the same one twice for a database in memory. Closing the engine closes them. */
export function sqliteEngine(writer: Connection, reader: Connection): Engine {
  const writerDb = kyselyOn(writer);
  const readerDb = writer === reader ? writerDb : kyselyOn(reader);
  return {
    writer: writerSide(writer, writerDb),
    reader: side(reader, readerDb, 'begin'),
    words: { id: 'integer primary key autoincrement', integer: 'integer', bytes: 'blob', table: ' strict' },
    isUnavailable: isInTrouble,
    async close() {
      await readerDb.destroy();
      if (writerDb !== readerDb) await writerDb.destroy();
      // kysely closes a connection only after it was used.
      reader.close();
      writer.close();
    },
  };
}

const troubles = /^SQLITE_(FULL|IOERR|BUSY|LOCKED|READONLY|CANTOPEN|CORRUPT|NOTADB|NOMEM|PROTOCOL)/;

function isInTrouble(error: unknown): error is Error {
  return error instanceof Database.SqliteError && troubles.test(error.code);
}

function side(connection: Connection, db: Kysely<Schema>, beginSql: string): Side {
  const begin = connection.prepare(beginSql);
  const commit = connection.prepare('commit');
  const rollback = connection.prepare('rollback');
  return {
    db,
    begin: () => whenFree(() => begin.run()),
    commit: async () => void commit.run(),
    rollback: async () => {
      if (connection.inTransaction) rollback.run();
    },
  };
}

function writerSide(connection: Connection, db: Kysely<Schema>): WriterSide {
  const savepoint = connection.prepare('savepoint use_case');
  const release = connection.prepare('release use_case');
  const rollbackTo = connection.prepare('rollback to use_case');
  return {
    // Taking the write lock at once: a transaction that takes it later may find that it read too early and must fail.
    ...side(connection, db, 'begin immediate'),
    savepoint: async () => void savepoint.run(),
    release: async () => void release.run(),
    rollbackToSavepoint: async () => {
      rollbackTo.run();
      release.run();
    },
  };
}

async function whenFree(begin: () => void): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      begin();
      return;
    } catch (error) {
      if (tries === BUSY_TRIES || !(error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')))
        throw error;
    }
    await nextTurn();
  }
}

function kyselyOn(connection: Connection): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new SqliteDialect({ database: rememberStatements(connection) }) });
}

const STATEMENTS_KEPT = 200;

/** kysely prepares a statement each time it runs one; preparing costs more than running most of ours. */
function rememberStatements(connection: Connection): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => void connection.close(),
    prepare(text) {
      const known = statements.get(text);
      const statement = known ?? connection.prepare(text);
      // Put last again, so that the first is the one unused for longest.
      if (known !== undefined) statements.delete(text);
      statements.set(text, statement);
      for (const oldest of statements.keys()) {
        if (statements.size <= STATEMENTS_KEPT) break;
        statements.delete(oldest);
      }
      return statement;
    },
  };
}

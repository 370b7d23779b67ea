/**
 * What a database engine must offer for the use-cases to run on it. They are written once against this; only the file
 * that makes an Engine (sqlite.ts) knows its driver.
 */
import { StoreUnavailable } from '../core/store-trouble.ts';
import type { Db } from './schema.ts';

export interface Engine {
  /** Where writing transactions run, one at a time. */
  readonly writer: WriterSide;
  /** Where reading transactions run; they see committed state only and change nothing. */
  readonly reader: Side;
  readonly words: ColumnWords;
  /** Whether the error means that the store itself is in trouble, not the statement. */
  isUnavailable(error: unknown): boolean;
  close(): Promise<void>;
}

export interface Side {
  readonly db: Db;
  /** Waits a bounded time for other processes that hold the store. `on` is the connection that was taken from `db`. */
  begin(on: Db): Promise<void>;
  /** When it resolves, the transaction is on disk. */
  commit(on: Db): Promise<void>;
  /** Ends what is left of a failed transaction; after some errors the engine has ended it already. */
  rollback(on: Db): Promise<void>;
}

export interface WriterSide extends Side {
  /** Not nested: a savepoint is released or rolled back before the next one. */
  savepoint(on: Db): Promise<void>;
  release(on: Db): Promise<void>;
  rollbackToSavepoint(on: Db): Promise<void>;
}

/** How the engine spells what differs between engines in a table definition. */
export interface ColumnWords {
  /** A primary key that the engine counts up and never uses twice. */
  readonly id: string;
  /** 64 bits. */
  readonly integer: string;
  readonly bytes: string;
  /** Put after a table definition. */
  readonly table: string;
}

/** Runs `work` between begin and commit on a connection of its own; rolls back when it throws. */
export async function transaction<T>(side: Side, work: (db: Db) => Promise<T>): Promise<T> {
  return side.db.connection().execute(async (db) => {
    await side.begin(db);
    try {
      const value = await work(db);
      await side.commit(db);
      return value;
    } catch (error) {
      await side.rollback(db);
      throw error;
    }
  });
}

/** A reading use-case: one transaction, so that all it reads belongs together. Rejects with StoreUnavailable. */
export async function read<T>(engine: Engine, work: (db: Db) => Promise<T>): Promise<T> {
  try {
    return await transaction(engine.reader, work);
  } catch (error) {
    throw engine.isUnavailable(error) ? unavailable(error) : error;
  }
}

export function unavailable(cause: unknown): StoreUnavailable {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new StoreUnavailable(`The store is not available: ${message}`, { cause });
}

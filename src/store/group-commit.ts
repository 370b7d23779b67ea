/**
 * Group commit. An fdatasync takes milliseconds and a use-case microseconds, so all writing use-cases that arrive in
 * one turn of the event loop, or while a commit is under way, share one transaction and one fdatasync. Each has a
 * savepoint: one that throws is undone alone and rejects alone.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { StoreUnavailable } from '../core/store-trouble.ts';
import { transaction, unavailable, type Engine } from './engine.ts';
import type { Db } from './schema.ts';

export interface GroupCommit {
  /**
   * Runs `work` in the next transaction and resolves after that transaction's commit returned. Rejects with the error
   * of `work`, or with StoreUnavailable when the transaction could not be committed: then nothing of it is there.
   * `work` must await nothing but `db`, since it holds the store's only write lock.
   */
  write<T>(work: (db: Db) => Promise<T>): Promise<T>;
  figures(): CommitFigures;
  /** Commits what is queued; later writes reject. */
  close(): Promise<void>;
}

export interface CommitFigures {
  /** Transactions committed. */
  readonly commits: number;
  /** Use-cases in them. */
  readonly writes: number;
}

interface Entry {
  /** Runs the use-case and returns how to tell its caller once the commit returned. */
  attempt(db: Db): Promise<() => void>;
  reject(error: unknown): void;
}

/** The driver works on the main thread: this bounds how long the event loop stands still in one transaction. */
const LARGEST_BATCH = 256;

export function startGroupCommit(engine: Engine): GroupCommit {
  const queue: Entry[] = [];
  let draining: Promise<void> | undefined;
  let closed = false;
  let commits = 0;
  let writes = 0;

  async function drain(): Promise<void> {
    do {
      await nextTurn();
      await commitBatch();
    } while (queue.length > 0);
    draining = undefined;
  }

  async function commitBatch(): Promise<void> {
    let batch: readonly Entry[] = [];
    try {
      const answers = await transaction(engine.writer, async (db) => {
        batch = queue.splice(0, LARGEST_BATCH);
        const done: (() => void)[] = [];
        for (const entry of batch) done.push(await entry.attempt(db));
        return done;
      });
      commits += 1;
      writes += batch.length;
      for (const answer of answers) answer();
    } catch (error) {
      // Without a transaction nothing was taken from the queue, and those who wait there have waited long enough.
      const refused = batch.length > 0 ? batch : queue.splice(0);
      for (const entry of refused) entry.reject(unavailable(error));
    }
  }

  async function attempt<T>(
    db: Db,
    work: (db: Db) => Promise<T>,
  ): Promise<{ readonly value: T } | { readonly error: unknown }> {
    await engine.writer.savepoint(db);
    try {
      const value = await work(db);
      await engine.writer.release(db);
      return { value };
    } catch (error) {
      // After such an error the engine may have ended the whole transaction, so the whole batch must fail.
      if (engine.isUnavailable(error)) throw error;
      await engine.writer.rollbackToSavepoint(db);
      return { error };
    }
  }

  return {
    write<T>(work: (db: Db) => Promise<T>): Promise<T> {
      if (closed) return Promise.reject(new StoreUnavailable('The store is closed.'));
      const answer = Promise.withResolvers<T>();
      queue.push({
        async attempt(db) {
          const result = await attempt(db, work);
          return 'error' in result ? () => answer.reject(result.error) : () => answer.resolve(result.value);
        },
        reject: answer.reject,
      });
      draining ??= drain();
      return answer.promise;
    },
    figures: () => ({ commits, writes }),
    async close() {
      closed = true;
      await draining;
    },
  };
}

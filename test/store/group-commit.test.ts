import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { sql } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StoreUnavailable } from '../../src/core/store-trouble.ts';
import type { Engine } from '../../src/store/engine.ts';
import { startGroupCommit } from '../../src/store/group-commit.ts';
import type { Db } from '../../src/store/schema.ts';
import { openSqliteEngine, openSqliteStore } from '../../src/store/sqlite.ts';
import { openStore } from '../../src/store/store.ts';
import { at, delivery, evidence, head, passed, plan, planned, runIn } from './support.ts';
import { tempFolder } from './temp-folder.ts';

/** An engine on a fresh file, a second connection that sees what is committed, and one table `t`. */
async function engineWithTable(): Promise<{ readonly engine: Engine; readonly committed: () => string[] }> {
  const path = join(await tempFolder(), 'hearth.db');
  const engine = await openSqliteEngine(path);
  const outside = new Database(path);
  onTestFinished(async () => {
    outside.close();
    await engine.close();
  });
  outside.exec('create table t (word text unique)');
  const select = outside.prepare<[], string>('select word from t order by rowid').pluck();
  return { engine, committed: () => select.all() };
}

async function insert(db: Db, word: string): Promise<string> {
  await sql`insert into t values (${word})`.execute(db);
  return word;
}

describe('group commit', () => {
  test('shares one transaction between all that arrive in one turn', async () => {
    const store = await openSqliteStore(join(await tempFolder(), 'hearth.db'));
    await Promise.all(Array.from({ length: 50 }, (_, index) => store.recordDelivery(delivery(`d${index}`), head())));
    expect(store.commitFigures()).toEqual({ commits: 1, writes: 50 });
    await store.close();
  });

  test('shares one transaction between separate events of one turn', async () => {
    const { engine, committed } = await engineWithTable();
    const commits = startGroupCommit(engine);
    const events = Array.from({ length: 10 }, (_, index) =>
      nextTurn().then(() => commits.write((db) => insert(db, `w${index}`))),
    );
    await Promise.all(events);
    expect(committed()).toHaveLength(10);
    expect(commits.figures()).toEqual({ commits: 1, writes: 10 });
  });

  test('needs far fewer commits than deliveries when callers come one after another', async () => {
    const store = await openSqliteStore(join(await tempFolder(), 'hearth.db'));
    const caller = async (_: unknown, index: number): Promise<void> => {
      for (let turn = 0; turn < 20; turn++) await store.recordDelivery(delivery(`d${index}.${turn}`), head());
    };
    await Promise.all(Array.from({ length: 50 }, caller));
    expect(store.commitFigures().writes).toBe(1000);
    expect(store.commitFigures().commits).toBeLessThanOrEqual(30);
    expect((await store.counts()).unplanned).toBe(1000);
    await store.close();
  });

  test('bounds a batch, and leaves nobody behind', async () => {
    const { engine, committed } = await engineWithTable();
    const commits = startGroupCommit(engine);
    await Promise.all(Array.from({ length: 600 }, (_, index) => commits.write((db) => insert(db, `w${index}`))));
    expect(committed()).toHaveLength(600);
    expect(commits.figures()).toEqual({ commits: 3, writes: 600 });
  });

  test('spends one commit on a finished job with its run and statuses', async () => {
    const store = await openSqliteStore(':memory:');
    const { jobs } = await runIn(store, planned(['build']));
    const job = jobs[0]?.id ?? 0;
    await store.apply([{ job, attempt: 0, action: 'queue' }], at(2));
    await store.apply([{ job, attempt: 0, action: 'claim', worker: 'w', leaseUntil: at(60) }], at(2));
    const { commits } = store.commitFigures();
    await store.finishJob(job, 1, { outcome: passed, evidence, outputs: {} }, at(3));
    expect(store.commitFigures().commits).toBe(commits + 1);
    await store.close();
  });

  test('resolves nothing before the commit returned, and everything is on disk for others when it does', async () => {
    const { engine, committed } = await engineWithTable();
    const order: string[] = [];
    const commits = startGroupCommit({
      ...engine,
      writer: {
        ...engine.writer,
        async commit(on) {
          order.push(`commit, others see ${committed().length}`);
          await engine.writer.commit(on);
          order.push(`committed, others see ${committed().length}`);
        },
      },
    });
    const words = ['a', 'b', 'c'].map(async (word) => {
      await commits.write((db) => insert(db, word));
      order.push(`${word} resolved`);
    });
    await Promise.all(words);
    expect(order).toEqual([
      'commit, others see 0',
      'committed, others see 3',
      'a resolved',
      'b resolved',
      'c resolved',
    ]);
  });

  test('undoes a use-case that throws and keeps the others of its batch', async () => {
    const { engine, committed } = await engineWithTable();
    const commits = startGroupCommit(engine);
    const mistake = new Error('a mistake');
    const results = await Promise.allSettled([
      commits.write((db) => insert(db, 'a')),
      commits.write(async (db) => {
        await insert(db, 'half done');
        throw mistake;
      }),
      commits.write((db) => insert(db, 'b')),
      commits.write((db) => insert(db, 'a')),
      commits.write((db) => insert(db, 'c')),
    ]);
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(results[1]).toEqual({ status: 'rejected', reason: mistake });
    expect(results[3]).toMatchObject({ reason: { code: 'SQLITE_CONSTRAINT_UNIQUE' } });
    expect(committed()).toEqual(['a', 'b', 'c']);
    expect(commits.figures().commits).toBe(1);
  });

  test('rejects the whole batch as unavailable when its commit fails, and works again afterwards', async () => {
    const { engine, committed } = await engineWithTable();
    const cause = new Error('fdatasync: input/output error');
    let broken = true;
    const writer = {
      ...engine.writer,
      commit: async (on: Db) => (broken ? Promise.reject(cause) : engine.writer.commit(on)),
    };
    const commits = startGroupCommit({ ...engine, writer });
    const results = await Promise.allSettled([
      commits.write((db) => insert(db, 'a')),
      commits.write((db) => insert(db, 'b')),
    ]);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'StoreUnavailable', cause } });
      expect(result.status === 'rejected' && result.reason).toBeInstanceOf(StoreUnavailable);
    }
    expect(committed()).toEqual([]);
    broken = false;
    await commits.write((db) => insert(db, 'a'));
    expect(committed()).toEqual(['a']);
  });

  test('rejects the whole batch as unavailable when the disk is full in the middle of it, and heals with the disk', async () => {
    const engine = await openSqliteEngine(join(await tempFolder(), 'hearth.db'));
    const store = await openStore(engine);
    await store.recordDelivery(delivery('before'), head());
    await sql`pragma max_page_count = 1`.execute(engine.writer.db);
    const big = delivery('big', { body: new Uint8Array(1_000_000) });
    const batch = [store.recordDelivery(delivery('small'), head()), store.recordDelivery(big, head())];
    for (const result of await Promise.allSettled(batch)) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { name: 'StoreUnavailable', cause: { code: 'SQLITE_FULL' } },
      });
    }
    await sql`pragma max_page_count = 1000000`.execute(engine.writer.db);
    expect(await store.recordDelivery(delivery('before'), head())).toBe('duplicate');
    expect(await store.recordDelivery(delivery('small'), head())).toBe('new');
    expect(await store.recordDelivery(big, head())).toBe('new');
    await store.close();
  });

  test('rejects those who wait when no transaction can be begun', async () => {
    const { engine } = await engineWithTable();
    const commits = startGroupCommit({
      ...engine,
      writer: { ...engine.writer, begin: () => Promise.reject(new Error('database is locked')) },
    });
    const writes = ['a', 'b'].map((word) => commits.write((db) => insert(db, word)));
    for (const result of await Promise.allSettled(writes))
      expect(result).toMatchObject({ reason: { name: 'StoreUnavailable' } });
  });

  test('lets readers see nothing of a batch that is not committed', async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const engine = await openSqliteEngine(path);
    const seen: number[] = [];
    const store = await openStore({
      ...engine,
      writer: {
        ...engine.writer,
        async release(on) {
          await engine.writer.release(on);
          seen.push((await store.counts()).unplanned);
        },
      },
    });
    await Promise.all([store.recordDelivery(delivery('a'), head()), store.recordDelivery(delivery('b'), head())]);
    expect(seen).toEqual([0, 0]);
    expect((await store.counts()).unplanned).toBe(2);
    await store.close();
  });

  test('finishes what was asked before it closes, and takes nothing after', async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const store = await openSqliteStore(path);
    const writes = ['a', 'b'].map((id) => store.recordDelivery(delivery(id), head()));
    await store.close();
    expect(await Promise.all(writes)).toEqual(['new', 'new']);
    await expect(store.recordDelivery(delivery('c'), head())).rejects.toBeInstanceOf(StoreUnavailable);
    const again = await openSqliteStore(path);
    expect((await again.counts()).unplanned).toBe(2);
    await again.close();
  });

  test('takes nothing more once it was closed', async () => {
    const { engine, committed } = await engineWithTable();
    const commits = startGroupCommit(engine);
    await commits.close();
    await expect(commits.write((db) => insert(db, 'a'))).rejects.toBeInstanceOf(StoreUnavailable);
    expect(committed()).toEqual([]);
  });

  test('keeps its order: a plan sees the delivery that was recorded just before it', async () => {
    const store = await openSqliteStore(':memory:');
    const recorded = store.recordDelivery(delivery('d1'), head());
    const intake = { ...head(), id: 1, deliveryId: 'd1', receivedAt: at(0), tries: 0 };
    const applied = store.applyPlan(intake, plan([planned(['build'])]), at(1));
    expect(await recorded).toBe('new');
    expect(await applied).toEqual([1]);
    await store.close();
  });
});

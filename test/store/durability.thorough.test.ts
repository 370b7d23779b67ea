import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { sql } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openSqliteEngine, openSqliteStore } from '../../src/store/sqlite.ts';
import { at, delivery, head } from './support.ts';
import { tempFolder } from './temp-folder.ts';

const recorder = fileURLToPath(new URL('recorder.ts', import.meta.url));

/** Starts a recorder, kills it once it acknowledged this many, and returns all that it acknowledged. */
async function recordUntilKilled(path: string, prefix: string, enough: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [recorder, path, prefix], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const acknowledged: string[] = [];
  for await (const id of createInterface({ input: child.stdout })) {
    acknowledged.push(id);
    if (acknowledged.length === enough) child.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
  return acknowledged;
}

describe('a SQLite store', () => {
  test('writes through to the disk before it answers', async () => {
    const engine = await openSqliteEngine(join(await tempFolder(), 'hearth.db'));
    for (const { db } of [engine.writer, engine.reader]) {
      expect(await sql`pragma journal_mode`.execute(db)).toMatchObject({ rows: [{ journal_mode: 'wal' }] });
      expect(await sql`pragma synchronous`.execute(db)).toMatchObject({ rows: [{ synchronous: 2 }] });
      expect(await sql`pragma foreign_keys`.execute(db)).toMatchObject({ rows: [{ foreign_keys: 1 }] });
    }
    await expect(sql`create table t (x)`.execute(engine.reader.db)).rejects.toThrow('readonly');
    await engine.close();
  });

  test('has every acknowledged delivery after each of 12 kills', { timeout: 120_000 }, async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const all: string[] = [];
    for (let cycle = 0; cycle < 12; cycle++) {
      const acknowledged = await recordUntilKilled(path, `cycle-${cycle}`, 1 + cycle * 37);
      const database = new Database(path);
      expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
      database.close();
      const store = await openSqliteStore(path);
      // Whoever was told "new" is known now.
      const answers = await Promise.all(acknowledged.map((id) => store.recordDelivery(delivery(id), head())));
      expect(answers.filter((answer) => answer !== 'duplicate')).toEqual([]);
      await store.close();
      all.push(...acknowledged);
    }
    const store = await openSqliteStore(path);
    const intakes = new Set((await store.unplannedIntakes(at(0), 1_000_000)).map((intake) => intake.deliveryId));
    expect(all.filter((id) => !intakes.has(id))).toEqual([]);
    expect(all.length).toBeGreaterThan(2000);
    await store.close();
  });

  test('is shared by two processes that write at the same time', { timeout: 60_000 }, async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const store = await openSqliteStore(path);
    const child = recordUntilKilled(path, 'child', 400);
    const other = { hasEnded: false };
    void child.finally(() => (other.hasEnded = true));
    let mine = 0;
    while (!other.hasEnded) {
      expect(await store.recordDelivery(delivery(`parent-${mine}`), head())).toBe('new');
      mine += 1;
    }
    const theirs = await child;
    const known = new Set((await store.unplannedIntakes(at(0), 1_000_000)).map((intake) => intake.deliveryId));
    expect(theirs.filter((id) => !known.has(id))).toEqual([]);
    expect(Array.from({ length: mine }, (_, index) => `parent-${index}`).filter((id) => !known.has(id))).toEqual([]);
    expect(mine).toBeGreaterThan(0);
    await store.close();
  });

  test('waits for another process that holds the store, and does not stop the event loop meanwhile', async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const store = await openSqliteStore(path);
    const other = new Database(path);
    other.exec('begin immediate');
    const recorded = store.recordDelivery(delivery('d1'), head());
    let turns = 0;
    await new Promise<void>((resolve) => {
      const turn = (): void => {
        turns += 1;
        if (turns < 3) setImmediate(turn);
        else resolve();
      };
      setImmediate(turn);
    });
    other.exec('commit');
    expect(await recorded).toBe('new');
    other.close();
    await store.close();
  });

  test('is a file that only its owner may read, or its group in a shared folder', async () => {
    const folder = await tempFolder();
    const open = async (name: string): Promise<number[]> => {
      const store = await openSqliteStore(join(folder, name));
      const modes = [];
      for (const suffix of ['', '-wal', '-shm']) modes.push((await stat(join(folder, name + suffix))).mode & 0o777);
      await store.close();
      return modes;
    };
    expect(await open('alone.db')).toEqual([0o600, 0o600, 0o600]);
    await chmod(folder, 0o2770);
    expect(await open('shared.db')).toEqual([0o660, 0o660, 0o660]);
  });

  test('keeps its write-ahead log small under steady reading and writing', { timeout: 60_000 }, async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const store = await openSqliteStore(path);
    const body = new Uint8Array(64 * 1024);
    for (let turn = 0; turn < 40; turn++) {
      const batch = Array.from({ length: 30 }, (_, index) =>
        store.recordDelivery(delivery(`${turn}.${index}`, { body }), head()),
      );
      await Promise.all([...batch, store.counts(), store.snapshot()]);
    }
    expect((await stat(path)).size).toBeGreaterThan(50e6);
    expect((await stat(`${path}-wal`)).size).toBeLessThan(34e6);
    await store.close();
  });

  test('gives the disk back after one very large commit', { timeout: 60_000 }, async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const store = await openSqliteStore(path);
    const body = new Uint8Array(2 * 1024 ** 2);
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => store.recordDelivery(delivery(`d${index}`, { body }), head())),
    );
    expect((await stat(`${path}-wal`)).size).toBeGreaterThan(60e6);
    await store.recordDelivery(delivery('small'), head());
    expect((await stat(`${path}-wal`)).size).toBeLessThan(34e6);
    await store.close();
  });
});

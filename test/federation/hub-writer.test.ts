/** What shares a commit and what does not. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { createWriter, openDatabase } from '../../ci/federation/src/hub/database.ts';

function openNumbers() {
  const db = new Database(':memory:');
  db.exec('create table n (n integer primary key); create table m (n references n (n) deferrable initially deferred)');
  db.pragma('foreign_keys = ON');
  const insert = (n: number) => () => db.prepare('insert into n values (?)').run(n).changes;
  const all = (): unknown[] => db.prepare('select n from n').pluck().all();
  return { db, insert, all, writer: createWriter(db) };
}

test('work that fails is undone alone, and what shares its commit is kept', async () => {
  const { insert, all, writer } = openNumbers();
  const works = [insert(1), insert(1), insert(2)].map((work) => writer.write(work));
  const halfDone = writer.write(() => {
    insert(3)();
    throw new Error('changed its mind');
  });
  const outcomes = await Promise.allSettled([...works, halfDone]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
  expect(all()).toEqual([1, 2]);
});

test('a commit that fails is a failure of everything in it, and the next one works', async () => {
  const { db, insert, all, writer } = openNumbers();
  const works = [writer.write(insert(1)), writer.write(() => db.prepare('insert into m values (99)').run())];
  const outcomes = await Promise.allSettled(works);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(all()).toEqual([]);
  await writer.write(insert(2));
  expect(all()).toEqual([2]);
});

test('idle is when everything that was asked for has ended, also what was asked for meanwhile', async () => {
  const { insert, all, writer } = openNumbers();
  void writer.write(insert(1)).then(() => writer.write(insert(2)));
  await writer.idle();
  expect(all()).toEqual([1, 2]);
  expect(writer.waiting).toBe(0);
});

test('acknowledged pushes survive a loss of power, and a database of a newer hub is left alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-federation-version-'));
  try {
    const path = join(folder, 'hub.db');
    const db = openDatabase(path);
    expect([db.pragma('synchronous', { simple: true }), db.pragma('journal_mode', { simple: true })]).toEqual([
      2,
      'wal',
    ]);
    db.pragma('user_version = 2');
    db.close();
    expect(() => openDatabase(join(folder, 'missing', 'hub.db'))).toThrow(/missing.hub.db: .*Give HUB_DB_PATH/);
    expect(() => openDatabase(path)).toThrow(/has version 2; this hub knows 1. Start the newer hub/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { StoreUnavailable } from '../../src/core/store-trouble.ts';
import { migrate, migrations } from '../../src/store/migrate.ts';
import { openSqliteEngine, openSqliteStore } from '../../src/store/sqlite.ts';
import { delivery, head } from './support.ts';
import { tempFolder } from './temp-folder.ts';

const newest = Math.max(...migrations.map(({ number }) => number));
const second = { number: newest + 1, name: 'second', statements: () => ['create table extra (x integer)'] };
const broken = { ...second, statements: () => ['create table extra (x integer)', 'create table oops ('] };

function tablesOf(path: string): { readonly tables: unknown[]; readonly applied: unknown[] } {
  const database = new Database(path);
  const tables = database.prepare("select name from sqlite_master where type = 'table' order by name").pluck().all();
  const applied = database.prepare('select number from migrations order by number').pluck().all();
  database.close();
  return { tables, applied };
}

describe('migrations', () => {
  test('count from one without gaps', () => {
    expect(migrations.map((migration) => migration.number)).toEqual(migrations.map((_, index) => index + 1));
  });

  test('are applied once: opening again keeps what is there', async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const store = await openSqliteStore(path);
    await store.recordDelivery(delivery('d1'), head());
    await store.close();
    const before = tablesOf(path);
    const again = await openSqliteStore(path);
    expect(await again.recordDelivery(delivery('d1'), head())).toBe('duplicate');
    await again.close();
    expect(tablesOf(path)).toEqual(before);
    expect(before.applied).toEqual(migrations.map((migration) => migration.number));
  });

  test('go on from where an older version left the store', async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const engine = await openSqliteEngine(path);
    await migrate(engine);
    await migrate(engine, [...migrations, second]);
    await engine.close();
    expect(tablesOf(path).tables).toContain('extra');
    expect(tablesOf(path).applied).toEqual([...migrations, second].map((migration) => migration.number));
  });

  test('leave nothing of a step that fails', async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const engine = await openSqliteEngine(path);
    await migrate(engine);
    const before = tablesOf(path);
    await expect(migrate(engine, [...migrations, broken])).rejects.toThrow();
    expect(tablesOf(path)).toEqual(before);
    await migrate(engine, [...migrations, second]);
    expect(tablesOf(path).tables).toContain('extra');
    await engine.close();
  });

  test('applied by several at once happen once', async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const stores = await Promise.all(Array.from({ length: 4 }, () => openSqliteStore(path)));
    for (const [index, store] of stores.entries())
      expect(await store.recordDelivery(delivery(`d${index}`), head())).toBe('new');
    for (const store of stores) await store.close();
  });

  test('refuse a store of a newer version and say what to do', async () => {
    const path = join(await tempFolder(), 'hearth.db');
    const engine = await openSqliteEngine(path);
    await migrate(engine, [...migrations, second]);
    await engine.close();
    const before = tablesOf(path);
    await expect(openSqliteStore(path)).rejects.toThrow(
      new RegExp(`schema ${newest + 1}, .* up to ${newest}\\. Start the newer version .* or restore a backup`),
    );
    expect(tablesOf(path)).toEqual(before);
  });

  test('do not touch a file that is no database', async () => {
    const path = join(await tempFolder(), 'hearth.db');
    await writeFile(path, 'these are my notes, not a database\n'.repeat(100));
    const before = await readFile(path);
    await expect(openSqliteStore(path)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(await readFile(path)).toEqual(before);
  });
});

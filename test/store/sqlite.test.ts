import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { storeContract } from './contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'hearth-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;

storeContract('SQLite in a file', () => {
  files += 1;
  return openSqliteStore(join(folder, `${files}.db`));
});

storeContract('SQLite in memory', () => openSqliteStore(':memory:'));

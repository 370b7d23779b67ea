import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKeyFile, readKeyFile } from '../../src/vault/key-file.ts';
import { BrokenSeal, openVault } from '../../src/vault/vault.ts';

const vault = openVault(Buffer.alloc(32, 1));

describe('a vault', () => {
  it('opens what it sealed, and nothing in the sealed form shows the text', () => {
    const sealed = vault.seal('hunter2-é\n', 'here');
    expect(vault.open(sealed, 'here')).toBe('hunter2-é\n');
    expect(Buffer.from(sealed.split('.')[2] ?? '', 'base64url').toString('latin1')).not.toContain('hunter2');
  });

  it('seals one text differently each time', () => {
    expect(vault.seal('same', 'here')).not.toBe(vault.seal('same', 'here'));
  });

  it.each([
    ['another key', () => openVault(Buffer.alloc(32, 2)).open(vault.seal('text', 'here'), 'here'), 'another key file'],
    ['another place', () => vault.open(vault.seal('text', 'here'), 'there'), 'belongs to something else'],
    ['a changed byte', () => vault.open(changed(vault.seal('text', 'here')), 'here'), 'it was changed'],
    ['a cut text', () => vault.open(vault.seal('text', 'here').slice(0, 30), 'here'), 'not of our making'],
    ['no sealed text', () => vault.open('hunter2', 'here'), 'not of our making'],
  ])('does not open under %s', (_, open, why) => {
    expect(open).toThrow(BrokenSeal);
    expect(open).toThrow(why);
  });
});

describe('the key file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hearth-key-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is made once, for its owner alone, also by several processes at once', async () => {
    const path = join(folder, 'new', 'key');
    expect(await readKeyFile(path)).toBeUndefined();
    const keys = await Promise.all(Array.from({ length: 8 }, () => makeKeyFile(path)));
    expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readKeyFile(path)).toEqual(keys[0]);
    expect(await readdir(join(folder, 'new'))).toEqual(['key']);
    const before = await readFile(path, 'utf8');
    await makeKeyFile(path);
    expect(await readFile(path, 'utf8')).toBe(before);
  });

  it('that everybody may read is refused with what to do', async () => {
    const path = join(folder, 'open');
    await makeKeyFile(path);
    await chmod(path, 0o644);
    await expect(readKeyFile(path)).rejects.toThrow(`run: chmod 600 ${path}`);
  });

  it('that holds something else is refused', async () => {
    const path = join(folder, 'odd');
    await writeFile(path, 'hunter2\n', { mode: 0o600 });
    await expect(readKeyFile(path)).rejects.toThrow('it holds 64 hex digits');
  });
});

function changed(sealed: string): string {
  const at = sealed.length - 3;
  return `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`;
}

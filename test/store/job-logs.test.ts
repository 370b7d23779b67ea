import { createHash, randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { JobLogs } from '../../src/core/ports.ts';
import { openJobLogs } from '../../src/store/job-logs.ts';
import { tempFolder } from './temp-folder.ts';

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function readAll(logs: JobLogs, start = 0, end = Number.MAX_SAFE_INTEGER): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of logs.read(3, 14, 1, start, end)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('a job log', () => {
  test('holds what was appended, in order, at a path made of numbers', async () => {
    const folder = await tempFolder();
    const log = await openJobLogs(folder).open(3, 14, 1);
    await Promise.all(['one\n', 'two\n', 'three\n'].map((line) => log.append(text(line))));
    expect(log.bytes).toBe(14);
    expect(await log.finish()).toEqual({ sha256: digest(text('one\ntwo\nthree\n')), bytes: 14 });
    await log.close();
    expect(await readFile(join(folder, 'logs/3/14.1.log'), 'utf8')).toBe('one\ntwo\nthree\n');
  });

  test('keeps the order of the calls, also when nobody waits between them', async () => {
    const logs = openJobLogs(await tempFolder());
    const log = await logs.open(3, 14, 1);
    const lines = Array.from({ length: 300 }, (_, index) => `${index} ${'x'.repeat((index * 7919) % 40_000)}\n`);
    const written = lines.map((line) => log.append(text(line)));
    expect(await log.finish()).toEqual({ sha256: digest(text(lines.join(''))), bytes: lines.join('').length });
    await Promise.all(written);
    expect(await readAll(logs)).toBe(lines.join(''));
    await log.close();
  });

  test('goes on where it stopped after a re-attach, with the digest of the whole file', async () => {
    const logs = openJobLogs(await tempFolder());
    const before = randomBytes(200_000);
    const first = await logs.open(3, 14, 1);
    await first.append(before);
    await first.close();
    const second = await logs.open(3, 14, 1);
    expect(second.bytes).toBe(200_000);
    await second.append(text('the end'));
    expect(await second.finish()).toEqual({ sha256: digest(Buffer.concat([before, text('the end')])), bytes: 200_007 });
    await second.close();
  });

  test('has the digest of the file as it is, also when another process wrote to it', async () => {
    const folder = await tempFolder();
    const log = await openJobLogs(folder).open(3, 14, 1);
    await log.append(text('mine\n'));
    await appendFile(join(folder, 'logs/3/14.1.log'), 'not mine\n');
    await log.append(text('mine\n'));
    expect(await log.finish()).toEqual({ sha256: digest(text('mine\nnot mine\nmine\n')), bytes: 19 });
    await log.close();
  });

  test('may be finished twice and closed twice', async () => {
    const log = await openJobLogs(await tempFolder()).open(3, 14, 1);
    await log.append(text('one\n'));
    expect(await log.finish()).toEqual(await log.finish());
    await log.close();
    await log.close();
    await expect(log.append(text('late'))).rejects.toThrow();
  });

  test('of each attempt is a file of its own', async () => {
    const logs = openJobLogs(await tempFolder());
    for (const attempt of [1, 2]) {
      const log = await logs.open(3, 14, attempt);
      await log.append(text('x'.repeat(attempt)));
      await log.close();
    }
    expect([await logs.size(3, 14, 1), await logs.size(3, 14, 2), await logs.size(3, 14, 3)]).toEqual([
      1,
      2,
      undefined,
    ]);
  });

  test('is read by range, and ends where the file ends', async () => {
    const logs = openJobLogs(await tempFolder());
    const log = await logs.open(3, 14, 1);
    const content = Array.from({ length: 30_000 }, (_, index) => `line ${index}`).join('\n');
    await log.append(text(content));
    expect(await readAll(logs)).toBe(content);
    expect(await readAll(logs, 5, 12)).toBe(content.slice(5, 12));
    expect(await readAll(logs, 100_000, 250_000)).toBe(content.slice(100_000, 250_000));
    expect(await readAll(logs, content.length, content.length + 10)).toBe('');
    expect(await readAll(logs, 12, 12)).toBe('');
    await log.close();
  });

  test('that does not exist has no size and no bytes', async () => {
    const logs = openJobLogs(await tempFolder());
    expect(await logs.size(3, 14, 1)).toBeUndefined();
    expect(await readAll(logs)).toBe('');
  });

  test('can be left in the middle of reading', async () => {
    const logs = openJobLogs(await tempFolder());
    const log = await logs.open(3, 14, 1);
    await log.append(new Uint8Array(1_000_000));
    await log.close();
    let chunks = 0;
    for await (const _chunk of logs.read(3, 14, 1, 0, 1_000_000)) {
      chunks += 1;
      break;
    }
    expect(chunks).toBe(1);
  });

  test('is private to its owner, or to the group of a shared folder', async () => {
    const folder = await tempFolder();
    const modes = async (): Promise<number[]> => {
      const found = [];
      for (const path of ['logs', 'logs/3', 'logs/3/14.1.log'])
        found.push((await stat(join(folder, path))).mode & 0o7777);
      return found;
    };
    await (await openJobLogs(folder).open(3, 14, 1)).close();
    expect(await modes()).toEqual([0o700, 0o700, 0o600]);
    const shared = join(folder, 'shared');
    await mkdir(shared);
    await chmod(shared, 0o2770);
    await (await openJobLogs(shared).open(3, 14, 1)).close();
    expect((await stat(join(shared, 'logs/3'))).mode & 0o7777).toBe(0o2770);
    expect((await stat(join(shared, 'logs/3/14.1.log'))).mode & 0o7777).toBe(0o660);
  });

  test('is never written or read through a link', async () => {
    const folder = await tempFolder();
    const logs = openJobLogs(folder);
    await (await logs.open(3, 1, 1)).close();
    await writeFile(join(folder, 'secret'), 'keep out');
    await symlink(join(folder, 'secret'), join(folder, 'logs/3/14.1.log'));
    await expect(logs.open(3, 14, 1)).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(readAll(logs)).rejects.toMatchObject({ code: 'ELOOP' });
    expect(await readFile(join(folder, 'secret'), 'utf8')).toBe('keep out');
  });

  test('has no path for anything but whole numbers', async () => {
    const logs = openJobLogs(await tempFolder());
    const wrong: unknown = '../../etc';
    await expect(logs.open(wrong as number, 14, 1)).rejects.toThrow(RangeError);
    await expect(logs.size(3, -1, 1)).rejects.toThrow(RangeError);
    expect(() => logs.read(3, 14, 1.5, 0, 1)).toThrow(RangeError);
  });
});

/** Files of images that were made to keep the reader busy, or to fill its memory. */
import { expect, it } from 'vitest';
import { bytesInMemory } from '../../../src/core/verify/bytes.ts';
import type { ImageFiles } from '../../../src/core/verify/files.ts';
import { parseLoaderCache } from '../../../src/core/verify/ld-cache.ts';
import { readLoader, type Loader } from '../../../src/core/verify/loader.ts';
import { parsePlatform } from '../../../src/core/verify/platform.ts';
import { ROOT } from '../../../src/core/verify/users.ts';

async function loaderOf(bytes: Uint8Array): Promise<Loader> {
  const platform = parsePlatform('amd64');
  if (platform === undefined) throw new Error('no platform');
  const files: ImageFiles = {
    entry: async (path) =>
      path === '/ld.so' ? { kind: 'file', size: bytes.length, mode: 0o755, uid: 0, gid: 0 } : undefined,
    open: async () => ({ ...bytesInMemory(bytes), async [Symbol.asyncDispose]() {} }),
  };
  return readLoader('/ld.so', { files, user: ROOT, platform, env: {}, workingFolder: '/' });
}

it('a loader of nothing but slashes and letters is read in one pass', async () => {
  const began = performance.now();
  await loaderOf(new TextEncoder().encode('/a'.repeat(128 * 1024)));
  expect(performance.now() - began).toBeLessThan(5_000);
});

it('the folders of a loader are those that stand in it one after the other', async () => {
  const text =
    '\0/dev/full/\0x\0\u0001/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0\0/lib/no/\0';
  expect((await loaderOf(new TextEncoder().encode(text))).folders).toEqual([
    '/lib/x86_64-linux-gnu/',
    '/usr/lib/x86_64-linux-gnu/',
    '/lib/',
    '/usr/lib/',
  ]);
});

it('a cache of libraries whose entries share long texts is not used', () => {
  const [count, length] = [20_000, 4_000];
  const texts = 48 + count * 24;
  const bytes = new Uint8Array(texts + length + 1).fill(0x2f, texts, texts + length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('glibc-ld.so.cache1.1'));
  view.setUint32(20, count, true);
  for (let index = 0; index < count; index++) {
    view.setUint32(48 + index * 24 + 4, texts, true);
    view.setUint32(48 + index * 24 + 8, texts, true);
  }
  expect(parseLoaderCache(bytes, 'little')).toBeUndefined();
});

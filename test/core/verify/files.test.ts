import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookUp } from '../../../src/core/verify/files.ts';
import { parseLoaderCache } from '../../../src/core/verify/ld-cache.ts';
import { imageFits, parsePlatform } from '../../../src/core/verify/platform.ts';
import { ROOT, userOf } from '../../../src/core/verify/users.ts';
import { filesInMemory } from '../../support/elf.ts';

const seek = (tree: Readonly<Record<string, string>>, path: string) =>
  lookUp({ files: filesInMemory(tree), user: ROOT }, path);

describe('a path in an image', () => {
  const tree = {
    '/a/b/file': 'x',
    '/a/up': '→ ../a/b',
    '/lib': '→ /a',
    '/out': '→ ../../../a/b/file',
    '/deep/er/link': '→ /lib/up/../b/./file',
    '/via': '→ /lib/b/file/more',
  };
  it.each([
    ['/a/b/file', '/a/b/file'],
    ['/lib/b/file', '/a/b/file'],
    ['/lib/up/file', '/a/b/file'],
    ['/lib/up/../b/file', '/a/b/file'],
    ['/../..//a/./b//file', '/a/b/file'],
    ['/out', '/a/b/file'],
    ['/deep/er/link', '/a/b/file'],
    ['/lib/up', '/a/b'],
    ['/', '/'],
    ['/lib/..', '/'],
  ])('leads through links from the root of the image: %s', async (path, real) => {
    expect(await seek(tree, path)).toMatchObject({ kind: 'there', path: real });
  });

  it('leads nowhere where a file stands in the place of a folder', async () => {
    expect(await seek(tree, '/via')).toEqual({ kind: 'missing', at: '/a/b/file/more', link: '/lib' });
  });

  it('ends, whatever its links say', async () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const target = fc
      .array(fc.constantFrom('a', 'b', 'c', '..', '.', ''), { maxLength: 5 })
      .map((parts) => `→ ${parts.join('/')}`);
    const trees = fc.dictionary(
      fc.array(name, { minLength: 1, maxLength: 2 }).map((parts) => `/${parts.join('/')}`),
      fc.oneof(target, fc.constant('x')),
    );
    await fc.assert(
      fc.asyncProperty(trees, fc.array(name, { maxLength: 6 }), async (links, parts) => {
        const files = filesInMemory(links);
        let looks = 0;
        const counting = { ...files, entry: (path: string) => (looks++, files.entry(path)) };
        await lookUp({ files: counting, user: ROOT }, `/${parts.join('/')}`);
        expect(looks).toBeLessThan(500);
      }),
    );
  });
});

describe('the user of an image', () => {
  const accounts = {
    passwd: 'root:x:0:0::/:\nmona:x:1000:100::/:\n',
    group: 'root:x:0:\nusers:x:100:\ndocker:x:999:lisa,mona\n',
  };
  it.each([
    ['', 0, [0]],
    ['root', 0, [0]],
    ['mona', 1000, [100, 999]],
    ['1000', 1000, [100, 999]],
    ['4711', 4711, [0]],
    ['mona:docker', 1000, [999]],
    ['4711:4712', 4711, [4712]],
  ])('is %j', (text, uid, gids) => {
    expect(userOf(text, accounts)).toEqual({ ok: true, value: { uid, gids: new Set(gids) } });
  });

  it.each([
    ['nobody', /no such user/],
    ['mona:wheel', /no such group/],
  ])('has to be in its files: %s', (text, says) => {
    const user = userOf(text, accounts);
    expect(user.ok ? '' : user.problem).toMatch(says);
  });
});

describe('platforms', () => {
  it.each([
    ['linux/amd64', 'linux/amd64'],
    ['x86_64', 'linux/amd64'],
    ['aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['arm', 'linux/arm/v7'],
    ['s390x', 'linux/s390x'],
    ['windows/amd64', undefined],
    ['constructor', undefined],
  ])('%s is %s', (text, name) => {
    expect(parsePlatform(text)?.name).toBe(name);
  });

  it.each([
    ['arm', 'v6', 'linux/arm/v7', true],
    ['arm', 'v7', 'linux/arm/v6', false],
    ['arm', '', 'linux/arm/v7', true],
    ['arm64', 'v8', 'linux/arm64', true],
    ['amd64', '', 'linux/386', false],
  ])('an image for %s %s fits %s: %s', (architecture, variant, name, fits) => {
    const platform = parsePlatform(name);
    expect(platform && imageFits({ os: 'linux', architecture, variant }, platform)).toBe(fits);
  });
});

describe('the cache of the loader', () => {
  /** In the newer form, perhaps behind entries of the older one. */
  function makeCache(
    entries: readonly (readonly [name: string, path: string, special?: bigint])[],
    old = 0,
  ): Uint8Array {
    const start = old === 0 ? 0 : Math.ceil((16 + old * 12) / 8) * 8;
    const bytes = new Uint8Array(8192);
    const view = new DataView(bytes.buffer);
    const put = (at: number, text: string): number => {
      bytes.set(new TextEncoder().encode(text), at);
      return at + text.length;
    };
    if (old > 0) put(0, 'ld.so-1.7.0');
    view.setUint32(12, old, true);
    put(start, 'glibc-ld.so.cache1.1');
    view.setUint32(start + 20, entries.length, true);
    let end = start + 48 + entries.length * 24;
    for (const [index, [name, path, special = 0n]] of entries.entries()) {
      const at = start + 48 + index * 24;
      view.setUint32(at + 4, end - start, true);
      end = put(end, `${name}\0`);
      view.setUint32(at + 8, end - start, true);
      end = put(end, `${path}\0`);
      view.setBigUint64(at + 16, special, true);
    }
    return bytes.slice(0, end);
  }

  it.each([0, 3])('is read, also behind %i entries of the old form', (old) => {
    const bytes = makeCache(
      [
        ['liba.so', '/fast/liba.so', 1n],
        ['liba.so', '/lib/liba.so'],
        ['libb.so', '/lib/libb.so'],
      ],
      old,
    );
    expect([...(parseLoaderCache(bytes, 'little') ?? [])]).toEqual([
      ['liba.so', ['/lib/liba.so', '/fast/liba.so']],
      ['libb.so', ['/lib/libb.so']],
    ]);
  });

  it('is read without a throw whatever it holds', () => {
    const sound = makeCache([['liba.so', '/lib/liba.so']], 1);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 8 }), fc.nat(200), (changes, cut) => {
        const bytes = sound.slice(0, sound.length - (cut % sound.length));
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        parseLoaderCache(bytes, 'little');
      }),
    );
    expect(parseLoaderCache(new Uint8Array(), 'little')).toBeUndefined();
  });
});

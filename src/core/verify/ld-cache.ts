/** /etc/ld.so.cache: names of libraries → where ldconfig found them. Pure. */
import { latin1, utf8 } from './bytes.ts';
import type { ByteOrder } from './platform.ts';

/** In the order of the file. One name may be there for several kinds of processor. */
export type LoaderCache = ReadonlyMap<string, readonly string[]>;

const OLD_MAGIC = 'ld.so-1.7.0';
const OLD_HEADER = 16;
const OLD_ENTRY = 12;
const NEW_MAGIC = 'glibc-ld.so.cache1.1';
const NEW_HEADER = 48;
const NEW_ENTRY = 24;
const LONGEST_TEXT = 4096;

/** Undefined for what glibc would not use either; entries that lead out of the file are left out. */
export function parseLoaderCache(bytes: Uint8Array, order: ByteOrder): LoaderCache | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = order === 'little';
  let start = 0;
  if (startsWith(bytes, 0, OLD_MAGIC)) {
    if (bytes.length < OLD_HEADER) return undefined;
    // The newer form lies behind the entries of the older one.
    start = Math.ceil((OLD_HEADER + view.getUint32(12, isLittle) * OLD_ENTRY) / 8) * 8;
  }
  if (!startsWith(bytes, start, NEW_MAGIC) || start + NEW_HEADER > bytes.length) return undefined;
  const count = view.getUint32(start + NEW_MAGIC.length, isLittle);
  const plain = new Map<string, string[]>();
  const special: (readonly [name: string, path: string])[] = [];
  // Entries may share their texts, and a hostile file has all of them share long ones.
  let left = 2 * bytes.length;
  for (let index = 0; index < count; index++) {
    const at = start + NEW_HEADER + index * NEW_ENTRY;
    if (at + NEW_ENTRY > bytes.length) break;
    const name = textAt(bytes, start + view.getUint32(at + 4, isLittle));
    const path = textAt(bytes, start + view.getUint32(at + 8, isLittle));
    left -= (name?.length ?? 0) + (path?.length ?? 0);
    if (left < 0) return undefined;
    if (name === undefined || path === undefined || !path.startsWith('/')) continue;
    // Only for some models of the processor.
    if (view.getBigUint64(at + 16, isLittle) !== 0n) special.push([name, path]);
    else add(plain, name, path);
  }
  for (const [name, path] of special) add(plain, name, path);
  return plain;
}

function add(map: Map<string, string[]>, name: string, path: string): void {
  const there = map.get(name);
  if (there === undefined) map.set(name, [path]);
  else there.push(path);
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  return latin1(bytes.subarray(at, at + text.length)) === text;
}

function textAt(bytes: Uint8Array, at: number): string | undefined {
  if (at >= bytes.length) return undefined;
  const there = bytes.subarray(at, at + LONGEST_TEXT);
  const end = there.indexOf(0);
  return end === -1 ? undefined : utf8(there.subarray(0, end));
}

/** ELF files written by hand, field by field, and files that lie nowhere but in memory. */
import { bytesInMemory } from '../../src/core/verify/bytes.ts';
import type { FileEntry, ImageFiles } from '../../src/core/verify/files.ts';

export interface ElfPlan {
  readonly bits?: 32 | 64;
  readonly order?: 'little' | 'big';
  readonly machine?: number;
  /** 1 relocatable, 2 program, 3 shared, 4 core */
  readonly type?: number;
  readonly interpreter?: string;
  readonly needed?: readonly string[];
  readonly soname?: string;
  readonly rpath?: string;
  readonly runpath?: string;
  readonly flags?: number;
  /** Library → versions that are wanted of it. */
  readonly requires?: Readonly<Record<string, readonly string[]>>;
  readonly provides?: readonly string[];
  /** Bytes after everything that is loaded, with section headers behind them. */
  readonly sections?: number;
  /** Content of the loaded part, for loaders. */
  readonly text?: string;
}

const BASE = 0x40_0000;
const tags = { needed: 1, strings: 5, size: 10, soname: 14, rpath: 15, runpath: 29, flags: 0x6ffffffb };

/** One part to load, at the address of its place plus 0x400000. */
export function makeElf(plan: ElfPlan = {}): Uint8Array {
  const { bits = 64, order = 'little', machine = 62, type = 3, interpreter, needed = [], sections = 0 } = plan;
  const isWide = bits === 64;
  const [headSize, segmentSize, word] = isWide ? [64, 56, 8] : [52, 32, 4];
  const view = new DataView(new ArrayBuffer(65_536));
  const bytes = new Uint8Array(view.buffer);
  const little = order === 'little';
  const half = (at: number, value: number): void => {
    view.setUint16(at, value, little);
  };
  const int = (at: number, value: number): void => {
    view.setUint32(at, value, little);
  };
  const long = (at: number, value: number): void => {
    if (isWide) view.setBigUint64(at, BigInt(value), little);
    else int(at, value);
  };
  let end = headSize + 3 * segmentSize;
  const put = (text: string): number => {
    const at = end;
    bytes.set(new TextEncoder().encode(`${text}\0`), at);
    end = bytes.indexOf(0, at) + 1;
    return at;
  };

  const interpreterAt = interpreter === undefined ? 0 : put(interpreter);
  const interpreterEnd = end;
  if (plan.text !== undefined) {
    bytes.set(new TextEncoder().encode(plan.text), end);
    end += plan.text.length;
  }
  const stringsAt = end++;
  const name = (text: string): number => put(text) - stringsAt;
  const entries: (readonly [number, number])[] = needed.map((one) => [tags.needed, name(one)]);
  if (plan.soname !== undefined) entries.push([tags.soname, name(plan.soname)]);
  if (plan.rpath !== undefined) entries.push([tags.rpath, name(plan.rpath)]);
  if (plan.runpath !== undefined) entries.push([tags.runpath, name(plan.runpath)]);
  if (plan.flags !== undefined) entries.push([tags.flags, plan.flags]);
  const wanted = Object.entries(plan.requires ?? {}).map(([library, all]) => ({
    library: name(library),
    all: all.map(name),
  }));
  const provided = plan.provides?.map(name);
  const stringsEnd = end;
  end = Math.ceil(end / 8) * 8;
  if (wanted.length > 0) {
    entries.push([0x6ffffffe, end + BASE], [0x6fffffff, wanted.length]);
    for (const [index, { library, all }] of wanted.entries()) {
      half(end + 2, all.length);
      int(end + 4, library);
      int(end + 8, 16);
      int(end + 12, index === wanted.length - 1 ? 0 : 16 + 16 * all.length);
      end += 16;
      for (const [position, version] of all.entries()) {
        int(end + 8, version);
        int(end + 12, position === all.length - 1 ? 0 : 16);
        end += 16;
      }
    }
  }
  if (provided !== undefined) {
    entries.push([0x6ffffffc, end + BASE], [0x6ffffffd, provided.length]);
    for (const [index, version] of provided.entries()) {
      int(end + 12, 20);
      int(end + 16, index === provided.length - 1 ? 0 : 28);
      int(end + 20, version);
      end += 28;
    }
  }
  const dynamicAt = end;
  if (entries.length > 0) {
    entries.push([tags.strings, stringsAt + BASE], [tags.size, stringsEnd - stringsAt], [0, 0]);
    for (const [tag, value] of entries) {
      long(end, tag);
      long(end + word, value);
      end += 2 * word;
    }
  }

  bytes.set([0x7f, 0x45, 0x4c, 0x46, isWide ? 2 : 1, little ? 1 : 2, 1]);
  half(16, type);
  half(18, machine);
  const loaded = end;
  end += sections;
  const segments = [
    [1, 0, BASE, loaded],
    ...(interpreter === undefined ? [] : [[3, interpreterAt, interpreterAt + BASE, interpreterEnd - interpreterAt]]),
    ...(entries.length === 0 ? [] : [[2, dynamicAt, dynamicAt + BASE, loaded - dynamicAt]]),
  ];
  long(isWide ? 32 : 28, headSize);
  const counts = isWide ? 54 : 42;
  half(counts, segmentSize);
  half(counts + 2, segments.length);
  if (sections > 0) {
    long(isWide ? 40 : 32, loaded);
    half(counts + 4, sections);
    half(counts + 6, 1);
  }
  for (const [index, [kind = 0, offset = 0, address = 0, size = 0]] of segments.entries()) {
    const at = headSize + index * segmentSize;
    int(at, kind);
    for (const [field, value] of (isWide
      ? [
          [8, offset],
          [16, address],
          [32, size],
        ]
      : [
          [4, offset],
          [8, address],
          [16, size],
        ]) as [number, number][])
      long(at + field, value);
  }
  return bytes.slice(0, end);
}

export interface FileInMemory {
  readonly content?: Uint8Array | string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly kind?: 'folder' | 'other';
}

/** A path → its content, or `→ target` for a link. Folders come by themselves. */
export function filesInMemory(tree: Readonly<Record<string, Uint8Array | string | FileInMemory>>): ImageFiles {
  const entries = new Map<string, FileEntry>();
  const contents = new Map<string, Uint8Array>();
  for (const [path, given] of Object.entries(tree)) {
    const parts = path.split('/').slice(1, -1);
    for (const [index] of parts.entries()) {
      const folder = `/${parts.slice(0, index + 1).join('/')}`;
      if (!entries.has(folder)) entries.set(folder, { kind: 'folder', mode: 0o755, uid: 0, gid: 0 });
    }
    const file: FileInMemory = typeof given === 'string' || given instanceof Uint8Array ? { content: given } : given;
    const { content = '', mode = 0o755, uid = 0, gid = 0, kind } = file;
    if (typeof content === 'string' && content.startsWith('→ ')) {
      entries.set(path, { kind: 'link', target: content.slice(2) });
      continue;
    }
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    contents.set(path, bytes);
    entries.set(
      path,
      kind === 'folder'
        ? { kind, mode, uid, gid }
        : kind === 'other'
          ? { kind }
          : { kind: 'file', size: bytes.length, mode, uid, gid },
    );
  }
  return {
    entry: async (path) => entries.get(path),
    async open(path) {
      const bytes = contents.get(path);
      if (bytes === undefined) throw new Error(`${path} was opened and is no file`);
      return { ...bytesInMemory(bytes), async [Symbol.asyncDispose]() {} };
    },
  };
}

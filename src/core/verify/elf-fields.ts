/** What the readers of an ELF file's parts share: fields in its own layout, and what can be wrong with it. Pure. */
import { readString, type ByteSource } from './bytes.ts';
import type { ByteOrder } from './platform.ts';

/** What is wrong with a file that begins as an ELF file does; `what` ends a sentence. */
export interface Flaw {
  readonly kind: 'truncated' | 'malformed';
  readonly what: string;
}

/** How the fields of a file are laid out. */
export interface Layout {
  readonly bits: 32 | 64;
  readonly order: ByteOrder;
}

export interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
}

/** `end` is where it would have to reach. */
export function cut({ size }: ByteSource, what: string, end: number): Flaw {
  const reach = Number.isSafeInteger(end) ? `byte ${end}` : 'far beyond any file';
  return { kind: 'truncated', what: `${what} would reach to ${reach} and the file ends at byte ${size}` };
}

export function malformed(what: string): Flaw {
  return { kind: 'malformed', what };
}

/** Numbers of a piece in the file's own byte order; the piece must be long enough. */
export interface Fields {
  half(at: number): number;
  int(at: number): number;
  /** As long as an address: 4 or 8 bytes. */
  word(at: number): number;
}

export function fieldsOf(bytes: Uint8Array, { bits, order }: Layout): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = order === 'little';
  return {
    half: (at) => view.getUint16(at, isLittle),
    int: (at) => view.getUint32(at, isLittle),
    word: (at) => (bits === 64 ? Number(view.getBigUint64(at, isLittle)) : view.getUint32(at, isLittle)),
  };
}

/** Where strings of a file lie in it. */
export interface StringTable {
  readonly start: number;
  readonly end: number;
}

/** Undefined where there is no such string. */
export async function stringAt(
  source: ByteSource,
  strings: StringTable | undefined,
  offset: number,
): Promise<string | undefined> {
  if (strings === undefined || strings.start + offset >= strings.end) return undefined;
  return readString(source, strings.start + offset, strings.end);
}

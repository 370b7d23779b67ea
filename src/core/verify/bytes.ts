/** Reading pieces of a file that may be hostile: nothing is ever asked for that lies outside of it. */

/** A file's bytes at any place. The whole need never be in memory. */
export interface ByteSource {
  /** In bytes. */
  readonly size: number;
  /** Called with pieces that lie within `size` only; may be repeated. Rejects when the outside system fails. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Where a file of whatever kind lies in memory already. */
export function bytesInMemory(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) };
}

/** The piece, or undefined where the file ends before it does. */
export async function readWhole(source: ByteSource, offset: number, length: number): Promise<Uint8Array | undefined> {
  if (!isWithin(source, offset, length)) return undefined;
  if (length === 0) return new Uint8Array();
  const bytes = await source.read(offset, length);
  return bytes.length === length ? bytes : undefined;
}

/** As much of the piece as there is. */
export async function readUpTo(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  const there = Math.min(length, source.size - offset);
  return (offset >= 0 && there > 0 ? await readWhole(source, offset, there) : undefined) ?? new Uint8Array();
}

/** Offsets of 64 bits are rounded when they become numbers; then they are far outside of any file, and stay so. */
export function isWithin({ size }: ByteSource, offset: number, length: number): boolean {
  return offset >= 0 && length >= 0 && offset + length <= size;
}

const LIKELY_STRING = 256;
const LONGEST_STRING = 4096;

/** The text up to the next zero byte; undefined where none comes before `end` or within 4096 bytes. */
export async function readString(source: ByteSource, start: number, end: number): Promise<string | undefined> {
  for (const length of [LIKELY_STRING, LONGEST_STRING]) {
    const piece = await readUpTo(source, start, Math.min(length, end - start));
    const zero = piece.indexOf(0);
    if (zero !== -1) return utf8(piece.subarray(0, zero));
  }
  return undefined;
}

/** One character per byte, so that nothing is lost or put in. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Names are bytes to the kernel and nearly always UTF-8. */
export function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

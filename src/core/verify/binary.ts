/** What a file is, told from its bytes alone. Never throws on what stands in them, and reads only what it needs. Pure. */
import { readUpTo, utf8, type ByteSource } from './bytes.ts';
import { isElf, readElf, type Elf } from './elf.ts';
import type { Flaw } from './elf-fields.ts';
import { readForeign, type Foreign } from './foreign.ts';
import { readScript, type Script } from './script.ts';

export type Binary =
  | Elf
  | Script
  | Foreign
  /** It begins as an ELF file and is not a whole one. */
  | { readonly kind: 'flawed'; readonly flaw: Flaw }
  | { readonly kind: 'empty' }
  /** Printable, and without `#!` at its very beginning. */
  | { readonly kind: 'text'; readonly hasMark: boolean }
  /** `format` is its name where it is a known one. */
  | { readonly kind: 'unknown'; readonly format: string | null; readonly start: string };

const START_BYTES = 512;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** Files that people take for programs, by their first bytes in hexadecimal. */
const formats: Readonly<Record<string, string>> = {
  ...{
    '0061736d': 'WebAssembly',
    cafebabe: 'a Java class',
    '1f8b': 'gzip',
    '504b0304': 'a zip archive',
    '28b52ffd': 'zstd',
  },
  ...{ '213c617263683e': 'an archive of object files (.a)', '4243c0de': 'LLVM bitcode', '47475546': 'a GGUF model' },
};

export async function readBinary(source: ByteSource): Promise<Binary> {
  const head = await readUpTo(source, 0, START_BYTES);
  if (head.length === 0) return { kind: 'empty' };
  if (isElf(head)) {
    const elf = await readElf(source);
    return elf.ok ? elf.value : { kind: 'flawed', flaw: elf.problem };
  }
  const foreign = await readForeign(source, head);
  if (foreign !== undefined) return foreign;
  const text = utf8(head);
  const script = readScript(text);
  if (script !== undefined) return script;
  // A first piece of an ELF file can be shorter than what tells it.
  const start = [...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (head[0] === 0x7f && head.length < 4)
    return { kind: 'flawed', flaw: { kind: 'truncated', what: `the file ends at byte ${source.size}` } };
  const format = Object.keys(formats).find((magic) => start.startsWith(magic));
  if (format === undefined && isText(head, text))
    return { kind: 'text', hasMark: BYTE_ORDER_MARK.every((byte, index) => head[index] === byte) };
  return { kind: 'unknown', format: format === undefined ? null : (formats[format] ?? null), start };
}

/** No control characters but those of text; the last character may be cut in the middle. */
function isText(head: Uint8Array, text: string): boolean {
  const isPlain = head.every((byte) => byte >= 0x20 || (byte >= 0x07 && byte <= 0x0d) || byte === 0x1b);
  return isPlain && !text.slice(0, -2).includes('\uFFFD');
}

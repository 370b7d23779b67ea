/** An ELF file: whom it is for, what loads it and what it needs. Reads what the kernel and the loader read. Pure. */
import { failed, success, type Result } from '../result.ts';
import { isWithin, readString, readWhole, type ByteSource } from './bytes.ts';
import { readDynamic, type Dynamic } from './elf-dynamic.ts';
import { cut, fieldsOf, malformed, type Flaw, type Layout, type Segment } from './elf-fields.ts';
import type { ElfTarget } from './platform.ts';

/** What it is made for: `relocatable` is a .o, `shared` a library or a program that can lie anywhere. */
export type ElfType = 'relocatable' | 'program' | 'shared' | 'core' | 'other';

export interface Elf extends ElfTarget {
  readonly kind: 'elf';
  readonly type: ElfType;
  /** PT_INTERP: the program that loads this one; null = none. */
  readonly interpreter: string | null;
  /** null = nothing is left to the loader. */
  readonly dynamic: Dynamic | null;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
/** The kernel takes no more bytes of program headers. */
const MOST_HEADER_BYTES = 65_536;
const MAGIC = [0x7f, 0x45, 0x4c, 0x46];
const IDENT_BYTES = 16;

const types: Readonly<Record<number, ElfType>> = { 1: 'relocatable', 2: 'program', 3: 'shared', 4: 'core' };

export function isElf(head: Uint8Array): boolean {
  return MAGIC.every((byte, index) => head[index] === byte);
}

export async function readElf(source: ByteSource): Promise<Result<Elf, Flaw>> {
  const head = await readHead(source);
  if (!head.ok) return head;
  const { target, type } = head.value;
  // An object file or a core dump is no program, whole or not.
  if (type === 'relocatable' || type === 'core' || type === 'other')
    return success({ kind: 'elf', ...target, type, interpreter: null, dynamic: null });
  const segments = await readSegments(source, head.value);
  if (!segments.ok) return segments;
  const interpreter = await readInterpreter(source, segments.value);
  if (!interpreter.ok) return interpreter;
  const place = segments.value.find((segment) => segment.type === PT_DYNAMIC);
  const loads = segments.value.filter((segment) => segment.type === PT_LOAD);
  const dynamic = place === undefined ? success(null) : await readDynamic(source, { layout: target, loads, place });
  if (!dynamic.ok) return dynamic;
  return success({ kind: 'elf', ...target, type, interpreter: interpreter.value, dynamic: dynamic.value });
}

interface Head {
  readonly target: ElfTarget;
  readonly type: ElfType;
  readonly headers: { readonly offset: number; readonly entry: number; readonly count: number };
}

async function readHead(source: ByteSource): Promise<Result<Head, Flaw>> {
  const ident = await readWhole(source, 0, IDENT_BYTES);
  if (ident === undefined) return failed(cut(source, 'its first header', IDENT_BYTES));
  const bits = ident[4] === 1 ? 32 : ident[4] === 2 ? 64 : undefined;
  const order = ident[5] === 1 ? 'little' : ident[5] === 2 ? 'big' : undefined;
  if (bits === undefined || order === undefined)
    return failed(malformed('its first bytes name no word size or byte order'));
  const layout: Layout = { bits, order };
  const length = bits === 64 ? 64 : 52;
  const bytes = await readWhole(source, 0, length);
  if (bytes === undefined) return failed(cut(source, 'its first header', length));
  const field = fieldsOf(bytes, layout);
  const target: ElfTarget = { ...layout, machine: field.half(18) };
  const type = types[field.half(16)] ?? 'other';
  const [offset, sections] = bits === 64 ? [field.word(32), field.word(40)] : [field.word(28), field.word(32)];
  const at = bits === 64 ? 54 : 42;
  const [entry, count] = [field.half(at), field.half(at + 2)];
  const sectionsEnd = sections + field.half(at + 4) * field.half(at + 6);
  // The loader never looks at this table. It comes last, so a copy that was broken off lacks it.
  if (sections > 0 && field.half(at + 6) > 0 && sectionsEnd > source.size)
    return failed(cut(source, 'its section headers', sectionsEnd));
  return success({ target, type, headers: { offset, entry, count } });
}

async function readSegments(source: ByteSource, head: Head): Promise<Result<readonly Segment[], Flaw>> {
  const { offset, entry, count } = head.headers;
  const { bits } = head.target;
  const wanted = bits === 64 ? 56 : 32;
  if (count === 0) return failed(malformed('it has no program headers, so there is nothing to load'));
  if (entry !== wanted || count * wanted > MOST_HEADER_BYTES)
    return failed(malformed(`its ${count} program headers of ${entry} bytes are none that Linux takes`));
  const bytes = await readWhole(source, offset, count * wanted);
  if (bytes === undefined) return failed(cut(source, 'its program headers', offset + count * wanted));
  const segments = Array.from({ length: count }, (_, index): Segment => {
    const field = fieldsOf(bytes.subarray(index * wanted, (index + 1) * wanted), head.target);
    const type = field.int(0);
    return bits === 64
      ? { type, offset: field.word(8), address: field.word(16), fileSize: field.word(32) }
      : { type, offset: field.word(4), address: field.word(8), fileSize: field.word(16) };
  });
  for (const segment of segments)
    if ([PT_LOAD, PT_DYNAMIC, PT_INTERP].includes(segment.type) && !isInFile(source, segment))
      return failed(cut(source, 'a part that is loaded', segment.offset + segment.fileSize));
  if (!segments.some(({ type }) => type === PT_LOAD)) return failed(malformed('no part of it is to be loaded'));
  return success(segments);
}

async function readInterpreter(source: ByteSource, segments: readonly Segment[]): Promise<Result<string | null, Flaw>> {
  const place = segments.find(({ type }) => type === PT_INTERP);
  if (place === undefined) return success(null);
  const name = await readString(source, place.offset, place.offset + place.fileSize);
  if (name === undefined || name === '') return failed(malformed('the name of its interpreter has no end'));
  return success(name);
}

function isInFile(source: ByteSource, { offset, fileSize }: Segment): boolean {
  return fileSize === 0 || isWithin(source, offset, fileSize);
}

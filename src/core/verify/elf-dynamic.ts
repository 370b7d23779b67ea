/** The dynamic section of an ELF file: what it leaves to the loader. Pure. */
import { failed, success, type Result } from '../result.ts';
import { readWhole, type ByteSource } from './bytes.ts';
import { cut, fieldsOf, malformed, stringAt, type Flaw, type Layout, type Segment } from './elf-fields.ts';
import { readProvided, readRequired, type RequiredVersions } from './elf-versions.ts';

export interface Dynamic {
  /** DT_NEEDED, in order: names of libraries, or paths. */
  readonly needed: readonly string[];
  readonly soname: string | null;
  /** Folders to look in, separated by colons; null = none are named. */
  readonly rpath: string | null;
  readonly runpath: string | null;
  /** The loader is not to look in its own folders. */
  readonly skipsDefaults: boolean;
  /** It says that it is a program although it can lie anywhere. */
  readonly isProgram: boolean;
  readonly requires: readonly RequiredVersions[];
  /** Names of its versions; null = it has none, so any is taken for good. */
  readonly provides: readonly string[] | null;
}

export interface DynamicPlace {
  readonly layout: Layout;
  /** What is loaded: turns addresses into places in the file. */
  readonly loads: readonly Segment[];
  readonly place: Segment;
}

const MOST_BYTES = 1024 * 1024;
const tag = {
  ...{ end: 0, needed: 1, strings: 5, stringsSize: 10, soname: 14, rpath: 15, runpath: 29, flags: 0x6ffffffb },
  ...{ provided: 0x6ffffffc, providedCount: 0x6ffffffd, required: 0x6ffffffe, requiredCount: 0x6fffffff },
} as const;
const NO_DEFAULT_LIBRARIES = 0x800;
const IS_PROGRAM = 0x08000000;

export async function readDynamic(source: ByteSource, at: DynamicPlace): Promise<Result<Dynamic, Flaw>> {
  const entries = await readEntries(source, at);
  if (!entries.ok) return entries;
  const valuesOf = (wanted: number): readonly number[] =>
    entries.value.filter(([kind]) => kind === wanted).map(([, value]) => value);
  const valueOf = (wanted: number): number | undefined => valuesOf(wanted)[0];
  const start = placeOf(at.loads, valueOf(tag.strings));
  const strings = start === undefined ? undefined : { start, end: start + (valueOf(tag.stringsSize) ?? 0) };

  const texts = async (wanted: number): Promise<readonly (string | undefined)[]> => {
    const found: (string | undefined)[] = [];
    for (const value of valuesOf(wanted)) found.push(await stringAt(source, strings, value));
    return found;
  };
  const needed = await texts(tag.needed);
  const [soname] = await texts(tag.soname);
  const [rpath] = await texts(tag.rpath);
  const [runpath] = await texts(tag.runpath);
  if (!needed.every((name) => name !== undefined))
    return failed(malformed('the names of its libraries lie outside of it'));
  if (needed.includes('')) return failed(malformed('a library that it needs has no name'));

  const versions = { source, layout: at.layout, strings };
  const required = placeOf(at.loads, valueOf(tag.required));
  const provided = placeOf(at.loads, valueOf(tag.provided));
  const requires =
    required === undefined ? [] : await readRequired(versions, required, valueOf(tag.requiredCount) ?? 0);
  const provides =
    provided === undefined ? null : await readProvided(versions, provided, valueOf(tag.providedCount) ?? 0);
  if (requires === undefined || provides === undefined)
    return failed(malformed('the versions of its libraries lie outside of it'));
  const flags = valueOf(tag.flags) ?? 0;
  return success({
    ...{ needed, soname: soname ?? null, rpath: rpath ?? null, runpath: runpath ?? null },
    skipsDefaults: (flags & NO_DEFAULT_LIBRARIES) !== 0,
    isProgram: (flags & IS_PROGRAM) !== 0,
    ...{ requires, provides },
  });
}

type Entry = readonly [tag: number, value: number];

async function readEntries(source: ByteSource, { layout, place }: DynamicPlace): Promise<Result<Entry[], Flaw>> {
  const word = layout.bits / 8;
  if (place.fileSize > MOST_BYTES) return failed(malformed('its dynamic section is larger than any'));
  const bytes = await readWhole(source, place.offset, place.fileSize);
  if (bytes === undefined) return failed(cut(source, 'its dynamic section', place.offset + place.fileSize));
  const field = fieldsOf(bytes, layout);
  const entries: Entry[] = [];
  for (let at = 0; at + 2 * word <= bytes.length; at += 2 * word) {
    const kind = field.word(at);
    if (kind === tag.end) break;
    entries.push([kind, field.word(at + word)]);
  }
  return success(entries);
}

/** Where in the file an address of the loaded program comes from. */
function placeOf(loads: readonly Segment[], address: number | undefined): number | undefined {
  if (address === undefined) return undefined;
  const load = loads.find((one) => address >= one.address && address < one.address + one.fileSize);
  return load === undefined ? undefined : load.offset + (address - load.address);
}

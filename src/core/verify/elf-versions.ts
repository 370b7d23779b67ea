/** Versions that an ELF file wants of its libraries (`GLIBC_2.38`), and those that it has itself. Pure. */
import { readWhole, type ByteSource } from './bytes.ts';
import { fieldsOf, stringAt, type Layout, type StringTable } from './elf-fields.ts';

export interface RequiredVersions {
  /** As in `needed`. */
  readonly library: string;
  readonly versions: readonly string[];
}

interface Place {
  readonly source: ByteSource;
  readonly layout: Layout;
  readonly strings: StringTable | undefined;
}

/** More than any library has; a file whose lists go on for longer is not to keep anybody busy. */
const MOST_ENTRIES = 20_000;
/** Without it the program is loaded as well. */
const IS_WEAK = 2;

/** Undefined where the lists leave the file. */
export async function readRequired(
  place: Place,
  start: number,
  count: number,
): Promise<readonly RequiredVersions[] | undefined> {
  const found: RequiredVersions[] = [];
  let left = MOST_ENTRIES;
  let at = start;
  for (let index = 0; index < count; index++) {
    const need = await piece(place, at, 16);
    if (need === undefined || left <= 0) return undefined;
    const library = await stringAt(place.source, place.strings, need.int(4));
    const versions: string[] = [];
    let aux = at + need.int(8);
    for (let number = 0; number < need.half(2); number++) {
      const one = await piece(place, aux, 16);
      const name = one === undefined ? undefined : await stringAt(place.source, place.strings, one.int(8));
      if (one === undefined || name === undefined || --left <= 0) return undefined;
      if ((one.half(4) & IS_WEAK) === 0) versions.push(name);
      aux += one.int(12);
      if (one.int(12) === 0) break;
    }
    if (library === undefined) return undefined;
    found.push({ library, versions });
    left--;
    at += need.int(12);
    if (need.int(12) === 0) break;
  }
  return found;
}

/** Undefined where the list leaves the file. */
export async function readProvided(place: Place, start: number, count: number): Promise<readonly string[] | undefined> {
  const found: string[] = [];
  let at = start;
  for (let index = 0; index < count; index++) {
    const definition = await piece(place, at, 20);
    const first = definition === undefined ? undefined : await piece(place, at + definition.int(12), 8);
    const name = first === undefined ? undefined : await stringAt(place.source, place.strings, first.int(0));
    if (definition === undefined || name === undefined || index > MOST_ENTRIES) return undefined;
    found.push(name);
    at += definition.int(16);
    if (definition.int(16) === 0) break;
  }
  return found;
}

async function piece(
  { source, layout }: Place,
  at: number,
  length: number,
): Promise<ReturnType<typeof fieldsOf> | undefined> {
  const bytes = await readWhole(source, at, length);
  return bytes === undefined ? undefined : fieldsOf(bytes, layout);
}

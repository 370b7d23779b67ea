/** The values of a .gitlab-ci.yml with everything resolved that GitLab resolves: extends, default, !reference. */
import { Document, isMap, isScalar, isSeq, type Pair, type YAMLMap } from 'yaml';
import { keyOf, textOf } from './draft.ts';
import type { Note } from './note.ts';
import { REFERENCE, type Original } from './original.ts';

export type Data = null | boolean | number | string | readonly Data[] | Table | Reference;
export type Table = ReadonlyMap<string, Data>;

/** `!reference [job, key, …]`, not resolved yet. */
export class Reference {
  readonly path: readonly string[];
  constructor(path: readonly string[]) {
    this.path = path;
  }
}

export interface GitLabJob {
  readonly name: string;
  /** With what it extends, defaults and references in place. */
  readonly values: Table;
  readonly line: number | null;
  /** Whether all that it extends and refers to is in the file. */
  readonly isWhole: boolean;
  /** Comments and empty lines before the job, and before its own keys. */
  readonly lead: { readonly comment: string | undefined; readonly isApart: boolean };
  readonly comments: ReadonlyMap<string, string>;
  readonly lineOf: (key: string) => number | null;
  /** A key as it stands in the file, or the resolved value when it stands elsewhere. */
  readonly written: (key: string) => string;
}

export interface GitLabFile {
  readonly top: Table;
  readonly jobs: readonly GitLabJob[];
  readonly notes: readonly Note[];
}

/** Keys at the top that are no jobs. */
const reserved: ReadonlySet<string> = new Set(
  'stages include default workflow before_script after_script image services cache variables spec types'.split(' '),
);

/** Keys that jobs take from `default`, or from the top in older files. */
const inherited =
  'image services before_script after_script cache artifacts retry timeout interruptible tags hooks id_tokens identity'.split(
    ' ',
  );

/** What all jobs may come to together. A file made for it grows tenfold with every level of references. */
const MAX_VALUES = 100_000;
const MAX_DEPTH = 10;

/** Thrown, inside this file alone, when resolving would take more than that. */
class TooMuch extends Error {
  override readonly name = 'TooMuch';
}

/** Undefined when the resolved jobs would be too large. */
export function resolveGitLab({ root, lineOf }: Original): GitLabFile | undefined {
  const resolver = new Resolver(new Map(root.items.map((pair) => [keyOf(pair), plain(pair.value, keyOf(pair))])));
  try {
    const jobs = root.items.flatMap((pair): readonly GitLabJob[] => {
      const name = keyOf(pair);
      if (name.startsWith('.') || reserved.has(name) || !isMap(pair.value)) return [];
      return [{ ...jobOf(pair, pair.value, resolver.job(name), lineOf), isWhole: resolver.isWhole(name) }];
    });
    const top = new Map(
      [...resolver.top].map(([key, value]) => [key, reserved.has(key) ? resolver.resolved(value, 0) : value]),
    );
    return { top, jobs, notes: resolver.notes };
  } catch (error) {
    if (error instanceof TooMuch) return undefined;
    throw error;
  }
}

function jobOf(pair: Pair, map: YAMLMap, values: Table, lineOf: Original['lineOf']): Omit<GitLabJob, 'isWhole'> {
  const key = isScalar(pair.key) ? pair.key : undefined;
  const comments = new Map<string, string>();
  for (const [index, own] of map.items.entries()) {
    const before = isScalar(own.key) ? own.key.commentBefore : undefined;
    const comment = before ?? (index === 0 ? map.commentBefore : undefined);
    if (comment != null) comments.set(keyOf(own), comment);
  }
  const own = (name: string): Pair | undefined => map.items.find((one) => keyOf(one) === name);
  return {
    name: keyOf(pair),
    values,
    line: lineOf(pair),
    lead: { comment: key?.commentBefore ?? undefined, isApart: key?.spaceBefore === true },
    comments,
    lineOf: (name) => lineOf(own(name)) ?? lineOf(pair),
    written: (name) => {
      const found = own(name);
      return found === undefined
        ? new Document({ [name]: plainData(values.get(name)) }).toString({ lineWidth: 0 })
        : textOf(found);
    },
  };
}

/** Plain data for the YAML library. */
export function plainData(value: Data | undefined): unknown {
  if (value instanceof Map) return Object.fromEntries([...(value as Table)].map(([key, one]) => [key, plainData(one)]));
  return isList(value) ? value.map(plainData) : value;
}

class Resolver {
  readonly top: Table;
  readonly notes: Note[] = [];
  readonly #done = new Map<string, Table>();
  readonly #lacking = new Set<string>();
  /** The job that is being resolved. */
  #current = '';
  #left = MAX_VALUES;

  constructor(top: Table) {
    this.top = top;
  }

  /** To be asked after the job was resolved. */
  isWhole(name: string): boolean {
    return !this.#lacking.has(name);
  }

  job(name: string): Table {
    this.#current = name;
    const values = new Map(this.#extended(name, []));
    const wanted = tableOf(values.get('inherit'))?.get('default');
    const defaults = tableOf(this.top.get('default'));
    for (const key of inherited) {
      if (values.has(key) || wanted === false || (isList(wanted) && !wanted.includes(key))) continue;
      const value = defaults?.get(key) ?? this.top.get(key);
      if (value !== undefined) values.set(key, value);
    }
    values.delete('extends');
    return this.resolved(values, 0) as Table;
  }

  /** The job with what it extends: mappings are merged, everything else is replaced. */
  #extended(name: string, above: readonly string[]): Table {
    const known = this.#done.get(name);
    if (known !== undefined) {
      if (this.#lacking.has(name)) for (const one of above) this.#lacking.add(one);
      return known;
    }
    const own = tableOf(this.top.get(name));
    if (own === undefined || above.includes(name) || above.length > MAX_DEPTH) {
      for (const one of [...above, name]) this.#lacking.add(one);
      const why = own !== undefined ? 'goes in a circle, or too deep' : 'is not in this file';
      this.#say(`extends: ${name}`, `What it extends ${why}, so nothing comes from there.`);
      return new Map();
    }
    let values: Table = new Map();
    for (const parent of textsOf(own.get('extends')))
      values = this.#merged(values, this.#extended(parent, [...above, name]));
    const result = this.#merged(values, own);
    this.#done.set(name, result);
    return result;
  }

  #merged(below: Table, above: Table): Table {
    const result = new Map(below);
    for (const [key, value] of above) {
      this.#spend();
      const [one, other] = [tableOf(result.get(key)), tableOf(value)];
      result.set(key, one !== undefined && other !== undefined ? this.#merged(one, other) : value);
    }
    return result;
  }

  /** References become what they name; a list in a list becomes part of it. */
  resolved(value: Data, depth: number): Data {
    this.#spend();
    if (value instanceof Reference) return this.#target(value, depth);
    if (value instanceof Map)
      return new Map([...(value as Table)].map(([key, one]) => [key, this.resolved(one, depth)]));
    if (!isList(value)) return value;
    return value.flatMap((item) => {
      const one = this.resolved(item, depth);
      return item instanceof Reference && isList(one) ? one : [one];
    });
  }

  #target({ path }: Reference, depth: number): Data {
    const [name = '', ...keys] = path;
    let value: Data | undefined = depth < MAX_DEPTH && this.top.has(name) ? this.#extended(name, []) : undefined;
    for (const key of keys) value = value instanceof Map ? (value as Table).get(key) : undefined;
    if (this.#lacking.has(name)) this.#lacking.add(this.#current);
    if (value !== undefined) return this.resolved(value, depth + 1);
    this.#lacking.add(this.#current);
    this.#say(
      `${REFERENCE} [${path.join(', ')}]`,
      'What it refers to is not in this file, or refers to itself. Write it in its place.',
    );
    return null;
  }

  #say(key: string, text: string): void {
    if (!this.notes.some((note) => note.key === key)) this.notes.push({ line: null, key, kind: 'todo', text });
  }

  #spend(): void {
    this.#left -= 1;
    if (this.#left < 0) throw new TooMuch();
  }
}

const scripts: ReadonlySet<string> = new Set(['script', 'before_script', 'after_script']);

/** Comments between commands are commands that do nothing, so they stay where they are. */
function plain(node: unknown, key: string): Data {
  if (isScalar(node)) return scalarOf(node.value, node.source);
  if (isMap(node)) return new Map(node.items.map((pair) => [keyOf(pair), plain(pair.value, keyOf(pair))]));
  if (!isSeq(node)) return null;
  if (node.tag === REFERENCE) return new Reference(node.items.map((item) => textOfData(plain(item, '')) ?? ''));
  return node.items.flatMap((item, index) => {
    const own = isScalar(item) || isSeq(item) ? item.commentBefore : undefined;
    const comment = own ?? (index === 0 ? node.commentBefore : undefined);
    const value = plain(item, key);
    return scripts.has(key) && comment != null ? [...comment.split('\n').map((line) => `#${line}`), value] : [value];
  });
}

/** `1.10` is meant as it was written. */
function scalarOf(value: unknown, source: string | undefined): Data {
  if (typeof value === 'number') return source === undefined || source === String(value) ? value : source;
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}

export function isList(value: Data | undefined): value is readonly Data[] {
  return Array.isArray(value);
}

export function tableOf(value: Data | undefined): Table | undefined {
  return value instanceof Map ? (value as Table) : undefined;
}

/** A text, or a number or boolean as it would be written. */
export function textOfData(value: Data | undefined): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** The texts of a list of lists, or the one text that stands instead. */
export function textsOf(value: Data | undefined): readonly string[] {
  if (isList(value)) return value.flatMap(textsOf);
  const text = textOfData(value);
  return text === undefined ? [] : [text];
}

/**
 * YAML text → plain data, with the place of every key and value. The text is hostile (anybody who can open a pull request
 * writes it), so duplicates, aliases and merges are resolved here in linear time and within a budget: the library's own
 * ways take quadratic or exponential time on a file made for it.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  parseDocument,
  visit,
  type Alias,
  type CollectionTag,
  type Document,
  type Node,
  type YAMLMap,
} from 'yaml';
import type { Position, ProblemCode } from '../problem.ts';
import { failed, success, type Result } from '../result.ts';
import { shown } from '../shown.ts';

/** One value of the file and where it stands. Aliased values stand where their anchor is. */
export interface YamlNode {
  /** Plain data: null, boolean, number, string, array or object. No key is `__proto__`. */
  readonly value: unknown;
  readonly position: Position;
  /** A plain scalar as it was typed: `1.10` is the number 1.1, but people mean the text. */
  readonly written: string | undefined;
  readonly entries: ReadonlyMap<string, { readonly keyPosition: Position; readonly node: YamlNode }>;
  readonly items: readonly YamlNode[];
  /** A text as it stands in the file, quotes, escapes and line breaks included; empty for anything else. */
  readonly raw: string;
  /** The place so many characters after the beginning of `raw`. */
  readonly at: (offset: number) => Position;
}

export interface YamlTrouble {
  readonly code: ProblemCode;
  readonly message: string;
  readonly position: Position;
}

export const MAX_YAML_CHARACTERS = 1024 * 1024;
const MAX_VALUES = 50_000;
const MAX_DEPTH = 50;
const MAX_TOKENS = 100_000;
const MAX_TROUBLES = 50;

/** How much was read so far of what belongs together; the limits hold for all of it. */
export interface YamlUse {
  characters: number;
  tokens: number;
  values: number;
}

export interface YamlSource {
  /** Stands in every place; for a file that another one includes. */
  readonly file?: string;
  /** Counted up. */
  readonly use?: YamlUse;
  /** Tags that lists may have; they are read as plain lists. */
  readonly listTags?: readonly string[];
}

/** Reads one document. Reports every syntax error and duplicate key at once. Never throws, for any text. */
export function readYaml(
  text: string,
  { file, use = { characters: 0, tokens: 0, values: 0 }, listTags = [] }: YamlSource = {},
): Result<YamlNode, readonly YamlTrouble[]> {
  const excess = excessOf(text, use);
  const start: Position = { line: 1, column: 1, ...(file === undefined ? {} : { file }) };
  if (excess) return failed([{ code: 'bad-value', message: excess, position: start }]);
  const lines = new LineCounter();
  const customTags = listTags.map((tag): CollectionTag => ({ tag, collection: 'seq' }));
  const options = { version: '1.2', uniqueKeys: false, prettyErrors: false, lineCounter: lines } as const;
  const document = parseDocument(text, { ...options, customTags });
  const reader = new Reader(text, lines, { file, use });
  for (const fault of [...document.errors, ...document.warnings]) {
    reader.report(
      'yaml-syntax',
      fault.pos[0],
      fault.code === 'RESOURCE_EXHAUSTION' ? DEPTH_MESSAGE : `${sentence(fault.message)} Correct the YAML here.`,
    );
  }
  if (reader.troubles.length > 0) return failed(reader.troubles);
  const root = reader.readDocument(document);
  return reader.troubles.length > 0 ? failed(reader.troubles) : success(root);
}

const DEPTH_MESSAGE = `The file nests deeper than ${MAX_DEPTH} levels. Flatten it.`;

/** Parsing takes up to 7 µs per token, on the daemon's own thread; splitting into tokens is a tenth of that. */
function excessOf(text: string, use: YamlUse): string | undefined {
  const what = use.characters === 0 ? 'The file' : 'The pipeline, with all that it includes,';
  use.characters += text.length;
  if (use.characters > MAX_YAML_CHARACTERS)
    return `${what} is larger than 1 MiB. Move long scripts into files of their own.`;
  for (const token of new Lexer().lex(text)) {
    if (token !== '') use.tokens += 1;
    if (use.tokens > MAX_TOKENS)
      return `${what} has more than ${MAX_TOKENS} YAML tokens. Split it into several pipelines.`;
  }
  return undefined;
}

type Entries = Map<string, { readonly keyPosition: Position; readonly node: YamlNode }>;

class Reader {
  readonly troubles: YamlTrouble[] = [];
  readonly #lines: LineCounter;
  readonly #targets = new Map<Alias, Node>();
  readonly #open = new Set<Node>();
  readonly #text: string;
  readonly #file: string | undefined;
  readonly #use: YamlUse;

  constructor(
    text: string,
    lines: LineCounter,
    { file, use }: { readonly file: string | undefined; readonly use: YamlUse },
  ) {
    this.#text = text;
    this.#lines = lines;
    this.#file = file;
    this.#use = use;
  }

  /** An alias means the nearest anchor of its name above it; one pass finds them all. */
  readDocument(document: Document): YamlNode {
    const anchors = new Map<string, Node>();
    visit(document, {
      Node: (_key, node) => {
        if (isAlias(node)) {
          const target = anchors.get(node.source);
          if (target) this.#targets.set(node, target);
        } else if (node.anchor) anchors.set(node.anchor, node);
      },
    });
    return this.read(document.contents, 0);
  }

  report(code: ProblemCode, offset: number, message: string): void {
    if (this.#use.values > MAX_VALUES) return;
    const known = this.troubles.some(
      (one) => one.message === message && one.position.line === this.#position(offset).line,
    );
    if (!known && this.troubles.length < MAX_TROUBLES)
      this.troubles.push({ code, message, position: this.#position(offset) });
  }

  read(node: unknown, depth: number): YamlNode {
    const offset = offsetOf(node) ?? 0;
    if (!this.#spend(offset)) return this.#leaf(null, offset);
    if (depth > MAX_DEPTH) {
      this.report('yaml-syntax', offset, DEPTH_MESSAGE);
      return this.#leaf(null, offset);
    }
    if (isAlias(node)) return this.#readAlias(node, offset, depth);
    if (isMap(node)) return this.#enter(node, offset, () => this.#readMap(node, offset, depth));
    if (isSeq(node)) {
      return this.#enter(node, offset, () => {
        const items = node.items.map((item) => this.read(item, depth + 1));
        return { ...this.#leaf(null, offset), value: items.map((item) => item.value), items };
      });
    }
    if (!isScalar(node)) return this.#leaf(null, offset);
    const plain = node.type === 'PLAIN' ? node.source : undefined;
    return { ...this.#leaf(node.value, offset, node.range?.[1]), written: plain };
  }

  #readAlias(alias: Alias, offset: number, depth: number): YamlNode {
    const target = this.#targets.get(alias);
    if (target) return this.read(target, depth + 1);
    this.report('yaml-syntax', offset, `No anchor ${shown(alias.source)} stands before this alias. Define it above.`);
    return this.#leaf(null, offset);
  }

  #readMap(map: YAMLMap, start: number, depth: number): YamlNode {
    const own: Entries = new Map();
    const merged: Entries = new Map();
    for (const pair of map.items) {
      const offset = offsetOf(pair.key) ?? offsetOf(pair.value) ?? 0;
      const key = this.#key(pair.key, offset);
      if (key === undefined) continue;
      if (own.has(key))
        this.report(
          'yaml-syntax',
          offset,
          `The key ${shown(key)} stands twice in this mapping. Remove or rename one of them.`,
        );
      const node = this.read(pair.value, depth + 1);
      if (key === '<<') this.#merge(node, merged, offset);
      else own.set(key, { keyPosition: this.#position(offset), node });
    }
    for (const [name, entry] of merged) if (!own.has(name)) own.set(name, entry);
    const value: unknown = Object.fromEntries([...own].map(([name, entry]) => [name, entry.node.value]));
    return { ...this.#leaf(null, start), value, entries: own };
  }

  #key(node: unknown, offset: number): string | undefined {
    const key = isScalar(node) ? (typeof node.value === 'string' ? node.value : (node.source ?? '')) : undefined;
    if (key === undefined) this.report('bad-value', offset, 'A key must be plain text. Write a word before the colon.');
    // Assigned to an object it would vanish or change the object's nature.
    else if (key === '__proto__')
      this.report('bad-value', offset, 'The key "__proto__" is not allowed. Choose another word.');
    else return key;
    return undefined;
  }

  /** Keys of the mapping itself win over merged ones, earlier sources over later ones. */
  #merge(node: YamlNode, into: Entries, offset: number): void {
    for (const source of Array.isArray(node.value) ? node.items : [node]) {
      if (typeof source.value !== 'object' || source.value === null || Array.isArray(source.value)) {
        this.report(
          'wrong-type',
          offset,
          '"<<" takes a mapping or a list of mappings. Give it an alias such as *defaults.',
        );
      }
      for (const [name, entry] of source.entries) if (!into.has(name)) into.set(name, entry);
    }
  }

  /** False once the budget is used up; what was read is then worthless, and that alone is reported. */
  #spend(offset: number): boolean {
    if (this.#use.values < MAX_VALUES) {
      this.#use.values += 1;
      return true;
    }
    if (this.#use.values === MAX_VALUES) {
      const message = `The file has more than ${MAX_VALUES} values once its aliases are resolved. Use fewer aliases or split it.`;
      this.troubles.splice(0, Infinity, { code: 'bad-value', message, position: this.#position(offset) });
      this.#use.values += 1;
    }
    return false;
  }

  /** A collection that contains itself through an alias would never end. */
  #enter(node: Node, offset: number, read: () => YamlNode): YamlNode {
    if (this.#open.has(node)) {
      this.report('yaml-syntax', offset, 'This anchor contains itself. Remove the alias inside it.');
      return this.#leaf(null, offset);
    }
    this.#open.add(node);
    const result = read();
    this.#open.delete(node);
    return result;
  }

  #leaf(value: unknown, start: number, end = start): YamlNode {
    const at = (offset: number): Position => this.#position(start + offset);
    const raw = this.#text.slice(start, end);
    return { value, position: at(0), written: undefined, entries: new Map(), items: [], raw, at };
  }

  #position(offset: number): Position {
    const place = this.#lines.linePos(offset);
    const file = this.#file === undefined ? {} : { file: this.#file };
    return { line: Math.max(1, place.line), column: Math.max(1, place.col), ...file };
  }
}

/** A value as it was typed: people who write `VERSION: 1.10` do not mean 1.1. Empty for nothing, lists and mappings. */
export function writtenIn({ value, written }: YamlNode): string {
  if (written !== undefined && value !== null) return written;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

function offsetOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined;
}

function sentence(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return /[.!?]$/.test(line) ? line : `${line}.`;
}

/**
 * A pipeline file in the making. What is left out or changed gets a remark at its place: a mark in the document, which
 * becomes a comment once the document is text. So a comment stands where the key stood, whatever the YAML library thinks.
 */
import { Document, isMap, isPair, isScalar, isSeq, Pair, Scalar, YAMLMap, YAMLSeq, type Node } from 'yaml';
import { commentOf, type Note, type Remark } from './note.ts';

export type Path = readonly (string | number)[];

/** Stands where a comment will stand. */
class Mark extends Scalar<string> {}

function isMark(item: unknown): boolean {
  return (isPair(item) ? item.key : item) instanceof Mark;
}

export class Draft {
  readonly document: Document;
  readonly #remarks: Remark[] = [];
  readonly #mark: string;
  readonly #padding: boolean;

  /** `text` is the original, and only tells which word does not occur in it. */
  constructor(document: Document, text: string) {
    this.document = document;
    let mark = 'hearth-mark-';
    while (text.includes(mark)) mark += 'x';
    this.#mark = mark;
    this.#padding = /^[^#'"\n]*: [[{] \S/m.test(text);
  }

  /** Every remark that is in the file or was only noted, in the order of the original's lines. */
  get notes(): readonly Note[] {
    return this.#remarks
      .map(({ line, key, kind, text }) => ({ line, key, kind, text }))
      .toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
  }

  get top(): YAMLMap {
    if (!isMap(this.document.contents)) this.document.contents = new YAMLMap();
    return this.document.contents as unknown as YAMLMap;
  }

  /** Puts a remark in front of a key of a mapping; at its end when there is no such key. */
  before(map: YAMLMap, key: string, remark: Remark): void {
    map.flow = false;
    const at = map.items.findIndex((pair) => keyOf(pair) === key);
    const pair = this.#pair(remark);
    const old = map.items[at]?.key;
    if (isScalar(old) && isScalar(pair.key)) takeOver(old, pair.key);
    map.items.splice(at === -1 ? map.items.length : at, 0, pair);
  }

  /** Takes a key out of a mapping and leaves a remark with its text in its place. */
  drop(map: YAMLMap, key: string, remark: Remark): void {
    const at = map.items.findIndex((pair) => keyOf(pair) === key);
    const pair = map.items[at];
    if (pair === undefined) return;
    map.flow = false;
    const original = remark.original ?? textOf(pair);
    const mark = this.#pair({ ...remark, original });
    if (isScalar(pair.key) && isScalar(mark.key)) takeOver(pair.key, mark.key);
    map.items.splice(at, 1, mark);
  }

  /** Puts a remark in front of an item of a list; at its end when there is no such item. */
  beforeItem(list: YAMLSeq, item: unknown, remark: Remark): void {
    list.flow = false;
    const at = list.items.indexOf(item);
    const mark = this.#scalar(remark);
    if (isNode(item)) takeOver(item, mark);
    list.items.splice(at === -1 ? list.items.length : at, 0, mark);
  }

  /** Takes an item out of a list and leaves a remark with its text in its place. */
  dropItem(list: YAMLSeq, item: unknown, remark: Remark): void {
    const at = list.items.indexOf(item);
    if (at === -1) return;
    list.flow = false;
    const lead = new Scalar('');
    if (isNode(item)) takeOver(item, lead);
    const mark = this.#scalar({ ...remark, original: remark.original ?? textOfItem(item) });
    takeOver(lead, mark);
    list.items.splice(at, 1, mark);
  }

  /** Notes something that has no place in the file. */
  note(note: Note): void {
    this.#remarks.push(note);
  }

  /** The node at a path as the text has it: marks do not count. Undefined when there is none. */
  at(path: Path): unknown {
    return path.reduce<unknown>((node, part) => {
      if (typeof part === 'number')
        return isSeq(node) ? node.items.filter((item) => !this.isMark(item))[part] : undefined;
      return isMap(node) ? node.get(part, true) : undefined;
    }, this.document.contents);
  }

  isMark(item: unknown): boolean {
    return isMark(item);
  }

  /** The file's text. Can be called again after more changes. */
  toText(): string {
    settle(this.top, '', this);
    const text = this.document.toString({ lineWidth: 0, flowCollectionPadding: this.#padding });
    const pattern = new RegExp(`^( *)(?:- )?"?${this.#mark}(\\d+)"?(?:: .*)?$`);
    const seen = new Set<string>();
    return text
      .split('\n')
      .flatMap((line) => {
        const [, indent = '', index] = pattern.exec(line) ?? [];
        const remark = index === undefined ? undefined : this.#remarks[Number(index)];
        if (remark === undefined) return [line];
        const known = seen.has(remark.text);
        seen.add(remark.text);
        const said = known && (remark.original ?? '') !== '' ? { ...remark, text: 'As above.' } : remark;
        return commentOf(said, indent.length).map((comment) => `${indent}${comment}`);
      })
      .join('\n');
  }

  #scalar(remark: Remark): Mark {
    this.#remarks.push(remark);
    return new Mark(`${this.#mark}${this.#remarks.length - 1}`);
  }

  #pair(remark: Remark): Pair {
    return new Pair(this.#scalar(remark), new Scalar('x'));
  }
}

/** Name of a key. */
export function keyOf(pair: unknown): string {
  const key = isPair(pair) ? pair.key : undefined;
  if (typeof key === 'string') return key;
  if (!isScalar(key)) return '';
  return typeof key.value === 'string' ? key.value : (key.source ?? '');
}

/** The text of a pair or a node, as YAML, comments included and marks not. */
export function textOf(part: unknown): string {
  const node = isPair(part) ? new YAMLMap() : withoutMarks(part);
  // What stood before the key stays in the file on its own.
  if (isPair(part) && isMap(node)) node.items.push(new Pair(new Scalar(keyOf(part)), withoutMarks(part.value)));
  return new Document(node).toString({ lineWidth: 0 }).trimEnd();
}

function withoutMarks(node: unknown): unknown {
  if (isMap(node)) {
    const map = Object.assign(new YAMLMap(), node);
    map.items = node.items.filter((pair) => !isMark(pair)).map((pair) => new Pair(pair.key, withoutMarks(pair.value)));
    return map;
  }
  if (!isSeq(node)) return node;
  const list = Object.assign(new YAMLSeq(), node);
  list.items = node.items.filter((item) => !isMark(item)).map(withoutMarks);
  return list;
}

/** The same for an item of a list. */
export function textOfItem(item: unknown): string {
  const [first, ...rest] = textOf(item).split('\n');
  return [`- ${first}`, ...rest.map((line) => `  ${line}`)].join('\n');
}

function takeOver(from: Node, to: Scalar): void {
  if (from.commentBefore != null) to.commentBefore = from.commentBefore;
  if (from.spaceBefore === true) to.spaceBefore = true;
  delete from.commentBefore;
  delete from.spaceBefore;
}

function isNode(value: unknown): value is Node {
  return isScalar(value) || isMap(value) || isSeq(value);
}

/** Marks move to where a comment of their indentation can stand: never right behind a dash, never as all of a value. */
function settle(node: unknown, name: string, draft: Draft): void {
  if ((isMap(node) || isSeq(node)) && hasMark(node)) node.flow = false;
  if (isMap(node)) {
    for (const pair of node.items) settle(pair.value, keyOf(pair), draft);
    node.items = node.items.flatMap((pair) => (isHollow(pair.value, draft) ? marksOf(pair, name, draft) : [pair]));
  }
  if (!isSeq(node)) return;
  for (const item of node.items) settle(item, '', draft);
  node.items = node.items.flatMap((item) => {
    if (!isMap(item)) return [item];
    const first = item.items.findIndex((pair) => !draft.isMark(pair));
    const marks = item.items.slice(0, first === -1 ? Infinity : first).map((pair) => pair.key as Scalar);
    if (marks.length === 0) return [item];
    const [lead] = marks;
    if (lead !== undefined) takeOver(item, lead);
    if (first === -1) return marks;
    item.items = item.items.slice(first);
    return [...marks, item];
  });
}

/** A comment needs a line of its own, and so does all around it. */
function hasMark(node: unknown): boolean {
  if (isPair(node)) return isMark(node) || hasMark(node.value);
  return isMark(node) || ((isMap(node) || isSeq(node)) && node.items.some((item) => hasMark(item)));
}

/** Whether nothing but marks is left of a collection. An empty one means something in itself. */
function isHollow(node: unknown, draft: Draft): boolean {
  return (isMap(node) || isSeq(node)) && node.items.length > 0 && node.items.every((item) => draft.isMark(item));
}

function marksOf(pair: Pair, above: string, draft: Draft): Pair[] {
  const items: readonly unknown[] = isMap(pair.value) || isSeq(pair.value) ? pair.value.items : [];
  const marks = items.map((item) => markPair(item));
  const lead = marks[0]?.key;
  if (isScalar(pair.key) && isScalar(lead) && !draft.isMark(pair)) takeOver(pair.key, lead);
  // An event without filters is still an event, and no event at all is not the same as the default.
  if (keyOf(pair) === 'on') return [...marks, new Pair(pair.key, emptyMap())];
  return above === 'on' ? [...marks, new Pair(pair.key, nothing())] : marks;
}

/** `{}`. */
export function emptyMap(): YAMLMap {
  const map = new YAMLMap();
  map.flow = true;
  return map;
}

/** The value of `push:`. */
export function nothing(): Scalar<null> {
  const value = new Scalar(null);
  value.source = '';
  return value;
}

function markPair(item: unknown): Pair {
  return isPair(item) ? item : new Pair(item, new Scalar('x'));
}

/** The file to migrate: hostile text like any other, read within the limits of pipeline files. */
import type { Document } from 'yaml';
import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  Pair,
  parseDocument,
  Scalar,
  visit,
  YAMLMap,
  YAMLSeq,
  type CollectionTag,
} from 'yaml';
import type { Problem } from '../problem.ts';
import { failed, success, type Result } from '../result.ts';
import { readYaml } from '../pipeline/yaml-tree.ts';
import { keyOf } from './draft.ts';

/** What GitLab's files have beyond YAML. */
export const REFERENCE = '!reference';

export interface Original {
  readonly text: string;
  /** Without aliases and merges: they are written out. */
  readonly document: Document;
  readonly root: YAMLMap;
  readonly hadAliases: boolean;
  /** Line of a key or value, from 1; null for what was not in the text. */
  readonly lineOf: (node: unknown) => number | null;
}

/** The file as a document that may be changed. All problems at once when it is none. */
export function readOriginal(text: string, file: string): Result<Original, readonly Problem[]> {
  const checked = readYaml(text, { listTags: [REFERENCE] });
  if (!checked.ok) return failed(checked.problem.map((trouble) => ({ ...trouble, file })));
  const lines = new LineCounter();
  const customTags: CollectionTag[] = [{ tag: REFERENCE, collection: 'seq' }];
  const document = parseDocument(text, { version: '1.2', uniqueKeys: false, lineCounter: lines, customTags });
  const hadAliases = /[&*<]/.test(text) && usesAliases(document);
  if (hadAliases) writeOut(document);
  if (!isMap(document.contents)) {
    const message = 'The file is no mapping of keys. Name a GitHub Actions workflow or a .gitlab-ci.yml.';
    return failed([{ code: 'wrong-type', message, file, position: { line: 1, column: 1 } }]);
  }
  const lineOf = (node: unknown): number | null => {
    const key = isPair(node) ? node.key : node;
    const range = isScalar(key) || isMap(key) || isSeq(key) ? key.range : undefined;
    return range == null ? null : Math.max(1, lines.linePos(range[0]).line);
  };
  return success({ text, document, root: document.contents, hadAliases, lineOf });
}

function usesAliases(document: Document): boolean {
  let found = false;
  visit(document, {
    Alias: () => {
      found = true;
      return visit.BREAK;
    },
    Node: (_key, node) => {
      if (node.anchor) found = true;
      return found ? visit.BREAK : undefined;
    },
  });
  return found;
}

/** Aliases mean the nearest anchor of their name above them. The reader has counted what they come to and found no circle. */
function writeOut(document: Document): void {
  const anchors = new Map<string, unknown>();
  const targets = new Map<unknown, unknown>();
  visit(document, {
    Node: (_key, node) => {
      if (isAlias(node)) targets.set(node, anchors.get(node.source));
      else if (node.anchor) anchors.set(node.anchor, node);
    },
  });
  const copy = (node: unknown, isRepeat: boolean): unknown => {
    if (isAlias(node)) return copy(targets.get(node), true);
    if (isScalar(node)) {
      const scalar = like(node, new Scalar(node.value), isRepeat);
      if (node.type !== undefined) scalar.type = node.type;
      if (node.source !== undefined) scalar.source = node.source;
      if (node.minFractionDigits !== undefined) scalar.minFractionDigits = node.minFractionDigits;
      if (node.format !== undefined) scalar.format = node.format;
      return scalar;
    }
    if (isSeq(node)) {
      const list = like(node, new YAMLSeq(), isRepeat);
      if (node.tag !== undefined) list.tag = node.tag;
      list.items = node.items.map((item) => copy(item, isRepeat));
      return list;
    }
    if (!isMap(node)) return node;
    const map = like(node, new YAMLMap(), isRepeat);
    const merged: Pair[] = [];
    for (const pair of node.items) {
      const value = copy(pair.value, isRepeat);
      if (keyOf(pair) !== '<<') map.items.push(new Pair(copy(pair.key, isRepeat), value));
      else for (const source of isSeq(value) ? value.items : [value]) if (isMap(source)) merged.push(...source.items);
    }
    const names = new Set(map.items.map(keyOf));
    for (const pair of merged) {
      if (names.has(keyOf(pair))) continue;
      names.add(keyOf(pair));
      map.items.push(new Pair(copy(pair.key, true), copy(pair.value, true)));
    }
    return map;
  };
  document.contents = copy(document.contents, false) as typeof document.contents;
}

type Collection = YAMLMap | YAMLSeq;

/** Comments belong to the place where they stand, and not to each alias of it. */
function like<T extends Scalar | Collection>(node: Scalar | Collection, made: T, isRepeat: boolean): T {
  if (node.range != null) made.range = node.range;
  if (!isScalar(node) && !isScalar(made) && node.flow !== undefined) made.flow = node.flow;
  if (isRepeat) return made;
  if (node.commentBefore != null) made.commentBefore = node.commentBefore;
  if (node.comment != null) made.comment = node.comment;
  if (node.spaceBefore !== undefined) made.spaceBefore = node.spaceBefore;
  return made;
}

/** Versions in a matrix that become part of an image's tag: `22.x` is no tag, `22` is. */
import { isMap, isScalar, isSeq, type Scalar, type YAMLMap } from 'yaml';
import type { Tool } from './github-actions.ts';
import { matrixOf } from './github-matrix.ts';
import { forEachText } from './github-texts.ts';
import type { JobOfWorkflow } from './github-workflow.ts';
import { pairOf } from './parts.ts';

/** The axis of the matrix that a text consists of. */
export function axisOf(text: string): string | undefined {
  return /^\$\{\{\s*matrix\.([\w-]+)\s*\}\}$/.exec(text)?.[1];
}

/** Contexts that `container` does not know. */
const later = /\b(?:env|steps|job|runner|secrets)\s*[.[]|\bhashFiles\b/;

/** The version as a part of a tag that is known when the job starts; undefined when it never is. */
export function tagExpression(version: string): string | undefined {
  const text = version
    .trim()
    .replace(/^v(?=\$)/, '')
    .replace(/(?:\.[x*])+$/, '');
  return /^[\w.-]*(?:\$\{\{[^}]*\}\}[\w.-]*)+$/.test(text) && !later.test(text) ? text : undefined;
}

interface Place {
  readonly node: Scalar;
  readonly isExcluded: boolean;
}

/** Makes tags of the values of an axis, with remarks about what changed and what a hand has to do. */
export function settleVersions(of: JobOfWorkflow, axis: string, tool: Tool): void {
  const places = placesOf(matrixOf(of.job), axis);
  if (places === undefined) {
    remark(of, axis, 'todo', `${ONLY_TAGS} These values are known only when it runs: make sure that all of them are.`);
    return;
  }
  const tags = new Map(places.map(({ node }) => [textOfValue(node), tool.tag(textOfValue(node))]));
  const given = [...tags.values()];
  const isClear = (tag: string | undefined): tag is string =>
    tag !== undefined && given.filter((one) => one === tag).length === 1;
  const changes = new Map(
    [...tags].flatMap(([old, tag]) => (isClear(tag) && tag !== old ? [[old, tag] as const] : [])),
  );
  const used = new Set(places.filter(({ isExcluded }) => !isExcluded).map(({ node }) => textOfValue(node)));
  const stuck = [...tags].filter(([old, tag]) => tag !== old && !changes.has(old) && used.has(old));
  for (const { node } of places) {
    const tag = changes.get(textOfValue(node));
    if (tag === undefined) continue;
    node.value = tag;
    delete node.source;
  }
  const shown = [...changes].map(([old, tag]) => `${old} is ${tag} now`).join(', ');
  if (changes.size > 0) {
    const left = rewriteComparisons(of.job, axis, changes);
    const check = left ? ' Something in this job still says the old value: check it.' : '';
    remark(of, axis, left ? 'todo' : 'changed', `${ONLY_TAGS} ${shown}.${check}`);
  }
  if (stuck.length === 0) return;
  const names = stuck.map(([old]) => old).join(', ');
  remark(
    of,
    axis,
    'todo',
    `${changes.size > 0 ? '' : `${ONLY_TAGS} `}Write a tag for ${names}, or take it away: as it is, its jobs are errors.`,
  );
}

const ONLY_TAGS = 'This axis is part of the name of an image, so its values are tags.';

function remark(of: JobOfWorkflow, axis: string, kind: 'changed' | 'todo', text: string): void {
  const matrix = matrixOf(of.job);
  const key = `jobs.${of.name}.strategy.matrix.${axis}`;
  const at = matrix?.has(axis) === true ? axis : 'include';
  if (matrix === undefined)
    of.draft.before(of.job, 'strategy', { line: of.lineOf(pairOf(of.job, 'strategy')), key, kind, text });
  else of.draft.before(matrix, at, { line: of.lineOf(pairOf(matrix, at)), key, kind, text });
}

/** Every value of the axis; undefined when they are not all in the file. */
function placesOf(matrix: YAMLMap | undefined, axis: string): readonly Place[] | undefined {
  if (matrix === undefined) return undefined;
  const places: Place[] = [];
  for (const key of [axis, 'include', 'exclude']) {
    const list = matrix.get(key, true) as unknown;
    if (list === undefined) continue;
    if (!isSeq(list)) return undefined;
    for (const item of list.items) {
      const node: unknown = key === axis ? item : isMap(item) ? item.get(axis, true) : undefined;
      if (isScalar(node) && node.value !== null) places.push({ node, isExcluded: key === 'exclude' });
      else if (key === axis && !isScalar(node)) return undefined;
    }
  }
  return places.length === 0 ? undefined : places;
}

/** As an expression shows it: the number `8.0` is `8`. */
function textOfValue({ value }: Scalar): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** Conditions of the job that ask for an old value ask for the new one; whether another text may still mean an old one. */
function rewriteComparisons(job: YAMLMap, axis: string, changes: ReadonlyMap<string, string>): boolean {
  const name = axis.replaceAll('-', String.raw`\-`);
  const mention = new RegExp(String.raw`\bmatrix\s*(?:\.\s*${name}(?![\w-])|\[\s*'${name}'\s*\])`);
  const rewritten = (expression: string): string =>
    mention.test(expression)
      ? expression.replace(/'((?:[^']|'')*)'/g, (all, old: string) => {
          const tag = changes.get(old);
          return tag === undefined ? all : `'${tag}'`;
        })
      : expression;
  let isLeft = false;
  forEachText(job, (text, path, { node }) => {
    if (path[0] === 'strategy') return;
    const isBare = path.at(-1) === 'if' && !text.includes('${{');
    const now = isBare ? rewritten(text) : text.replace(/\$\{\{.*?\}\}/gs, rewritten);
    if (now !== text) node.value = now;
    const isAsked = path.at(-1) === 'if' || path.at(-1) === 'run' || mention.test(text);
    if (isAsked && [...changes.keys()].some((old) => says(now, old) && (/\d/.test(old) || mention.test(text))))
      isLeft = true;
  });
  return isLeft;
}

function says(text: string, value: string): boolean {
  const escaped = value.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(String.raw`(?<![\w.])${escaped}(?![\w.])`).test(text);
}

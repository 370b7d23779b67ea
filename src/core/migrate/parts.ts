/** Small moves on the nodes of a pipeline file that both kinds of original need. */
import { isMap, isScalar, isSeq, Scalar, type Pair, type YAMLMap, type YAMLSeq } from 'yaml';
import type { Draft } from './draft.ts';
import { keyOf, textOf } from './draft.ts';
import type { Remark } from './note.ts';

export function mapAt(map: YAMLMap, key: string): YAMLMap | undefined {
  const value = map.get(key, true) as unknown;
  return isMap(value) ? value : undefined;
}

export function pairOf(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => keyOf(pair) === key);
}

export function textIn(map: YAMLMap | undefined, key: string): string | undefined {
  const value = map?.get(key, true) as unknown;
  if (!isScalar(value) || value.value === null) return undefined;
  // `1.20` is meant as it was written.
  return writtenOf(value);
}

/** A scalar as it was written, where it is no text. */
export function writtenOf(item: unknown): string {
  if (!isScalar(item)) return '';
  return typeof item.value === 'string' ? item.value : (item.source ?? '');
}

/** The texts of a list, or the one that stands instead of it. */
export function textsIn(map: YAMLMap, key: string): readonly string[] {
  const value = map.get(key, true) as unknown;
  if (!isSeq(value)) return textIn(map, key) === undefined ? [] : [textIn(map, key) ?? ''];
  return value.items.flatMap((item) => (isScalar(item) ? [writtenOf(item)] : []));
}

export function stepsOf(job: YAMLMap): YAMLSeq | undefined {
  const steps = job.get('steps', true) as unknown;
  return isSeq(steps) ? steps : undefined;
}

/** A text as a literal block where it has several lines. */
export function block(text: string): Scalar<string> {
  const scalar = new Scalar(text);
  if (text.trimEnd().includes('\n')) {
    scalar.type = Scalar.BLOCK_LITERAL;
    scalar.value = `${text.trimEnd()}\n`;
  }
  return scalar;
}

const kept: ReadonlySet<string> = new Set(['name', 'needs', 'phase']);

/**
 * Leaves of a job its name and place in the order, the rest as a comment. Its one step fails: whoever needs the job must
 * not go on as if it had passed.
 */
export function closeJob(draft: Draft, job: YAMLMap, remark: Remark): void {
  job.flow = false;
  job.items = job.items.filter((pair) => kept.has(keyOf(pair)) || draft.isMark(pair));
  job.set('run', CLOSED);
  draft.before(job, 'run', remark);
}

/** The job stays as it is and does not run: with what it lacks, its green would mean something else. */
export function switchOff(
  draft: Draft,
  job: YAMLMap,
  place: { readonly line: number | null; readonly key: string },
): void {
  const pair = pairOf(job, 'if');
  if (pair !== undefined) {
    if (isScalar(pair.value) && pair.value.value === false) return;
    const text = 'Its condition before it was switched off.';
    draft.before(job, 'if', { ...place, kind: 'todo', text, original: textOf(pair) });
    job.set('if', false);
    return;
  }
  const at = job.items.findIndex((one) => ['steps', 'run'].includes(keyOf(one)));
  job.items.splice(at === -1 ? job.items.length : at, 0, draft.document.createPair('if', false));
}

const CLOSED = "echo 'This job was not taken over, see the comment in its file.' >&2; exit 1";

export function isClosed(job: YAMLMap): boolean {
  return textIn(job, 'run') === CLOSED;
}

/** Text as a name of jobs, phases and caches. */
export function safeName(text: string): string {
  const name = text
    .trim()
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^[-.]+|-+$/g, '')
    .slice(0, 100);
  return name === '' ? 'job' : name;
}

/** The first of `name`, `name-2`, `name-3` … that is free. */
export function freeName(name: string, isTaken: (name: string) => boolean): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name.slice(0, 95)}-${number}`;
    if (!isTaken(candidate)) return candidate;
  }
}

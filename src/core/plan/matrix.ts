/** A job's matrix: from axes, exclude and include to the combinations that run, and the names of those. As on GitHub. */
import type { Value } from '../expression/expression.ts';
import { sameName } from '../pipeline/pipeline-names.ts';

/** One combination: the value of each axis, and what `include` added. */
export type Axes = Readonly<Record<string, Value>>;

export interface Matrix {
  readonly axes: Readonly<Record<string, readonly Value[]>>;
  readonly include: readonly Axes[];
  readonly exclude: readonly Axes[];
}

/** GitHub's own limit for one job. */
export const MAX_COMBINATIONS = 256;

/** How many combinations the axes alone make, without making them: a hostile file may ask for millions. */
export function countProduct({ axes }: Matrix): number {
  const lists = Object.values(axes);
  return lists.length === 0 ? 0 : lists.reduce((product, list) => product * list.length, 1);
}

/**
 * All combinations in the order of the file, the last axis changing fastest. An `exclude` takes away what has all its
 * values. An `include` adds its other values to every combination that agrees with it in all axes it names; when there
 * is none, it is a combination of its own.
 */
export function combinationsOf(matrix: Matrix): readonly Axes[] {
  const names = Object.keys(matrix.axes);
  const kept = product(matrix.axes).filter((axes) => !matrix.exclude.some((pattern) => isPartOf(pattern, axes)));
  const extended: Record<string, Value>[] = kept.map((axes) => ({ ...axes }));
  const added: Axes[] = [];
  for (const entry of matrix.include) {
    const named = pick(entry, (name) => names.includes(name));
    const others = pick(entry, (name) => !names.includes(name));
    const agreeing = kept.flatMap((axes, index) => (isPartOf(named, axes) ? [index] : []));
    if (agreeing.length === 0) added.push(entry);
    for (const index of agreeing) Object.assign(extended[index] ?? {}, others);
  }
  return [...extended, ...added];
}

/**
 * A name for each combination: `test (18, linux)`, as GitHub shows it, from the values of its axes; from all its values
 * where that is not enough to tell them apart, and with a number where even that is not.
 */
export function combinationNames(job: string, matrix: Matrix, combinations: readonly Axes[]): readonly string[] {
  const axisNames = Object.keys(matrix.axes);
  const short = combinations.map((axes) => nameOf(job, axisNames.length > 0 ? pick(axes, isIn(axisNames)) : axes));
  const long = combinations.map((axes, index) => (isTwice(short, index) ? nameOf(job, axes) : (short[index] ?? job)));
  const seen = new Map<string, number>();
  return long.map((name) => {
    const times = (seen.get(sameName(name)) ?? 0) + 1;
    seen.set(sameName(name), times);
    return times === 1 ? name : `${name} #${times}`;
  });
}

function product(axes: Matrix['axes']): readonly Axes[] {
  const entries = Object.entries(axes);
  if (entries.length === 0) return [];
  return entries.reduce<readonly Axes[]>(
    (made, [name, values]) => made.flatMap((before) => values.map((value) => ({ ...before, [name]: value }))),
    [{}],
  );
}

function pick(axes: Axes, wanted: (name: string) => boolean): Axes {
  return Object.fromEntries(Object.entries(axes).filter(([name]) => wanted(name)));
}

function isIn(names: readonly string[]): (name: string) => boolean {
  return (name) => names.includes(name);
}

function isPartOf(pattern: Axes, axes: Axes): boolean {
  return Object.entries(pattern).every(([name, value]) => Object.hasOwn(axes, name) && isEqual(value, axes[name]));
}

/** Mappings and lists are equal when they are written alike. */
function isEqual(a: Value, b: Value | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function isTwice(names: readonly string[], index: number): boolean {
  return names.some((name, other) => other !== index && sameName(name) === sameName(names[index] ?? ''));
}

const MAX_VALUE_LENGTH = 40;
const MAX_NAME_LENGTH = 150;

function nameOf(job: string, axes: Axes): string {
  const values = Object.values(axes)
    .map(shownValue)
    .filter((text) => text !== '');
  if (values.length === 0) return job;
  return `${job} (${cut(values.join(', '), MAX_NAME_LENGTH)})`;
}

/** Names become status contexts and parts of addresses, so nothing in them may break a line. */
function shownValue(value: Value): string {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? '');
  return cut(text.replace(/[\p{Cc}\s]+/gu, ' ').trim(), MAX_VALUE_LENGTH);
}

function cut(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}

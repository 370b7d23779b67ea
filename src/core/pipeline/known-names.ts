/**
 * Trees of names that can be in the contexts of expressions. What is not among them is empty whenever it is read, so a
 * condition made of it is decided before anything has run. `names-of-file.ts` grows them.
 */
import type { Read } from '../expression/expression-reads.ts';
import { sameName } from './pipeline-names.ts';
import { nearestWord } from '../problem.ts';
import { shown } from '../shown.ts';

/** Anything may be below. */
export const OPEN = 'open';

/** The names that there can be, or all. As in expressions, names are the same in any case. */
export type Names = typeof OPEN | ClosedNames;

export interface ClosedNames {
  /** For "did you mean". */
  readonly all: () => readonly string[];
  /** What is below a name, which is given in lower case; undefined = there is no such name. */
  readonly below: (name: string) => Names | undefined;
  /** What to say of a name that there is not. */
  readonly absent: (name: string) => Absence;
}

export interface Absence {
  /** Goes on after "… is always empty: ". */
  readonly why: string;
  /** What to do when no name is near. */
  readonly next: string;
  /** `next` is right whatever is near. */
  readonly isSure?: true;
}

export interface UnknownName {
  /** Sentences: what is wrong and what to do. */
  readonly message: string;
  /** Which of the names of the read it is. */
  readonly index: number;
}

/** The first name of a read that cannot be there, or undefined. */
export function unknownName({ context, names }: Read, known: Names): UnknownName | undefined {
  let at = known;
  for (const [index, { name }] of names.entries()) {
    if (at === OPEN) return undefined;
    const below = at.below(sameName(name));
    if (below === undefined) {
      const read = written(
        context,
        names.slice(0, index + 1).map((one) => one.name),
      );
      return { index, message: sentences(read, name, at) };
    }
    at = below;
  }
  return undefined;
}

/** More candidates are not looked at: the file is hostile, and comparing takes time. */
const MAX_CANDIDATES = 200;

function sentences(read: string, name: string, { all, absent }: ClosedNames): string {
  const { why, next, isSure } = absent(name);
  const near = isSure ? undefined : nearestWord(name, all().slice(0, MAX_CANDIDATES));
  return `${read} is always empty: ${why}. ${near === undefined ? `${next}.` : `Did you mean ${shown(near)}?`}`;
}

function written(context: string, names: readonly string[]): string {
  const plain = names.map((name) => (/^[A-Za-z_][\w-]*$/.test(name) ? `.${name}` : `['${name}']`)).join('');
  return shown(`${context}${plain}`);
}

/** Without `below` anything may be below. */
export function closed(
  names: readonly string[],
  absent: ClosedNames['absent'],
  below: (name: string) => Names = () => OPEN,
): ClosedNames {
  const known = new Map(names.map((name) => [sameName(name), name]));
  return {
    all: () => names,
    below: (name) => {
      const found = known.get(name);
      return found === undefined ? undefined : below(found);
    },
    absent,
  };
}

/** Names that are the same for every file; `of` is what has them. */
export function fixed(of: string, keys: readonly string[], below?: (name: string) => Names): ClosedNames {
  const absent = (name: string): Absence => ({
    why: `${shown(of)} has no ${shown(name)} here`,
    next: `It has ${keys.join(', ')}`,
  });
  return closed(keys, absent, below);
}

/** The first ten, for a message. */
export function listed(names: readonly string[]): string {
  return [...names.slice(0, 10).map(shown), ...(names.length > 10 ? ['…'] : [])].join(', ');
}

/**
 * `include`: parts of a pipeline that lie in other files of the commit. Trees are merged before anything is checked, so that
 * every rule sees one file; each place still says which file it is in. Loading is the caller's.
 */
import { z } from 'zod';
import { keyPosition, labelOf, nodeAt, problemsOfIssues } from './pipeline-issues.ts';
import { normalPath } from './pipeline-paths.ts';
import { nearestWord, type Position, type Problem, type ProblemCode } from '../problem.ts';
import type { Result } from '../result.ts';
import { includePath, includes } from './schema-values.ts';
import { shown } from '../shown.ts';
import { readYaml, type YamlNode, type YamlUse } from './yaml-tree.ts';

/** The text of a file, by its path from the top; or what is wrong with it, to go on after its name: "is not there". */
export type ReadIncluded = (path: string) => Promise<Result<string, string>>;

export interface Whole {
  readonly root: YamlNode;
  readonly problems: readonly Problem[];
}

/** What an included file may hold, and how deep its names are merged with those of the file that includes it. */
const SECTIONS: Readonly<Record<string, number>> = { env: 1, vars: 1, defaults: 2, cache: 1, jobs: 1 };
/** Here two files beside each other may not have the same name: which one counts would be a matter of order. */
const DISTINCT: Readonly<Record<string, string>> = { cache: 'cache', jobs: 'job' };
const MAX_FILES = 20;

/**
 * The file with all that it includes. What it says itself wins by name, then what is included later. A file that is included
 * twice counts once. `use` is counted up by what is read.
 */
export async function withIncludes(root: YamlNode, file: string, read: ReadIncluded, use: YamlUse): Promise<Whole> {
  const gathering = new Gathering(read, use);
  const whole = await gathering.whole(root, [normalPath(file)]);
  return { root: whole, problems: gathering.problems };
}

/** For where no other file can be read: what is included is a problem. */
export function withoutIncludes(root: YamlNode, file: string): Whole {
  const problems = includedBy(root).map(({ position }): Problem => {
    const message = 'Included files cannot be read here. Check the file where it lies in its repository.';
    return { code: 'bad-include', message, file, position };
  });
  return { root, problems };
}

interface Include {
  readonly path: string;
  readonly position: Position;
}

type Entry = NonNullable<ReturnType<YamlNode['entries']['get']>>;

class Gathering {
  readonly problems: Problem[] = [];
  readonly #seen = new Set<string>();
  readonly #read: ReadIncluded;
  readonly #use: YamlUse;

  constructor(read: ReadIncluded, use: YamlUse) {
    this.#read = read;
    this.#use = use;
  }

  /** `stack` leads from the pipeline's own file to this one. */
  async whole(root: YamlNode, stack: readonly string[]): Promise<YamlNode> {
    let below: YamlNode | undefined;
    for (const include of includedBy(root)) {
      const part = await this.#part(include, stack);
      if (part === undefined) continue;
      if (below !== undefined) this.#refuseSameNames(below, part);
      below = below === undefined ? part : merged(below, part);
    }
    return below === undefined ? root : merged(below, root);
  }

  async #part(include: Include, stack: readonly string[]): Promise<YamlNode | undefined> {
    const { path, position } = include;
    if (stack.includes(path)) {
      const circle = [...stack.slice(stack.indexOf(path)), path].map(shown).join(' → ');
      this.#report(stack, position, `Files include each other in a circle: ${circle}. Remove one of these.`);
      return undefined;
    }
    if (this.#seen.has(path)) return undefined;
    if (this.#seen.size === MAX_FILES) {
      this.#report(stack, position, `A pipeline includes at most ${MAX_FILES} files. Join some of them.`);
      return undefined;
    }
    this.#seen.add(path);
    const text = await this.#read(path);
    if (!text.ok) {
      this.#report(
        stack,
        position,
        `The included file ${shown(path)} ${text.problem}. Correct its path from the top of the repository.`,
      );
      return undefined;
    }
    const tree = readYaml(text.value, { file: path, use: this.#use });
    if (!tree.ok) {
      this.problems.push(...tree.problem.map((trouble) => ({ ...trouble, file: path })));
      return undefined;
    }
    if (!isMapping(tree.value)) {
      this.#report(
        stack,
        position,
        `The included file ${shown(path)} holds no mapping. Give it ${Object.keys(SECTIONS).join(', ')}.`,
      );
      return undefined;
    }
    this.#checkShape(tree.value, path);
    const whole = await this.whole(tree.value, [...stack, path]);
    return withEntries(
      whole,
      new Map([...whole.entries].filter(([key, { node }]) => key in SECTIONS && isMapping(node))),
    );
  }

  #checkShape(root: YamlNode, file: string): void {
    const known = [...Object.keys(SECTIONS), 'include'];
    for (const [key, { keyPosition: position, node }] of root.entries) {
      const near = nearestWord(key, known);
      if (!known.includes(key)) {
        const next = near === undefined ? `Put it into the file that includes this one` : `Did you mean "${near}"?`;
        this.#add(
          'unknown-key',
          `An included file has no key ${shown(key)}, only ${known.join(', ')}. ${sentence(next)}`,
          file,
          position,
        );
      } else if (key !== 'include' && !isMapping(node))
        this.#add(
          'wrong-type',
          `${labelOf([key])} must be a mapping.`,
          file,
          node.value === null ? position : node.position,
        );
    }
    const checked = z.looseObject({ include: includes.optional() }).safeParse(root.value);
    if (!checked.success) this.problems.push(...problemsOfIssues(checked.error.issues, root, file));
  }

  #refuseSameNames(one: YamlNode, other: YamlNode): void {
    for (const [section, what] of Object.entries(DISTINCT)) {
      for (const name of nodeAt(other, [section])?.entries.keys() ?? []) {
        const first = nodeAt(one, [section])?.entries.get(name);
        if (first === undefined) continue;
        const position = keyPosition(other, [section, name]);
        const message = `The ${what} ${shown(name)} stands in ${shown(first.keyPosition.file ?? '')} as well, and both files are included. Rename one of them.`;
        this.#add('bad-include', message, position.file ?? '', position);
      }
    }
  }

  #report(stack: readonly string[], position: Position, message: string): void {
    this.#add('bad-include', message, stack.at(-1) ?? '', position);
  }

  #add(code: ProblemCode, message: string, file: string, position: Position): void {
    this.problems.push({ code, message, file, position });
  }
}

/** Paths that are none are for the schema to tell. */
function includedBy(root: YamlNode): readonly Include[] {
  const node = nodeAt(root, ['include']);
  const items = node === undefined ? [] : Array.isArray(node.value) ? node.items : [node];
  return items.flatMap(({ value, position }) =>
    includePath.safeParse(value).success ? [{ path: normalPath(String(value)), position }] : [],
  );
}

function merged(under: YamlNode, over: YamlNode): YamlNode {
  const entries = new Map(over.entries);
  for (const [key, depth] of Object.entries(SECTIONS)) {
    const entry = overlaid(under.entries.get(key), over.entries.get(key), depth);
    if (entry !== undefined) entries.set(key, entry);
  }
  return withEntries(over, entries);
}

function overlaid(under: Entry | undefined, over: Entry | undefined, depth: number): Entry | undefined {
  if (under === undefined || over === undefined) return over ?? under;
  if (!isMapping(under.node) || !isMapping(over.node)) return over;
  const entries = new Map(under.node.entries);
  for (const [name, entry] of over.node.entries) {
    const own = depth > 1 ? overlaid(entries.get(name), entry, depth - 1) : entry;
    entries.set(name, own ?? entry);
  }
  return { ...over, node: withEntries(over.node, entries) };
}

function withEntries(node: YamlNode, entries: YamlNode['entries']): YamlNode {
  return { ...node, entries, value: Object.fromEntries([...entries].map(([name, entry]) => [name, entry.node.value])) };
}

function isMapping({ value }: YamlNode): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

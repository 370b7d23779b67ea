/** Where in a pipeline file expressions may stand, and what they may use there. GitHub's table, without what we lack. */
import {
  checkCondition,
  checkTemplate,
  split,
  startOfPart,
  type ContextName,
  type ExpressionTrouble,
  type Scope,
  type SeeParsed,
} from '../expression/expression-syntax.ts';
import { readsOf } from '../expression/expression-reads.ts';
import { unknownNamesIn, type FindUnknown } from './names-of-file.ts';
import { labelOf } from './pipeline-issues.ts';
import type { Position, Problem, ProblemCode } from '../problem.ts';
import { offsetInSource } from './yaml-source.ts';
import type { YamlNode } from './yaml-tree.ts';

interface Place {
  /** `*` stands for any name or number, a last `**` for anything below. */
  readonly path: readonly string[];
  readonly scope: Scope;
  /** May stand without `${{ }}`. */
  readonly isCondition?: true;
  /** The text becomes commands. */
  readonly isScript?: true;
  /** Only by name, not in a list. */
  readonly isNamed?: true;
}

const planned: readonly ContextName[] = ['github', 'inputs', 'vars'];
const ofJob: readonly ContextName[] = [...planned, 'matrix', 'strategy'];
const atStart: readonly ContextName[] = [...ofJob, 'needs'];
const inSteps: readonly ContextName[] = [...atStart, 'env', 'steps', 'job', 'runner'];
const step: Scope = { contexts: inSteps, hashFiles: true };
const withSecrets: Scope = { contexts: [...inSteps, 'secrets'], hashFiles: true };

const places: readonly Place[] = [
  { path: ['run-name'], scope: { contexts: planned } },
  { path: ['concurrency'], scope: { contexts: planned } },
  { path: ['concurrency', '*'], scope: { contexts: planned } },
  { path: ['env', '*'], scope: { contexts: [...planned, 'secrets'] } },
  { path: ['jobs', '*', 'name'], scope: { contexts: ofJob } },
  { path: ['jobs', '*', 'if'], scope: { contexts: atStart, status: true }, isCondition: true },
  { path: ['jobs', '*', 'runs-on'], scope: { contexts: ofJob } },
  { path: ['jobs', '*', 'runs-on', '*'], scope: { contexts: ofJob } },
  { path: ['jobs', '*', 'strategy', '**'], scope: { contexts: planned } },
  { path: ['jobs', '*', 'timeout-minutes'], scope: { contexts: ofJob } },
  { path: ['jobs', '*', 'continue-on-error'], scope: { contexts: ofJob } },
  { path: ['jobs', '*', 'concurrency'], scope: { contexts: ofJob } },
  { path: ['jobs', '*', 'concurrency', '*'], scope: { contexts: ofJob } },
  { path: ['jobs', '*', 'env', '*'], scope: { contexts: [...atStart, 'secrets'] } },
  { path: ['jobs', '*', 'container'], scope: { contexts: atStart } },
  { path: ['jobs', '*', 'container', 'image'], scope: { contexts: atStart } },
  { path: ['jobs', '*', 'container', 'env', '*'], scope: { contexts: [...atStart, 'secrets'] } },
  ...['image', 'command', 'entrypoint', 'options'].map((key) => ({
    path: ['jobs', '*', 'services', '*', key],
    scope: { contexts: atStart },
  })),
  ...['env', 'ports', 'command', 'entrypoint'].map((key) => ({
    path: ['jobs', '*', 'services', '*', key, '*'],
    scope: { contexts: atStart },
  })),
  { path: ['jobs', '*', 'services', '*', 'health', 'command'], scope: { contexts: atStart } },
  ...['context', 'file', 'target', 'push'].map((key) => ({
    path: ['jobs', '*', 'image', key],
    scope: { contexts: atStart },
  })),
  ...['args', 'push'].map((key) => ({ path: ['jobs', '*', 'image', key, '*'], scope: { contexts: atStart } })),
  { path: ['jobs', '*', 'image', 'credentials', '*'], scope: { contexts: [...atStart, 'secrets'] } },
  { path: ['jobs', '*', 'inputs', '*'], scope: { contexts: atStart }, isNamed: true },
  { path: ['jobs', '*', 'outputs', '*'], scope: { contexts: inSteps } },
  { path: ['jobs', '*', 'run'], scope: withSecrets, isScript: true },
  { path: ['jobs', '*', 'steps', '*', 'run'], scope: withSecrets, isScript: true },
  { path: ['jobs', '*', 'steps', '*', 'if'], scope: { ...step, status: true }, isCondition: true },
  ...['name', 'working-directory', 'timeout-minutes', 'continue-on-error'].map((key) => ({
    path: ['jobs', '*', 'steps', '*', key],
    scope: step,
  })),
  { path: ['jobs', '*', 'steps', '*', 'env', '*'], scope: withSecrets },
  // What of it may be an expression is up to each action.
  { path: ['jobs', '*', 'steps', '*', 'with', '*'], scope: withSecrets },
];

/** More than any honest file has; each costs microseconds on the daemon's own thread. */
const MAX_EXPRESSIONS = 2_000;
const MAX_TROUBLES = 50;

/**
 * What is wrong with expressions anywhere in a file, every expression where none may stand, and every name that can never
 * be there; the first 50. `isWhole`: all that the file includes could be read. The text is hostile: it may hold a hundred
 * thousand expressions, or one long text under ten thousand aliases.
 */
export function problemsOfExpressions(root: YamlNode, file: string, isWhole: boolean): readonly Problem[] {
  const problems: Problem[] = [];
  const unknown = unknownNamesIn(root, isWhole);
  const counts = new Map<string, number>();
  let seen = 0;
  const visit = (node: YamlNode, path: readonly (string | number)[]): void => {
    if (seen > MAX_EXPRESSIONS || problems.length >= MAX_TROUBLES) return;
    for (const [key, { node: below }] of node.entries) visit(below, [...path, key]);
    for (const [index, below] of node.items.entries()) visit(below, [...path, index]);
    const text = node.value;
    if (typeof text !== 'string' || seen > MAX_EXPRESSIONS) return;
    const count = counts.get(text) ?? countExpressions(text);
    counts.set(text, count);
    seen += count;
    if (seen > MAX_EXPRESSIONS) {
      const message = `The file has more than ${MAX_EXPRESSIONS} expressions once its aliases are resolved. Use fewer, or split it.`;
      problems.splice(0, Infinity, { code: 'bad-expression', message, file, position: node.position });
      return;
    }
    for (const trouble of troublesAt(text, path, unknown).slice(0, MAX_TROUBLES - problems.length)) {
      const { code = 'bad-expression' } = trouble;
      const message = `${labelOf(path)}: ${trouble.message}`;
      problems.push({ code, message, file, position: positionOf(node, trouble) });
    }
  };
  visit(root, []);
  return problems;
}

function countExpressions(text: string): number {
  let count = 0;
  for (let at = text.indexOf('${{'); at !== -1; at = text.indexOf('${{', at + 3)) count += 1;
  return count;
}

type PlacedTrouble = Omit<ExpressionTrouble, 'offset'> & {
  readonly offset: number | 'value';
  readonly code?: ProblemCode;
};

function troublesAt(text: string, path: readonly (string | number)[], unknown: FindUnknown): readonly PlacedTrouble[] {
  const place = places.find(
    (one) => matches(one.path, path) && (one.isNamed !== true || typeof path.at(-1) === 'string'),
  );
  const names: PlacedTrouble[] = [];
  const see: SeeParsed = (part, expression, { tokens }) => {
    for (const read of readsOf(expression, tokens)) {
      const found = unknown(read, path);
      if (found !== undefined)
        names.push({
          code: 'unknown-name',
          message: found.message,
          part,
          offset: read.names[found.index]?.offset ?? 0,
        });
    }
  };
  if (place?.isCondition) return [...checkCondition(text, place.scope, see), ...names];
  if (!text.includes('${{')) return [];
  if (place === undefined) {
    return [{ message: 'There can be no expression here. Write the value itself.', part: 0, offset: 'value' }];
  }
  const wrong = checkTemplate(text, place.scope, see);
  return [...(wrong.length === 0 && place.isScript === true ? injections(text) : wrong), ...names];
}

/** Parts of an event that are numbers, digests or words of GitHub's own. */
const harmless: ReadonlySet<string> = new Set([
  'number',
  'id',
  'sha',
  'before',
  'after',
  'action',
  'draft',
  'merged',
  'private',
  'fork',
  'forced',
]);

/**
 * What outsiders choose (a branch name of a fork, a title, a message) would become commands if it were put into a script.
 * GitHub lets it: https://securitylab.github.com/resources/github-actions-untrusted-input/
 */
function injections(text: string): readonly ExpressionTrouble[] {
  const parts = split(text);
  const expressions = parts.ok ? parts.value.flatMap((part) => ('expression' in part ? [part.expression] : [])) : [];
  return expressions.flatMap((expression, part): readonly ExpressionTrouble[] => {
    const found = chosenByOutsiders(expression);
    if (found === undefined) return [];
    const value = `\${{ ${found[0]} }}`;
    const message =
      `outsiders can choose what is in ${value}, and here it would become commands. ` +
      `Give it to the step as a variable (env: VALUE: ${value}) and write "$VALUE" in the script.`;
    return [{ message, part, offset: found.index }];
  });
}

/** Whether the value of an expression (without `${{ }}`) is something that outsiders can choose. */
export function isChosenByOutsiders(expression: string): boolean {
  return chosenByOutsiders(expression) !== undefined;
}

function chosenByOutsiders(expression: string): RegExpExecArray | undefined {
  return [...expression.matchAll(/\bgithub\b((?:\s*\.\s*[\w*-]+|\s*\[[^\]]*\])*)/gi)].find(isOpen);
}

function isOpen(found: RegExpMatchArray): boolean {
  const parts = (found[1] ?? '').toLowerCase().match(/[\w*-]+/g) ?? [];
  const [first, ...rest] = parts;
  if (first === undefined || first === 'head_ref') return true;
  // No payload has these: an administrator gave the one, and the file itself the other.
  if (first === 'event' && (rest[0] === 'inputs' || rest[0] === 'schedule')) return false;
  return first === 'event' && !harmless.has(rest.at(-1) ?? '');
}

function matches(pattern: readonly string[], path: readonly (string | number)[]): boolean {
  const isOpen = pattern.at(-1) === '**';
  const fixed = isOpen ? pattern.slice(0, -1) : pattern;
  if (isOpen ? path.length <= fixed.length : path.length !== fixed.length) return false;
  return fixed.every((part, index) => part === '*' || part === path[index]);
}

function positionOf(node: YamlNode, { part, offset }: PlacedTrouble): Position {
  const text = node.value;
  if (offset === 'value' || typeof text !== 'string') return node.position;
  return node.at(offsetInSource(node.raw, text, startOfPart(text, part) + Math.max(0, offset)));
}

/** A step with `uses` as the actions see it that Hearth stands in for: its inputs, and how to say what is wrong with it. */
import { labelOf } from '../pipeline/pipeline-issues.ts';
import { nearestWord, type Position, type ProblemCode } from '../problem.ts';
import { shown } from '../shown.ts';
import { writtenIn, type YamlNode } from '../pipeline/yaml-tree.ts';

export interface ActionStep {
  /** Key of its job. */
  readonly job: string;
  readonly node: YamlNode;
  /** From the top of the file. */
  readonly path: readonly (string | number)[];
  /** What the file says wrong. */
  readonly report: (code: ProblemCode, message: string, position: Position) => void;
  /** What the file may say, and should be known to do something else here, or nothing. */
  readonly note: (message: string, position: Position) => void;
}

/** What an action is called after `actions/`. */
export type ActionKind =
  'checkout' | 'upload-artifact' | 'download-artifact' | 'cache' | 'cache/restore' | 'cache/save';

export interface FoundAction {
  readonly step: ActionStep;
  readonly kind: ActionKind;
  /** Among the steps of its job. */
  readonly index: number;
}

/** The file is hostile, and one long text may stand in ten thousand steps. */
const MAX_INPUT = 4_000;
const MAX_PATHS = 50;

/** An input of `with` as it is written; undefined where it is absent, empty (which is the same) or too long. */
export function inputOf({ node }: ActionStep, name: string): string | undefined {
  const input = node.entries.get('with')?.node.entries.get(name)?.node;
  const text = input === undefined ? '' : writtenIn(input);
  return text.length > MAX_INPUT || text.trim() === '' ? undefined : text.trim();
}

/** The lines of the input `path`, from the top of the workspace where they lie in it. At least one, or it is reported. */
export function pathsIn(step: ActionStep): readonly string[] {
  const paths = (inputOf(step, 'path') ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(fromTop);
  if (paths.length > 0 && paths.length <= MAX_PATHS) return paths;
  if (paths.length > 0) refuse(step, 'with.path', `has more than ${MAX_PATHS} lines. Name folders.`);
  else if (!isTooLong(step, 'path')) refuse(step, 'with.path', 'must be given. Write a path.');
  return [];
}

function isTooLong({ node }: ActionStep, name: string): boolean {
  const input = node.entries.get('with')?.node.entries.get(name)?.node;
  return input !== undefined && writtenIn(input).length > MAX_INPUT;
}

/** A problem with a key of the step, or with an input (`with.path`). `text` goes on after its name. */
export function refuse(step: ActionStep, key: string, text: string): void {
  const [place, label] = placeOf(step, key);
  step.report('bad-value', `${label} ${text}`, place);
}

/** A note in the words of the others: the key is taken and does nothing. */
export function hasNoEffect(step: ActionStep, key: string, why: string): void {
  const [place, label] = placeOf(step, key);
  step.note(`${label} has no effect here: ${why}. Remove it, or leave it for GitHub.`, place);
}

function placeOf({ node, path }: ActionStep, key: string): readonly [Position, string] {
  const keys = key.split('.');
  let at = node;
  let position = node.position;
  for (const part of keys) {
    const entry = at.entries.get(part);
    if (entry === undefined) break;
    position = entry.keyPosition;
    at = entry.node;
  }
  return [position, labelOf([...path, ...keys])];
}

/** What an input may be: undefined when the value means here what it means on GitHub, else why not, and what to do. */
export type InputRule = (value: string) => string | undefined;

/** Holds every input of the step against its rule; an input without one is unknown. */
export function checkInputs(step: ActionStep, rules: Readonly<Record<string, InputRule>>): void {
  for (const name of step.node.entries.get('with')?.node.entries.keys() ?? []) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) {
      const near = nearestWord(name, Object.keys(rules));
      const next = near === undefined ? 'Remove it' : `Did you mean ${shown(near)}?`;
      refuse(step, `with.${name}`, `is no input that is known here. ${next}${near === undefined ? '.' : ''}`);
      continue;
    }
    const value = inputOf(step, name);
    const ruled = value === undefined ? undefined : rule(value);
    const fault = isTooLong(step, name) ? `must be at most ${MAX_INPUT} characters long. Shorten it.` : ruled;
    if (fault !== undefined) refuse(step, `with.${name}`, fault);
  }
}

export const anything: InputRule = () => undefined;

/** The value counts before the job starts, so there is nothing yet that an expression could see. */
export function withoutExpression(rule: InputRule): InputRule {
  return (value) => (value.includes('${{') ? 'cannot hold an expression here. Write the value itself.' : rule(value));
}

/** When an action runs, in the words of `artifacts`; undefined for a condition that is none of these. */
export function whenOf(condition: string | undefined): 'success' | 'failure' | 'always' | undefined {
  if (condition !== undefined && condition.length > 200) return undefined;
  const plain = (condition ?? '')
    .trim()
    .replace(/^\$\{\{\s*|\s*\}\}$/g, '')
    .replace(/\s+/g, '');
  if (/^(?:|true|success\(\))$/.test(plain)) return 'success';
  if (/^(?:always\(\)|success\(\)\|\|failure\(\)|failure\(\)\|\|success\(\)|!cancelled\(\))$/.test(plain))
    return 'always';
  return plain === 'failure()' ? 'failure' : undefined;
}

/** `if` of the step as it is written. */
export function conditionIn({ node }: ActionStep): string | undefined {
  const condition = node.entries.get('if')?.node;
  return condition === undefined ? undefined : writtenIn(condition);
}

/** Refuses a condition for a step whose effect is there from the start of the job, whatever the condition comes to. */
export function refuseCondition(step: ActionStep, effect: string): void {
  const when = whenOf(conditionIn(step));
  if (when !== 'success' && when !== 'always')
    refuse(
      step,
      'if',
      `cannot be decided here: ${effect} when the job starts. Remove it, or make two jobs with an if.`,
    );
}

/** `${{ github.workspace }}/dist` is `dist`. */
export function fromTop(path: string): string {
  return path.replace(/^(!?)\$\{\{\s*github\.workspace\s*\}\}(?:\/+|$)/, '$1').trim() || '.';
}

/** `continue-on-error` of the step; an expression is refused. */
export function isTolerant(step: ActionStep): boolean {
  const tolerant = step.node.entries.get('continue-on-error')?.node.value ?? false;
  if (typeof tolerant !== 'boolean') refuse(step, 'continue-on-error', 'must be true or false for this action.');
  return tolerant === true;
}

/** What `${{ }}` expressions come to, with GitHub's own evaluator; no value may grow without limit. Pure and synchronous. */
import { data, Evaluator, wellKnownFunctions } from '@actions/expressions';
import {
  conditionOf,
  everything,
  hasExpression,
  parse,
  split,
  statusFunctions,
  usesStatus,
  type ContextName,
  type Part,
  type StatusFunction,
} from './expression-syntax.ts';
import { shown } from '../shown.ts';

export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };

/** What the expressions of one place are evaluated with. Contexts that are absent are null. */
export interface Values {
  readonly contexts: Partial<Readonly<Record<ContextName, Value>>>;
  readonly status?: Readonly<Record<StatusFunction, boolean>>;
  /** The digest of the files that match; called again for every use. */
  readonly hashFiles?: (patterns: readonly string[]) => string;
}

/** Thrown by an evaluation that fails: the text was right, but the values were not. */
export class ExpressionFailure extends Error {
  override readonly name = 'ExpressionFailure';
}

/** Longest text that any function or template may make. */
const MAX_RESULT_LENGTH = 1024 * 1024;
/** What all functions of one expression may make together. */
const MAX_MADE_LENGTH = 4 * MAX_RESULT_LENGTH;

/** The text with its expressions replaced. Throws ExpressionFailure. */
export function renderTemplate(text: string, values: Values): string {
  if (!hasExpression(text)) return text;
  return bounded(
    partsOf(text)
      .map((part) => ('text' in part ? part.text : evaluate(part.expression, values).coerceString()))
      .join(''),
    text,
  );
}

/** Of a text that is one expression the value with its type, otherwise the rendered text. Throws ExpressionFailure. */
export function evaluateTemplate(text: string, values: Values): Value {
  const parts = hasExpression(text) ? partsOf(text) : [];
  const [only] = parts;
  return parts.length === 1 && only !== undefined && 'expression' in only
    ? plain(evaluate(only.expression, values))
    : renderTemplate(text, values);
}

/** As on GitHub: without a status function in it a condition also asks for `success()`. Throws ExpressionFailure. */
export function evaluateCondition(text: string, values: Values): boolean {
  const condition = conditionOf(text);
  if (!condition.ok) throw new ExpressionFailure(condition.problem.message);
  const asksItself = usesStatus(text);
  if (!asksItself && values.status?.success === false) return false;
  return isTruthy(plain(evaluate(condition.value, values)));
}

/** As in an expression: null, false, 0, NaN and the empty text are not. */
export function isTruthy(value: Value): boolean {
  return !(value === null || value === false || value === 0 || value === '' || Number.isNaN(value));
}

/**
 * Yes or no where a key asks for it; undefined = it is neither. Not {@link isTruthy}: `vars` and outputs are texts, and the text
 * `false` would be a yes. What is empty is a no, such as an axis that a combination does not have.
 */
export function yesOrNoOf(value: Value): boolean | undefined {
  if (value === true || value === 'true') return true;
  return value === false || value === 'false' || value === null || value === '' ? false : undefined;
}

function partsOf(text: string): readonly Part[] {
  const parts = split(text);
  if (!parts.ok) throw new ExpressionFailure(parts.problem.message);
  return parts.value;
}

function evaluate(expression: string, values: Values): data.ExpressionData {
  const parsed = parse(expression, everything);
  if (!parsed.ok) throw new ExpressionFailure(parsed.problem.message);
  const context = new data.Dictionary(
    ...everything.contexts.map((name) => ({ key: name, value: dataOf(values.contexts[name] ?? null) })),
  );
  try {
    return new Evaluator(parsed.value.expr, context, functionsFor(expression, values)).evaluate();
  } catch (error) {
    if (error instanceof ExpressionFailure || !(error instanceof Error)) throw error;
    throw new ExpressionFailure(`\${{ ${expression.trim()} }}: ${error.message}`, { cause: error });
  }
}

type FunctionTable = NonNullable<ConstructorParameters<typeof Evaluator>[2]>;

function functionsFor(expression: string, values: Values): FunctionTable {
  const table: FunctionTable = new Map();
  let left = MAX_MADE_LENGTH;
  for (const [name, known] of Object.entries(wellKnownFunctions)) {
    table.set(name, {
      ...known,
      call: (...args) => {
        // Before the call: afterwards the text would be there already.
        if (longestResult(name, args) > MAX_RESULT_LENGTH) throw tooMuch(expression);
        const result = known.call(...args);
        if (result instanceof data.StringData) left -= bounded(result.value, expression).length;
        if (left < 0) throw tooMuch(expression);
        return result;
      },
    });
  }
  for (const name of statusFunctions) {
    const call = (): data.ExpressionData => new data.BooleanData(values.status?.[name] ?? name === 'success');
    table.set(name, { name, minArgs: 0, maxArgs: 0, call });
  }
  const hashFiles = (...args: data.ExpressionData[]): data.ExpressionData =>
    new data.StringData(values.hashFiles?.(args.map((arg) => arg.coerceString())) ?? '');
  table.set('hashfiles', { name: 'hashFiles', minArgs: 1, maxArgs: 255, call: hashFiles });
  return table;
}

/** At most so long; Infinity is never right, 0 for functions that cannot make more than they got. */
function longestResult(name: string, args: readonly data.ExpressionData[]): number {
  const lengthOf = (value: data.ExpressionData | undefined): number => value?.coerceString().length ?? 0;
  if (name === 'format') {
    const [pattern, ...values] = args;
    const places = (pattern?.coerceString().match(/\{/g) ?? []).length;
    return lengthOf(pattern) + places * Math.max(0, ...values.map(lengthOf));
  }
  if (name !== 'join') return 0;
  const [list, separator] = args;
  const items = list instanceof data.Array ? list.values() : [];
  const separators = items.length * (separator === undefined ? 1 : lengthOf(separator));
  return separators + items.reduce((sum, item) => sum + lengthOf(item), 0);
}

/** Nested calls of `format` or `toJSON` double a text with every level. */
function bounded(text: string, expression: string): string {
  if (text.length <= MAX_RESULT_LENGTH) return text;
  throw tooMuch(expression);
}

function tooMuch(expression: string): ExpressionFailure {
  return new ExpressionFailure(`${shown(expression)} makes more than 1 MiB of text; shorten it`);
}

function dataOf(value: Value): data.ExpressionData {
  if (value === null) return new data.Null();
  if (typeof value === 'string') return new data.StringData(value);
  if (typeof value === 'number') return new data.NumberData(value);
  if (typeof value === 'boolean') return new data.BooleanData(value);
  if (isList(value)) return new data.Array(...value.map(dataOf));
  return new data.Dictionary(...Object.entries(value).map(([key, item]) => ({ key, value: dataOf(item) })));
}

function plain(found: data.ExpressionData): Value {
  if (found instanceof data.Array) return found.values().map(plain);
  if (found instanceof data.Dictionary)
    return Object.fromEntries(found.pairs().map(({ key, value }) => [key, plain(value)]));
  if (found instanceof data.NumberData || found instanceof data.BooleanData) return found.value;
  return found instanceof data.StringData ? found.value : null;
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

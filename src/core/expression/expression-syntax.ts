/**
 * How `${{ }}` expressions are written, with GitHub's own parser. A pipeline file is hostile text, so only functions and
 * contexts that are listed here get through.
 */
import { ExpressionError, Lexer, Parser, wellKnownFunctions } from '@actions/expressions';
import { failed, success, type Result } from '../result.ts';
import { shown } from '../shown.ts';

export type ContextName =
  'github' | 'env' | 'matrix' | 'strategy' | 'needs' | 'inputs' | 'vars' | 'secrets' | 'steps' | 'job' | 'runner';

/** What an expression may use in one place of the file. */
export interface Scope {
  readonly contexts: readonly ContextName[];
  /** `success()`, `failure()`, `always()`, `cancelled()`. */
  readonly status?: boolean;
  /** `hashFiles()`, which needs a workspace. */
  readonly hashFiles?: boolean;
}

export interface ExpressionTrouble {
  /** A sentence with the next step. */
  readonly message: string;
  /** Which `${{` of the text it is in, from 0; 0 also for a condition without one. */
  readonly part: number;
  /** Characters after the beginning of that expression (after `${{`). */
  readonly offset: number;
}

export const statusFunctions = ['success', 'failure', 'always', 'cancelled'] as const;
export type StatusFunction = (typeof statusFunctions)[number];

export interface Parsed {
  readonly expr: ReturnType<Parser['parse']>;
  /** Context names and functions in lower case, as they are called. */
  readonly contexts: ReadonlySet<string>;
  readonly functions: ReadonlySet<string>;
  /** Names of secrets, in upper case, since they are the same in any case. */
  readonly secrets: ReadonlySet<string>;
  readonly tokens: Tokens;
}

export type Tokens = Readonly<ReturnType<Lexer['lex']>['tokens']>;

/** Is given every expression that is right: which `${{` of the text it is, its text and what was found in it. */
export type SeeParsed = (part: number, expression: string, parsed: Parsed) => void;

export type Part = { readonly text: string } | { readonly expression: string };

/** Whether the text holds an expression at all. */
export function hasExpression(text: string): boolean {
  return text.includes('${{');
}

/** Everything that is wrong with the expressions in a text; empty when all is well. */
export function checkTemplate(text: string, scope: Scope, see?: SeeParsed): readonly ExpressionTrouble[] {
  const parts = split(text);
  if (!parts.ok) return [parts.problem];
  return expressionsOf(parts.value).flatMap((expression, part) => {
    const parsed = parse(expression, scope);
    if (parsed.ok) see?.(part, expression, parsed.value);
    return parsed.ok ? [] : [{ ...parsed.problem, part }];
  });
}

/** The same for an `if:`, which may stand without `${{ }}`. */
export function checkCondition(text: string, scope: Scope, see?: SeeParsed): readonly ExpressionTrouble[] {
  const condition = conditionOf(text);
  if (!condition.ok) return [condition.problem];
  const parsed = parse(condition.value, scope);
  if (parsed.ok) see?.(0, condition.value, parsed.value);
  return parsed.ok ? [] : [parsed.problem];
}

/** The contexts that a text's expressions mention; empty for one that is wrong. */
export function contextsUsed(text: string): ReadonlySet<string> {
  return usedIn(text, ({ contexts }) => contexts);
}

/** The secrets that a text's expressions name, in upper case; empty for one that is wrong. */
export function secretsUsed(text: string): ReadonlySet<string> {
  return usedIn(text, ({ secrets }) => secrets);
}

function usedIn(text: string, names: (parsed: Parsed) => ReadonlySet<string>): ReadonlySet<string> {
  const parts = split(text);
  const used = new Set<string>();
  for (const expression of parts.ok ? expressionsOf(parts.value) : []) {
    const parsed = parse(expression, everything);
    if (parsed.ok) for (const name of names(parsed.value)) used.add(name);
  }
  return used;
}

/** Whether a condition names `success()`, `failure()`, `always()` or `cancelled()`. */
export function usesStatus(condition: string): boolean {
  const text = conditionOf(condition);
  const parsed = text.ok ? parse(text.value, everything) : undefined;
  return parsed?.ok === true && statusFunctions.some((name) => parsed.value.functions.has(name));
}

export const everything: Scope = {
  contexts: ['github', 'env', 'matrix', 'strategy', 'needs', 'inputs', 'vars', 'secrets', 'steps', 'job', 'runner'],
  status: true,
  hashFiles: true,
};

/** `it''s }}` inside quotes does not end an expression. */
export function split(text: string): Result<readonly Part[], ExpressionTrouble> {
  const parts: Part[] = [];
  let at = 0;
  for (let start = text.indexOf('${{'); start !== -1; start = text.indexOf('${{', at)) {
    const end = endOf(text, start + 3);
    if (end === undefined)
      return failed({
        message: 'This expression is not closed. Write "}}" at its end.',
        part: expressionsOf(parts).length,
        offset: 0,
      });
    if (start > at) parts.push({ text: text.slice(at, start) });
    parts.push({ expression: text.slice(start + 3, end) });
    at = end + 2;
  }
  if (at < text.length || parts.length === 0) parts.push({ text: text.slice(at) });
  return success(parts);
}

/** Where the n-th expression of a text begins, after its `${{`; 0 where there is none, as in a bare condition. */
export function startOfPart(text: string, part: number): number {
  let start = text.indexOf('${{');
  for (let seen = 0; seen < part && start !== -1; seen++)
    start = text.indexOf('${{', endOf(text, start + 3) ?? text.length);
  return start === -1 ? 0 : start + 3;
}

function endOf(text: string, from: number): number | undefined {
  let isQuoted = false;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "'") isQuoted = !isQuoted;
    else if (!isQuoted && text.startsWith('}}', at)) return at;
  }
  return undefined;
}

function expressionsOf(parts: readonly Part[]): readonly string[] {
  return parts.flatMap((part) => ('expression' in part ? [part.expression] : []));
}

/** The expression of an `if:`. On GitHub `${{ a }} == 'b'` is a text and so always true, which nobody ever meant. */
export function conditionOf(text: string): Result<string, ExpressionTrouble> {
  if (!hasExpression(text)) return success(text);
  const parts = split(text.trim());
  if (!parts.ok) return parts;
  const [only] = parts.value;
  if (parts.value.length === 1 && only !== undefined && 'expression' in only) return success(only.expression);
  return failed({
    message: 'Only a part of this condition is an expression. Put "${{ }}" around the whole of it, or leave it away.',
    part: 0,
    offset: 0,
  });
}

export function parse(expression: string, scope: Scope): Result<Parsed, ExpressionTrouble> {
  const own = [...(scope.status === true ? statusFunctions : []), ...(scope.hashFiles === true ? ['hashfiles'] : [])];
  try {
    const { tokens } = new Lexer(expression).lex();
    const contexts = new Set<string>();
    const functions = new Set<string>();
    const secrets = new Set<string>();
    for (const [index, token] of tokens.entries()) {
      // The lexer unescapes only the first quote of a text.
      if (token.lexeme.startsWith("'")) token.value = token.lexeme.slice(1, -1).replaceAll("''", "'");
      if (!/^[A-Za-z_]/.test(token.lexeme) || tokens[index - 1]?.lexeme === '.') continue;
      const name = token.lexeme.toLowerCase();
      if (tokens[index + 1]?.lexeme === '(') functions.add(name);
      else if (!literals.has(name)) contexts.add(name);
      if (name !== 'secrets' || !scope.contexts.includes('secrets')) continue;
      const secret = secretAt(tokens.slice(index + 1, index + 4).map(({ lexeme }) => lexeme));
      if (secret === undefined) return failed(about(SECRET_FAULT, expression, name));
      secrets.add(secret);
    }
    const unknown = [...functions].find((name) => !Object.hasOwn(wellKnownFunctions, name) && !own.includes(name));
    if (unknown !== undefined) return failed(about(functionFault(unknown, scope), expression, unknown));
    const foreign = [...contexts].find((name) => !(scope.contexts as readonly string[]).includes(name));
    if (foreign !== undefined) return failed(about(contextFault(foreign, scope), expression, foreign));
    const info = own.map((name) => ({
      name,
      minArgs: name === 'hashfiles' ? 1 : 0,
      maxArgs: name === 'hashfiles' ? 255 : 0,
    }));
    const expr = new Parser(tokens, [...scope.contexts], info).parse();
    return (expr as unknown) === undefined
      ? failed({ message: 'This expression is empty. Write a value or remove it.', part: 0, offset: 0 })
      : success({ expr, contexts, functions, secrets, tokens });
  } catch (error) {
    return failed(troubleOf(error, expression));
  }
}

/** Which secrets a job gets must be known before it starts, so none can be chosen by an expression. */
const SECRET_FAULT = 'Secrets are given one by one. Name the one that is needed: secrets.NAME.';

/** From what follows `secrets`: `.NAME` or `['NAME']`. */
function secretAt([first = '', second = '', third]: readonly string[]): string | undefined {
  const name = first === '[' && third === ']' ? /^'(\w+)'$/.exec(second)?.[1] : first === '.' ? second : undefined;
  return name !== undefined && /^[A-Za-z_]\w*$/.test(name) ? name.toUpperCase() : undefined;
}

const literals: ReadonlySet<string> = new Set(['true', 'false', 'null', 'nan', 'infinity']);

function functionFault(name: string, scope: Scope): string {
  const isStatus = (statusFunctions as readonly string[]).includes(name);
  if (isStatus) return `${name}() tells how things went and belongs into "if". Move it there.`;
  if (name === 'hashfiles') return 'hashFiles() needs a workspace and belongs into steps. Move it there.';
  const known = ['contains', 'startsWith', 'endsWith', 'format', 'join', 'toJSON', 'fromJSON', 'case'];
  const own = [...(scope.status === true ? statusFunctions : []), ...(scope.hashFiles === true ? ['hashFiles'] : [])];
  return `There is no function ${shown(name)}. Use one of ${[...known, ...own].join(', ')}.`;
}

function contextFault(name: string, scope: Scope): string {
  const isOther = (everything.contexts as readonly string[]).includes(name);
  const why = isOther ? `${name} is not known here` : `There is no ${shown(name)}`;
  return `${why}. Use ${scope.contexts.join(', ')}, or put a text into single quotes.`;
}

function about(message: string, expression: string, word: string): ExpressionTrouble {
  return { message, part: 0, offset: Math.max(0, expression.toLowerCase().indexOf(word)) };
}

/** Characters before a place in an expression. */
export function offsetIn(
  expression: string,
  { line, column }: { readonly line: number; readonly column: number },
): number {
  const before = expression.split('\n').slice(0, line);
  const offset = before.reduce((sum, one) => sum + one.length + 1, 0) + column;
  return Math.min(offset, expression.length);
}

function troubleOf(error: unknown, expression: string): ExpressionTrouble {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof ExpressionError)
    return { message: `${text}. Correct the expression here.`, part: 0, offset: offsetIn(expression, error.pos) };
  if (text === 'ErrorExceededMaxLength')
    return { message: 'The expression is longer than 21000 characters. Shorten it.', part: 0, offset: 0 };
  const placed = /^(Unexpected symbol: .*)\. Located at position (\d+) within/s.exec(text);
  const symbol = placed?.[1]?.slice('Unexpected symbol: '.length, 100) ?? '';
  const hint = symbol.startsWith('\'"') ? ' A text stands in single quotes.' : '';
  return {
    message: placed === null ? `${text}.` : `Unexpected symbol ${shown(symbol)}. Correct the expression here.${hint}`,
    part: 0,
    offset: placed === null ? 0 : Number(placed[2]) - 1,
  };
}

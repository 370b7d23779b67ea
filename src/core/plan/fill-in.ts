/** What of a pipeline file is filled in when a run is planned; what does not come out right is trouble of a key. */
import { ExpressionFailure, evaluateTemplate, yesOrNoOf, type Value, type Values } from '../expression/expression.ts';
import type { ProblemCode } from '../problem.ts';

export class Trouble extends Error {
  readonly code: ProblemCode;

  constructor(code: ProblemCode, message: string) {
    super(message);
    this.code = code;
  }
}

export function numberOf(value: number | string, label: string, values: Values, least: number, most: number): number {
  const found = given(value, label, values);
  const number = Number(found);
  if (number > 0 && number >= least && number <= most) return number;
  throw new Trouble('bad-value', `${label} must be a number from ${least} to ${most}. It is ${short(found)}.`);
}

export function yesOrNo(value: boolean | string, label: string, values: Values): boolean {
  const found = given(value, label, values);
  const answer = yesOrNoOf(found);
  if (answer !== undefined) return answer;
  throw new Trouble('bad-value', `${label} must be true or false. It is ${short(found)}.`);
}

/** What stands in the file, or what its expression gives. */
export function given(value: Value, label: string, values: Values): Value {
  return typeof value === 'string' ? attempt(label, () => evaluateTemplate(value, values)) : value;
}

export function attempt<T>(label: string, evaluate: () => T): T {
  try {
    return evaluate();
  } catch (cause) {
    if (!(cause instanceof ExpressionFailure)) throw cause;
    throw new Trouble('bad-expression', `${label}: ${cause.message}. Correct the expression or what it takes.`);
  }
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** The same wherever texts stand in a list or a mapping. */
export function filled(value: Value, label: string, values: Values): Value {
  if (typeof value === 'string') return given(value, label, values);
  if (isList(value)) return value.map((item) => filled(item, label, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, filled(item, label, values)]));
}

export function short(value: Value): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}

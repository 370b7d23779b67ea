/** `on.workflow_dispatch`: the inputs a pipeline takes, and whether what somebody gave fits them. Pure. */
import type { Value } from './expression/expression.ts';
import { nearestWord } from './problem.ts';
import { failed, success, type Result } from './result.ts';
import { shown } from './shown.ts';

/** As on GitHub. */
export const MAX_INPUTS = 25;

export const inputTypes = ['string', 'boolean', 'number', 'choice'] as const;
export type InputType = (typeof inputTypes)[number];

export interface DispatchInput {
  readonly description: string | null;
  readonly required: boolean;
  readonly type: InputType;
  /** As it was typed; null = none. */
  readonly default: string | null;
  /** Of a choice; empty for the others. */
  readonly options: readonly string[];
}

/** By name, in the order of the file. */
export type DispatchInputs = Readonly<Record<string, DispatchInput>>;

/** As it came: JSON keeps types, a command line gives texts. */
export type GivenInputs = Readonly<Record<string, string | number | boolean>>;

export interface InputValues {
  /** The `inputs` context: a boolean is a boolean, a number a number. */
  readonly typed: Readonly<Record<string, Value>>;
  /** `github.event.inputs`: all texts, as on GitHub. */
  readonly texts: Readonly<Record<string, string>>;
}

/** The values of all inputs, defaults filled in; or a sentence for each that is unknown, missing or does not fit. */
export function judgeInputs(inputs: DispatchInputs, given: GivenInputs): Result<InputValues, readonly string[]> {
  const names = Object.keys(inputs);
  const faults = Object.keys(given)
    .filter((name) => !Object.hasOwn(inputs, name))
    .map((name) => unknownInput(name, names));
  const values = Object.entries(inputs).map(([name, input]): [string, string | null] => {
    const text = Object.hasOwn(given, name) ? String(given[name]) : input.default;
    if (input.required && (text === null || text === ''))
      faults.push(`The input ${name} is required. Give it a value${ofOptions(input)}.`);
    else {
      const fault = text === null ? undefined : valueFault(input, text);
      if (fault !== undefined) faults.push(`The input ${name} ${fault}. It is ${shown(text ?? '')}.`);
    }
    return [name, text];
  });
  if (faults.length > 0) return failed(faults);
  const typed = values.map(([name, text]): [string, Value] => [name, typedValue(inputs[name]?.type ?? 'string', text)]);
  const texts = values.map(([name, text]) => [name, text ?? (inputs[name]?.type === 'boolean' ? 'false' : '')]);
  return success({ typed: Object.fromEntries(typed), texts: Object.fromEntries(texts) as InputValues['texts'] });
}

/** Why the text is no value of the input, or undefined when it is one. Goes on after the input's name. */
export function valueFault(
  { type, options }: Pick<DispatchInput, 'type' | 'options'>,
  text: string,
): string | undefined {
  switch (type) {
    case 'string':
      return undefined;
    case 'boolean':
      return text === 'true' || text === 'false' ? undefined : 'must be true or false';
    case 'number':
      return /^-?\d{1,15}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?$/.test(text) ? undefined : 'must be a number';
    case 'choice':
      return options.includes(text) ? undefined : `must be one of ${options.map(shown).join(', ')}`;
  }
}

/** What an input is that nobody gave: as on GitHub false, or empty. */
function typedValue(type: InputType, text: string | null): Value {
  switch (type) {
    case 'boolean':
      return text === 'true';
    case 'number':
      return text === null ? null : Number(text);
    case 'string':
    case 'choice':
      return text ?? '';
  }
}

function unknownInput(name: string, names: readonly string[]): string {
  const near = nearestWord(name, names);
  const known = names.length === 0 ? 'It takes none.' : `Its inputs: ${names.join(', ')}.`;
  return `There is no input ${shown(name)}. ${near === undefined ? known : `Did you mean "${near}"?`}`;
}

function ofOptions({ options }: DispatchInput): string {
  return options.length === 0 ? '' : `: one of ${options.map(shown).join(', ')}`;
}

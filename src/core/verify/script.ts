/** The first line of a script: which program runs it. Pure. */

/** What the kernel makes of `#!`. */
export interface Script {
  readonly kind: 'script';
  /** As written; empty where nothing follows `#!`. */
  readonly interpreter: string;
  /** All of the rest of the line is one argument to the kernel; null = none. */
  readonly argument: string | null;
  /** The line ends as on Windows, and the character before its end becomes part of the name. */
  readonly hasCarriageReturn: boolean;
}

/** The kernel looks at no more of a file. */
const LONGEST_LINE = 256;

/** Undefined for what does not begin with `#!`. */
export function readScript(start: string): Script | undefined {
  if (!start.startsWith('#!')) return undefined;
  const line = /^#![ \t]*([^\n]*)/.exec(start.slice(0, LONGEST_LINE))?.[1] ?? '';
  const text = line.replace(/[ \t]+$/, '');
  const [, interpreter = '', argument = ''] = /^([^ \t\0]*)[ \t]*([^\0]*)/.exec(text) ?? [];
  const hasCarriageReturn = text.endsWith('\r');
  return {
    kind: 'script',
    interpreter: interpreter.replace(/\r$/, ''),
    argument: argument.replace(/\r$/, '') === '' ? null : argument.replace(/\r$/, ''),
    hasCarriageReturn,
  };
}

/** What `env` looks for on the PATH; `words` is its one argument as it arrives there. */
export type EnvProgram =
  | { readonly kind: 'program'; readonly name: string }
  /** Several words without `-S` arrive as one, and no program has such a name. */
  | { readonly kind: 'unsplit'; readonly text: string }
  /** It is not this line that says what runs. */
  | { readonly kind: 'none' };

/** What `#!/usr/bin/env ARGUMENT` starts. */
export function programOfEnv(argument: string | null): EnvProgram {
  if (argument === null) return { kind: 'none' };
  const split = /^(?:-S|--split-string=?|-[iv0]*S)[ \t]*(.*)$/.exec(argument);
  if (split === null) {
    if (argument.startsWith('-')) return { kind: 'none' };
    return /[ \t]/.test(argument) ? { kind: 'unsplit', text: argument } : { kind: 'program', name: argument };
  }
  // Options and settings come before the program.
  const name = (split[1] ?? '')
    .split(/[ \t]+/)
    .find((word) => word !== '' && !word.startsWith('-') && !word.includes('='));
  return name === undefined ? { kind: 'none' } : { kind: 'program', name };
}

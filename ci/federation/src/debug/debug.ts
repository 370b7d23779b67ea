/**
 * What the programs print about themselves: events of four kinds at five levels, to the console or a file. Set by
 * DEBUG_LEVEL, DEBUG_FORMAT, DEBUG_OUTPUT and DEBUG_FILE.
 */
import { appendFileSync } from 'node:fs';
import { z } from 'zod';

export const debugSettings = {
  DEBUG_LEVEL: z.enum(['SILENT', 'BASIC', 'DETAILED', 'VERBOSE', 'TRACE']).default('BASIC'),
  DEBUG_FORMAT: z.enum(['human', 'json', 'compact']).default('human'),
  DEBUG_OUTPUT: z.enum(['console', 'file', 'both']).default('console'),
  /** Where DEBUG_OUTPUT=file writes to. */
  DEBUG_FILE: z.string().min(1).default('federation-debug.log'),
};

export type DebugLevel = z.infer<typeof debugSettings.DEBUG_LEVEL>;
export type DebugFormat = z.infer<typeof debugSettings.DEBUG_FORMAT>;
export type EventKind = 'lifecycle' | 'task' | 'memory' | 'message';

export interface DebugEvent {
  readonly kind: EventKind;
  /** Fixed text; what varies goes into the fields. */
  readonly name: string;
  readonly fields?: Readonly<Record<string, string | number | boolean | null>>;
}

export interface Debug {
  /** Prints the event when the level asks for it. Never throws: a full disk must not end the program. */
  (level: Exclude<DebugLevel, 'SILENT'>, event: DebugEvent): void;
}

const RANKS: Readonly<Record<DebugLevel, number>> = { SILENT: 0, BASIC: 1, DETAILED: 2, VERBOSE: 3, TRACE: 4 };
const INITIALS: Readonly<Record<EventKind, string>> = { lifecycle: 'L', task: 'T', memory: 'M', message: 'm' };

export interface DebugOptions {
  readonly settings: { readonly [K in keyof typeof debugSettings]: z.infer<(typeof debugSettings)[K]> };
  /** The program: "hub", "agent test-collaboration/coder". */
  readonly source: string;
  readonly now?: () => Date;
  readonly print?: (line: string) => void;
}

export function createDebug({ settings, source, now = () => new Date(), print = printLine }: DebugOptions): Debug {
  const { DEBUG_LEVEL: level, DEBUG_FORMAT: format, DEBUG_OUTPUT: output, DEBUG_FILE: file } = settings;
  return (wanted, event) => {
    if (!isShown(wanted, level)) return;
    const line = debugLine({ format, source, at: now(), event });
    if (output !== 'file') print(line);
    if (output !== 'console') append(file, line);
  };
}

/** Whether an event of this level is printed at the level that is set. */
export function isShown(wanted: DebugLevel, set: DebugLevel): boolean {
  return RANKS[wanted] <= RANKS[set];
}

interface Line {
  readonly format: DebugFormat;
  readonly source: string;
  readonly at: Date;
  readonly event: DebugEvent;
}

/** One line without its end. Values from outside are quoted, so they can neither end a line nor steer a terminal. */
export function debugLine({ format, source, at, event: { kind, name, fields = {} } }: Line): string {
  const pairs = Object.entries(fields)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? quoted(value) : String(value)}`)
    .join(' ');
  const tail = pairs === '' ? '' : ` ${pairs}`;
  switch (format) {
    case 'json':
      return JSON.stringify({ at: at.toISOString(), source, kind, name, ...fields });
    case 'compact':
      return `${INITIALS[kind]} ${name}${tail}`;
    case 'human':
      return `${at.toISOString().slice(11, 23)} ${source} ${kind.padEnd(9)} ${name}${tail}`;
  }
}

function quoted(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, '?');
}

function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

function append(file: string, line: string): void {
  try {
    appendFileSync(file, `${line}\n`);
  } catch (error) {
    process.stderr.write(`DEBUG_FILE ${file}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

/** Exit codes of every verb. */
export const exits = {
  good: 0,
  /** What was asked about is not good: a run that is not success, a file with problems. */
  bad: 1,
  /** Wrong usage or configuration. */
  usage: 2,
  /** The daemon cannot be reached, or nothing was found. */
  nothing: 3,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exits)[keyof typeof exits];

/** Ends a verb with this message and exit code, without a stack trace: something that the person can mend. */
export class Complaint extends Error {
  override readonly name = 'Complaint';
  readonly exit: ExitCode;
  constructor(exit: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
  }
}

/** What every verb gets beside its own arguments. */
export interface VerbContext {
  /** Folder to work in: where it was started, or `-C DIR`. Absolute. */
  readonly cwd: string;
  /** `-o json`: one JSON value on standard output instead of text. */
  readonly json: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Writes to standard output, without a newline of its own. */
  readonly write: (text: string | Uint8Array) => void;
  /** Writes a line to standard error. */
  readonly complain: (line: string) => void;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
}

/** What the verbs over the working tree's own files want. */
export function forPipelines({ cwd, json, write }: VerbContext): {
  cwd: string;
  json: boolean;
  out: (line: string) => void;
} {
  return {
    cwd,
    json,
    out: (line) => {
      write(`${line}\n`);
    },
  };
}

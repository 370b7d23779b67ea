/** A command line that takes its time, such as a pull or a build: its lines as they come, and the last of them when it fails. */
import { execa } from 'execa';

export type CommandResult = { readonly ok: true } | { readonly ok: false; readonly lastLines: string };

export interface LongCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Longer than any honest one takes, because a stalled one must end some time. */
  readonly timeoutMs: number;
  readonly onOutput: (text: string) => void;
  /** Ends it; it then counts as failed. */
  readonly signal?: AbortSignal | undefined;
}

const LAST_LINES = 20;

/** Never rejects because the command failed. */
export async function runLong({
  command,
  args,
  env,
  timeoutMs,
  onOutput,
  signal,
}: LongCommand): Promise<CommandResult> {
  const child = execa(command, args, {
    all: true,
    buffer: false,
    reject: false,
    stdin: 'ignore',
    env,
    timeout: timeoutMs,
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  let last: string[] = [];
  for await (const line of child.iterable({ from: 'all' })) {
    onOutput(`${line}\n`);
    last = [...last.slice(1 - LAST_LINES), line];
  }
  const result = await child;
  if (!result.failed) return { ok: true };
  if (result.timedOut) last.push(`it did not end within ${timeoutMs} ms and was stopped`);
  return { ok: false, lastLines: last.join('\n') || result.shortMessage || '' };
}

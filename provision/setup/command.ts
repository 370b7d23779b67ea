// Runs host commands for set-up. Only Node's own modules, so that it works before anything else is installed.
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { accessSync, constants } from 'node:fs';

/** How a command ended. `code` is null when it was ended by a signal, a deadline or could not be started. */
export type Finished = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type CommandOptions = {
  /** Milliseconds until the command is killed. Default: ten minutes. */
  readonly deadline?: number;
  /** Kill it when it has printed nothing at all after this many milliseconds. */
  readonly firstOutputWithin?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
};

const TEN_MINUTES = 600_000;

/** Runs a command to its end and never throws: a command that is not installed ends with `code: null`. */
export function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, LC_ALL: 'C.UTF-8', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    const end = (why: string): void => {
      stderr += `${why}\n`;
      child.kill('SIGKILL');
    };
    const deadline = options.deadline ?? TEN_MINUTES;
    const timers = [setTimeout(() => end(`${command} was ended after ${deadline} ms`), deadline)];
    const { firstOutputWithin } = options;
    if (firstOutputWithin !== undefined) {
      const silent = setTimeout(() => end(`${command} said nothing for ${firstOutputWithin} ms`), firstOutputWithin);
      timers.push(silent);
      child.stdout.once('data', () => clearTimeout(silent));
    }
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    // A command that ends without reading its input closes the pipe; its exit code tells the story.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const finish = (code: number | null): void => {
      timers.forEach((timer) => clearTimeout(timer));
      resolve({ code, stdout, stderr });
    };
    child.once('error', (error) => {
      stderr += `${error.message}\n`;
      finish(null);
    });
    child.once('close', finish);
  });
}

/** Like `run`, but a command that does not end with 0 throws an Error with the last lines it printed. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Finished> {
  const finished = await run(command, args, options);
  if (finished.code === 0) return finished;
  const said = lastLines(finished.stderr || finished.stdout, 15);
  throw new Error(`\`${[command, ...args].join(' ')}\` ended with ${finished.code ?? 'no exit code'}:\n${said}`);
}

/** Where a command is on PATH (sbin folders included, which many users do not have there), or undefined. */
export function findCommand(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The end of a text, for error messages. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

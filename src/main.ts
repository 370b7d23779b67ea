#!/usr/bin/env node
/** The process: argv, signals and exit codes. The only file that reads, handles and sets them. */
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { Complaint, exits, type VerbContext } from './cli/exit.ts';
import { createProgram } from './cli/program.ts';

const stop = new AbortController();
let exitCode: number = exits.good;

// For good: execa ends this process at a signal that nobody else listens to any more while a child of it runs.
process.on('SIGTERM', () => {
  stop.abort(new Error('SIGTERM'));
});
/** A terminal sends Ctrl-C to every process of its group, and npm hands its own on: these are one. */
const SAME_CTRL_C_MS = 500;
let interruptedAt: number | undefined;
process.on('SIGINT', () => {
  interruptedAt ??= performance.now();
  stop.abort(new Error('SIGINT'));
  // A second Ctrl-C means: at once.
  if (performance.now() - interruptedAt > SAME_CTRL_C_MS) process.exit(exits.interrupted);
});
// `hearth logs … | head` closes the pipe; that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? exits.good : exits.bad),
);

const program = createProgram({
  version: versionOfPackage(),
  verb,
  readInput: readStandardInput,
  isTerminal: process.stdin.isTTY && process.stdout.isTTY,
});

/** Gives a verb its context and keeps its exit code. commander passes the verb's own arguments first. */
function verb<A extends unknown[]>(
  act: (context: VerbContext, ...args: A) => Promise<number>,
): (...args: A) => Promise<void> {
  return async (...args) => {
    const { C, o } = program.opts<{ C: string; o: string }>();
    const context: VerbContext = {
      cwd: resolve(C),
      json: o === 'json',
      environment: process.env,
      write: (text) => process.stdout.write(text),
      complain: (line) => process.stderr.write(`${line}\n`),
      interrupted: stop.signal,
    };
    try {
      if (!(await isFolder(context.cwd))) throw new Complaint(exits.usage, `There is no folder ${context.cwd} (-C).`);
      exitCode = await act(context, ...args);
    } catch (error) {
      if (stop.signal.aborted) exitCode = exits.interrupted;
      else if (!(error instanceof Complaint)) throw error;
      else {
        context.complain(error.message);
        exitCode = error.exit;
      }
    }
  };
}

/** The manifest lies above `src/` and above the bundle alike. */
function versionOfPackage(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { readonly version: string }).version;
}

/** undefined at a terminal: what is typed there would be seen. */
async function readStandardInput(): Promise<string | undefined> {
  return process.stdin.isTTY ? undefined : text(process.stdin);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

try {
  await program.parseAsync();
} catch (error) {
  // commander has printed help or what is wrong with the arguments already.
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('commander.')) {
    exitCode = 'exitCode' in error && error.exitCode === 0 ? exits.good : exits.usage;
  } else {
    process.stderr.write(`hearth: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    exitCode = exits.bad;
  }
}
process.exitCode = exitCode;
// A build that nobody waits for any more must not keep the process.
if (stop.signal.aborted) process.exit();

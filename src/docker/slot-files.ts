/** The files of a slot's control directory: names, formats, strict readers. See native/protocol.md. */
import { constants, openSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { safeRead } from './safe-read.ts';

export interface StepRequest {
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly logBytes: number;
  readonly uid: number;
  readonly gid: number;
  /** The workspace is a folder of the host: hand it to the job's user first, and back at the end. */
  readonly handOver: boolean;
  readonly workingDirectory: string;
  /** Put into the log before the step's own output. */
  readonly banner: string;
  readonly script: string;
  /** Words of the command that runs the script; absent or empty = bash, else sh. */
  readonly command?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Put beside the script, in memory, for the job's user alone: text by name. Names are letters, digits and `_`. */
  readonly files?: Readonly<Record<string, string>>;
}

/** How a step's process ended. */
export type StepEnd =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: number }
  | { readonly kind: 'timeout' | 'stopped' | 'bad' | 'nofork' };

/** What the supervisor observed once nothing of the job was left. */
export interface JobEnd {
  readonly writtenBytes: number;
  readonly keptBytes: number;
  /** Error number of a failed write to the log; 28 is ENOSPC. */
  readonly logErrno: number;
  /** The job changed resource limits of the supervisor: the slot must not be used again. */
  readonly tampered: boolean;
}

export type CommandFile = 'env' | 'path' | 'output' | 'summary';

const COMMAND_FILE_LIMIT = 1024 ** 2;

/** Between the words of a command; no word can hold it, since commands come from one line of a pipeline file. */
const WORD_END = '\x1f';

export function jobDirectory(slotDirectory: string, n: number): string {
  return join(slotDirectory, 'jobs', String(n));
}

function stepDirectory(slotDirectory: string, n: number, k: number): string {
  return join(jobDirectory(slotDirectory, n), String(k));
}

/** Writes the request of a step; the order to run it may be sent when this resolves. May be repeated before that. */
export async function writeRequest(slotDirectory: string, n: number, k: number, step: StepRequest): Promise<void> {
  const env = Object.entries(step.env).map(([name, value]) => `${name}=${value}`);
  const strings = [
    'hearth-step-3',
    ...[step.timeoutMs, step.graceMs, step.logBytes, step.uid, step.gid].map((value) => String(Math.ceil(value))),
    step.handOver ? '1' : '0',
    step.workingDirectory,
    step.banner,
    step.script,
    (step.command ?? []).join(WORD_END),
    String(Object.keys(step.files ?? {}).length),
    ...Object.entries(step.files ?? {}).flat(),
    ...env,
  ];
  const directory = stepDirectory(slotDirectory, n, k);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // A NUL cannot be in a request; the pipeline parser refuses it, and here it would shift every field after it.
  await writeWhole(join(directory, 'req'), `${strings.map((text) => text.replaceAll('\0', '')).join('\0')}\0`);
}

/** Once the step has started nobody reads the request again, and it may hold secrets. May be repeated. */
export async function removeRequest(slotDirectory: string, n: number, k: number): Promise<void> {
  await rm(join(stepDirectory(slotDirectory, n, k), 'req'), { force: true });
}

export async function stepStarted(slotDirectory: string, n: number, k: number): Promise<boolean> {
  return (await safeRead(join(stepDirectory(slotDirectory, n, k), 'started'), 0)) !== undefined;
}

export async function hasRequest(slotDirectory: string, n: number, k: number): Promise<boolean> {
  return (await safeRead(join(stepDirectory(slotDirectory, n, k), 'req'), 64 * 1024 ** 2)) !== undefined;
}

/** The daemon's own note that a step does not run, so that a later process does not think otherwise. May be repeated. */
export async function writeLeftOut(slotDirectory: string, n: number, k: number): Promise<void> {
  const directory = stepDirectory(slotDirectory, n, k);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeWhole(join(directory, 'left-out'), '');
}

export async function wasLeftOut(slotDirectory: string, n: number, k: number): Promise<boolean> {
  return (await safeRead(join(stepDirectory(slotDirectory, n, k), 'left-out'), 0)) !== undefined;
}

/** The daemon's own note of what was published after a step, so that it is not looked for again. May be repeated. */
export async function writePublished(slotDirectory: string, n: number, k: number, note: string): Promise<void> {
  await writeWhole(join(stepDirectory(slotDirectory, n, k), 'published'), note);
}

export async function readPublished(slotDirectory: string, n: number, k: number): Promise<string | undefined> {
  const bytes = await safeRead(join(stepDirectory(slotDirectory, n, k), 'published'), COMMAND_FILE_LIMIT);
  return bytes?.toString('utf8');
}

/** Pid of the process of a step that waits for `go`, null when the step is over, undefined until either is known. */
export async function readHeld(slotDirectory: string, n: number, k: number): Promise<number | null | undefined> {
  if ((await readStepEnd(slotDirectory, n, k)) !== undefined) return null;
  const bytes = await safeRead(join(stepDirectory(slotDirectory, n, k), 'held'), 16);
  if (bytes === undefined) return undefined;
  const match = /^([1-9]\d{0,9})\n$/.exec(bytes.toString('latin1'));
  if (match === null) throw new Error("a step's held file is not of the agreed form");
  return Number(match[1]);
}

/** Undefined until the step is over. Throws when the file is not of the agreed form. */
export async function readStepEnd(slotDirectory: string, n: number, k: number): Promise<StepEnd | undefined> {
  const bytes = await safeRead(join(stepDirectory(slotDirectory, n, k), 'rc'), 32);
  if (bytes === undefined) return undefined;
  const match = /^(?:(exit|signal) (\d{1,3})|(timeout|stopped|bad|nofork))\n$/.exec(bytes.toString('latin1'));
  if (match?.[1] === 'exit') return { kind: 'exit', code: Number(match[2]) };
  if (match?.[1] === 'signal') return { kind: 'signal', signal: Number(match[2]) };
  const kind = match?.[3];
  if (kind === 'timeout' || kind === 'stopped' || kind === 'bad' || kind === 'nofork') return { kind };
  throw new Error(`a step's rc file is not of the agreed form: ${JSON.stringify(bytes.toString('latin1'))}`);
}

/** Undefined until nothing of the job is left. Throws when the file is not of the agreed form. */
export async function readJobEnd(slotDirectory: string, n: number): Promise<JobEnd | undefined> {
  const bytes = await safeRead(join(jobDirectory(slotDirectory, n), 'end'), 128);
  if (bytes === undefined) return undefined;
  const match = /^(\d{1,20}) (\d{1,20}) (\d{1,3}) ([01])\n$/.exec(bytes.toString('latin1'));
  if (match === null) throw new Error("a job's end file is not of the agreed form");
  return {
    writtenBytes: Number(match[1]),
    keptBytes: Number(match[2]),
    logErrno: Number(match[3]),
    tampered: match[4] === '1',
  };
}

/** What the job wrote for its later steps, as it stood after step k; empty when it wrote nothing readable. */
export async function readCommandFile(slotDirectory: string, n: number, k: number, name: CommandFile): Promise<string> {
  const bytes = await safeRead(join(stepDirectory(slotDirectory, n, k), name), COMMAND_FILE_LIMIT);
  return bytes?.toString('utf8') ?? '';
}

/** Numbers of the jobs that have a folder in the slot. */
export async function jobNumbers(slotDirectory: string): Promise<readonly number[]> {
  const names = await readdir(join(slotDirectory, 'jobs'));
  return names
    .map(Number)
    .filter((n) => Number.isSafeInteger(n) && n > 0)
    .sort((a, b) => a - b);
}

/** Whole or not at all, for readers in this boot; not made durable, since no slot outlives a power cut anyway. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await rm(temporary, { force: true });
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  await writeFile(temporary, text, { mode: 0o600, flag: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW });
  await rename(temporary, path);
}

/** Opens a pipe of the control directory without waiting for its other end; the caller closes the descriptor. */
export function openPipe(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
}

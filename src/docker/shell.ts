/**
 * A shell in a copy of a kept workspace: a container like the job's, over an overlay of its own whose lowest scratch is what
 * the job left. Nothing that was kept is written to, and nothing of the shell stays.
 */
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { isErrno } from '../core/errno.ts';
import { openEgress, type Egress, type EgressWish } from './egress.ts';
import { dockerEngine, type Engine } from './engine.ts';
import { markUse, readKept, unmarkUse, type KeptRecord } from './kept-folder.ts';
import { openMountHelper, type MountHelper, type ProcessIdentity } from './mount-helper.ts';
import { nativePrograms, type NativePrograms } from './native.ts';
import { bootId, identityOf, isAlive } from './process-identity.ts';
import { removeTree } from './remove-tree.ts';
import { startHeld } from './service-container.ts';
import { shellArgs } from './slot-container.ts';

export interface ShellRequest {
  readonly dataDirectory: string;
  /** The workspace, relative to `kept/`. */
  readonly workspace: string;
  /** Tells containers of shells of this data folder from all others. */
  readonly label: string;
  /** Empty = an interactive shell, or one that reads what is piped in. */
  readonly command: readonly string[];
  readonly isTerminal: boolean;
  /** As TERM, for programs that draw. */
  readonly terminal: string | undefined;
  readonly egress: EgressWish;
  /** As DOCKER_HOST; absent = the local engine. */
  readonly dockerHost: string | undefined;
  /** Aborting ends the shell. */
  readonly interrupted: AbortSignal;
}

/** Something that the person can mend, or that is over. */
export class ShellTrouble extends Error {
  override readonly name = 'ShellTrouble';
  /** `gone` = the workspace is not there (any more). */
  readonly kind: 'gone' | 'machine';
  constructor(kind: ShellTrouble['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** As in the jobs: bash where the image has it. */
const ANY_SHELL = ['sh', '-c', 'command -v bash >/dev/null && exec bash; exec sh'] as const;
const LOOK_MS = 10;

/**
 * Runs the command, or a shell, with this process's own input and output, and returns its exit code. Throws ShellTrouble. When
 * this process is killed, `sweepShells` removes what it left.
 */
export async function runShell(request: ShellRequest): Promise<number> {
  const isRoot = process.geteuid?.() === 0;
  if (!isRoot)
    throw new ShellTrouble('machine', 'A workspace is stacked by mounting, so `hearth shell` must run as root.');
  const self = identityOf(process.pid);
  if (self === undefined) throw new Error('Internal error: this process does not find itself');
  await using opened = new AsyncDisposableStack();
  const kept = join(request.dataDirectory, 'kept', request.workspace);
  const record = await useKept(kept, self);
  opened.defer(() => unmarkUse(kept, self));
  const engine = dockerEngine({ host: request.dockerHost });
  const [native, egress] = await Promise.all([
    nativePrograms(join(request.dataDirectory, 'native')),
    openEgress(request.egress, isRoot).catch(asTrouble),
  ]);
  if ((await engine.image(record.spec.imageId)) === undefined)
    throw new ShellTrouble('gone', 'The image that the job ran in is not on this machine any more. Run the job again.');
  const helper = opened.use(openMountHelper(native.mountHelper));
  const root = shellsOf(request.dataDirectory);
  await sweepShells(root, engine);
  const name = nameOf(self);
  const scratch = join(root, name);
  opened.defer(() => removeTree(scratch));
  // From here on a sweep finds it, container and all.
  await mkdir(join(scratch, 'u'), { recursive: true, mode: 0o755 });
  await mkdir(join(scratch, 'w'), { mode: 0o700 });
  return await runContainer(request, { engine, helper, egress, native, record, kept, scratch, name });
}

interface ShellParts {
  readonly engine: Engine;
  readonly helper: MountHelper;
  readonly egress: Egress;
  readonly native: NativePrograms;
  readonly record: KeptRecord;
  readonly kept: string;
  readonly scratch: string;
  readonly name: string;
}

async function runContainer(request: ShellRequest, parts: ShellParts): Promise<number> {
  const { engine, helper, egress, native, record, kept, scratch } = parts;
  const name = containerOf(parts.name);
  const terminal = request.terminal === undefined ? {} : { TERM: request.terminal };
  const args = shellArgs({ supervisor: native.supervisor, label: request.label }, record.spec, {
    ...{ name, isTerminal: request.isTerminal, env: request.isTerminal ? { ...terminal, ...record.env } : record.env },
    command: request.command.length === 0 ? ANY_SHELL : request.command,
  });
  const env = request.dockerHost === undefined ? {} : { DOCKER_HOST: request.dockerHost };
  const child = execa('docker', ['run', ...args], { stdio: 'inherit', reject: false, env });
  const ended = child.then(({ exitCode }) => exitCode ?? null);
  const stop = (): void => {
    engine.remove([name]).catch(() => undefined); // it is done once more below, where trouble is heard
  };
  request.interrupted.addEventListener('abort', stop, { once: true });
  try {
    if (!(await untilRunning(engine, name, ended)))
      throw new ShellTrouble('machine', 'Docker could not start the container; it says why above.');
    await startHeld(engine, name, async (held, resolvConf) => {
      await egress.restrict(held, { resolvConf });
      const lowers = [join(kept, 'u'), ...record.lowers];
      const mounted = await helper.mount(held, { upper: join(scratch, 'u'), work: join(scratch, 'w'), lowers });
      // What was removed in this very moment would be missed in the shell, one file after the other.
      await expectWhole(kept, record);
      if (!mounted.ok)
        throw new ShellTrouble(
          'machine',
          `The copy of the workspace could not be mounted: ${mounted.problem.message}.`,
        );
    });
    return (await ended) ?? 128;
  } finally {
    request.interrupted.removeEventListener('abort', stop);
    await engine.remove([name]);
    await ended;
  }
}

/** False when the command line ended without it. */
async function untilRunning(engine: Engine, name: string, ended: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  void ended.then(() => {
    over.abort();
  });
  while (!over.signal.aborted) {
    if ((await engine.container(name))?.running === true) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return false;
}

/** Says that it is in use, so that it stays; then it is whole, or this throws. */
async function useKept(kept: string, self: ProcessIdentity): Promise<KeptRecord> {
  const record = await readKept(kept);
  if (record === 'other boot')
    throw new ShellTrouble(
      'gone',
      'That workspace was kept before this machine was started the last time, or by another machine. Run the job again.',
    );
  if (record === 'none' || !(await markUse(kept, self)))
    throw new ShellTrouble('gone', 'No workspace of that job is kept here (any more).');
  try {
    await expectWhole(kept, record);
    return record;
  } catch (cause) {
    await unmarkUse(kept, self);
    throw cause;
  }
}

async function expectWhole(kept: string, record: KeptRecord): Promise<void> {
  for (const path of [join(kept, 'u'), ...record.lowers])
    if (!(await isFolder(path)))
      throw new ShellTrouble(
        'gone',
        `A layer below that workspace has been removed since (${path}), so it cannot be shown whole. Run the job again.`,
      );
}

function asTrouble(cause: unknown): never {
  throw new ShellTrouble('machine', cause instanceof Error ? cause.message : String(cause), { cause });
}

/** Where shells have their scratch: a folder for each, named after its process. */
export function shellsOf(dataDirectory: string): string {
  return join(dataDirectory, 'shells');
}

/** Removes what shells left whose process is gone. May be repeated, by several processes at once. */
export async function sweepShells(root: string, engine: Engine): Promise<void> {
  for (const name of await names(root)) {
    const [pid = '', startTime = '', boot = ''] = name.split('-');
    if (boot === shortBoot() && isAlive({ pid: Number(pid), startTime })) continue;
    await engine.remove([containerOf(name)]);
    await removeTree(join(root, name));
  }
}

function nameOf({ pid, startTime }: ProcessIdentity): string {
  return `${pid}-${startTime}-${shortBoot()}`;
}

function containerOf(name: string): string {
  return `hearth-shell-${name}`;
}

function shortBoot(): string {
  return bootId().slice(0, 8);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

async function names(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

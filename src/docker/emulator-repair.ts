/**
 * Makes the kernel of this machine run programs of another one: installs QEMU and registers it with binfmt_misc. Set-up uses
 * it, too, so it brings no package of its own and runs commands as it is told.
 */
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { emulatorFilesOf, EMULATOR_PACKAGE, readEntry, type Machine } from '../core/binfmt.ts';
import { commandOf, nextRepair, reasonOf, type EmulatorState, type RepairStep } from '../core/emulator.ts';
import { isErrno } from '../core/errno.ts';
import { failed, success, unreachable, type Result } from '../core/result.ts';
import { installPackages, type RunCommand } from './debian-packages.ts';

export interface EmulationHost {
  /** Where the files of the machine are: `/`. */
  readonly root: string;
  readonly run: RunCommand;
}

const MOUNT_DEADLINE_MS = 30_000;

/** What the machine lacks next, and undefined when nothing is missing that can be seen. Changes nothing. */
export async function missingStep(host: EmulationHost, machine: Machine): Promise<RepairStep | undefined> {
  return nextRepair(await stateOf(host, machine), machine);
}

/** `its emulator is not registered with the kernel. Run: …` */
export function adviceFor(host: EmulationHost, step: RepairStep): string {
  return `${reasonOf(step)}. Run: ${commandOf(step, registryOf(host))}`;
}

/**
 * Does all that is missing; needs root. Whether containers run now is still to be seen. May be repeated, and by several
 * processes at once: what another one did meanwhile is taken as done. The problem is a sentence.
 */
export async function repairEmulator(host: EmulationHost, machine: Machine): Promise<Result<void, string>> {
  const done = new Set<RepairStep['kind']>();
  for (;;) {
    const step = await missingStep(host, machine);
    // What has no effect that can be seen is not done again; a container tells whether it was enough.
    if (step === undefined || done.has(step.kind)) return success(undefined);
    done.add(step.kind);
    const made = await perform(host, step);
    if (made.ok) continue;
    const now = await missingStep(host, machine);
    if (now?.kind === step.kind) return failed(made.problem);
  }
}

async function perform(host: EmulationHost, step: RepairStep): Promise<Result<void, string>> {
  if (step.kind === 'install') {
    const installed = await installPackages(host.run, [EMULATOR_PACKAGE]);
    return installed.ok
      ? installed
      : failed(
          `${installed.problem}\nMake this machine reach its package mirror (apt-get update), or install what Debian calls ` +
            `${EMULATOR_PACKAGE} another way.`,
        );
  }
  try {
    await change(host, step);
    return success(undefined);
  } catch (error) {
    return failed(`${(error as Error).message}; ${adviceFor(host, step)}`);
  }
}

/** Rejects with what mount or the kernel says. */
async function change(host: EmulationHost, step: Exclude<RepairStep, { readonly kind: 'install' }>): Promise<void> {
  const registry = registryOf(host);
  switch (step.kind) {
    case 'mount': {
      const args = ['-t', 'binfmt_misc', 'binfmt_misc', registry];
      const { code, stderr } = await host.run('mount', args, { deadline: MOUNT_DEADLINE_MS });
      if (code !== 0) throw new Error(stderr.trim());
      return;
    }
    case 'switch-on':
      return writeFile(join(registry, 'status'), '1');
    case 'enable':
      return writeFile(join(registry, step.name), '1');
    case 'register':
      if (step.replaces) await writeFile(join(registry, step.name), '-1');
      return writeFile(join(registry, 'register'), step.line);
    default:
      return unreachable(step);
  }
}

async function stateOf(host: EmulationHost, machine: Machine): Promise<EmulatorState> {
  const registry = registryOf(host);
  const emulator = (await firstThatIsThere(emulatorFilesOf(machine).map((file) => join(host.root, file)))) ?? null;
  const names = await readdir(registry).catch(absent);
  if (names?.includes('register') !== true) return { registry: null, emulator };
  const texts = await Promise.all(
    names.map(async (name) => ({ name, text: (await readable(join(registry, name))) ?? '' })),
  );
  const status = texts.find(({ name }) => name === 'status')?.text.trim();
  return {
    registry: {
      isSwitchedOn: status !== 'disabled',
      entries: texts.flatMap(({ name, text }) => readEntry(name, text, machine) ?? []),
    },
    emulator,
  };
}

/** Undefined for `register`, which can be written only, and for what somebody has removed meanwhile. */
async function readable(path: string): Promise<string | undefined> {
  return path.endsWith('/register') ? undefined : readFile(path, 'utf8').catch(absent);
}

function absent(error: unknown): undefined {
  if (isErrno(error, 'ENOENT')) return undefined;
  throw error;
}

async function firstThatIsThere(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return undefined;
}

function registryOf({ root }: EmulationHost): string {
  return join(root, 'proc/sys/fs/binfmt_misc');
}

/**
 * A machine of its own for tests of emulation: a user namespace, in which the kernel keeps a binfmt_misc apart from everybody
 * else's. Programs of the other platform run there only when they are registered there. This file is both the program that
 * runs inside and what starts it.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import type { Result } from '../../src/core/result.ts';
import { emulatorFilesOf, type Machine } from '../../src/core/binfmt.ts';
import { dockerEngine, type Engine } from '../../src/docker/engine.ts';
import { verifyPlatform, type PlatformWish, type VerifiedPlatform } from '../../src/docker/platform-check.ts';

export interface Scenario {
  readonly machine: Machine;
  readonly image: string;
  readonly mayInstall: boolean;
  readonly isRoot?: boolean;
  /** A shell script that runs first; `$1` is the folder of binfmt_misc, not mounted. */
  readonly before?: string;
  /** Checks that go on at the same time. Default: one. */
  readonly times?: number;
  readonly hasEmulator?: boolean;
  /** What the engine says of itself instead of the truth. */
  readonly engine?: { readonly address?: string; readonly kernel?: string };
  /** Shell scripts that stand first in PATH. */
  readonly programs?: Readonly<Record<string, string>>;
}

export interface Observed {
  readonly results: readonly Result<VerifiedPlatform, string>[];
  /** Entries of the machine's binfmt_misc afterwards, as the kernel shows them. */
  readonly entries: Readonly<Record<string, string>>;
}

export interface EmulationMachine extends AsyncDisposable {
  readonly folder: string;
  /** The machine is new each time. */
  observe(scenario: Scenario): Promise<Observed>;
}

interface Inside extends Scenario {
  readonly root: string;
  readonly programsOfImage: string;
}

/** Undefined where the kernel has one binfmt_misc for all (before 6.7), or forbids user namespaces. */
export async function openEmulationMachine(image: string): Promise<EmulationMachine | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-emulation-test-'));
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const tried = await execa('unshare', [...APART, 'mount', '-t', 'binfmt_misc', 'none', folder], { reject: false });
  if (tried.failed) {
    await dispose();
    return undefined;
  }
  const programsOfImage = join(folder, 'image');
  await mkdir(programsOfImage);
  const { stdout: id } = await execa('docker', ['create', '--network', 'none', image, 'true']);
  await execa('sh', ['-c', 'docker export "$1" | tar -x -C "$2"; docker rm "$1"', 'sh', id, programsOfImage]);
  let count = 0;
  return {
    folder,
    async observe(scenario) {
      const root = join(folder, String((count += 1)));
      await mkdir(join(root, REGISTRY), { recursive: true });
      const path = join(root, 'programs');
      await mkdir(path);
      for (const [name, text] of Object.entries(scenario.programs ?? {}))
        await writeFile(join(path, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      if (scenario.hasEmulator !== false) await linkEmulator(scenario.machine, root);
      const inside: Inside = { ...scenario, root, programsOfImage };
      const args = [...APART, process.execPath, import.meta.filename, JSON.stringify(inside)];
      const { stdout } = await execa('unshare', args, {
        env: { PATH: `${path}:${process.env['PATH'] ?? ''}`, SCRATCH_ROOT: root },
      });
      return JSON.parse(stdout) as Observed;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** As installing the package does: puts this machine's emulator where it belongs below another root. */
export async function linkEmulator(machine: Machine, root: string): Promise<void> {
  for (const file of emulatorFilesOf(machine)) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await symlink(file, join(root, file));
    return;
  }
}

const APART = ['--user', '--map-root-user', '--mount', '--'];
const REGISTRY = 'proc/sys/fs/binfmt_misc';

async function runInside(given: Inside): Promise<Observed> {
  const { machine, image, mayInstall, isRoot = true, before = '', times = 1, root, programsOfImage } = given;
  const registry = join(root, REGISTRY);
  // Until it is mounted for the first time, the namespace uses the binfmt_misc of the one above.
  const elsewhere = join(root, 'elsewhere');
  await mkdir(elsewhere);
  await execa('mount', ['-t', 'binfmt_misc', 'none', elsewhere]);
  await execa('sh', ['-ec', before, 'sh', registry], { stdout: 'ignore' });
  const real = dockerEngine();
  const engine: Engine = {
    ...real,
    start: (_args, signal) => startHere(programsOfImage, signal),
    command(args) {
      const { address, kernel } = given.engine ?? {};
      if (address !== undefined && args[0] === 'context') return Promise.resolve(address);
      if (kernel !== undefined && args[0] === 'version') return Promise.resolve(kernel);
      return real.command(args);
    },
  };
  const wish: PlatformWish = { platform: machine.platform, image, emulation: 'allow', mayInstall };
  const results = await Promise.all(
    Array.from({ length: times }, () => verifyPlatform(engine, wish, { host: { root, isRoot } })),
  );
  const names = (await readdir(registry)).filter((name) => !['register', 'status'].includes(name));
  const entries = await Promise.all(
    names.map(async (name) => [name, await readFile(join(registry, name), 'utf8')] as const),
  );
  return { results, entries: Object.fromEntries(entries) };
}

/** In the place of a container, which the engine would start outside: the image's own program, run by this kernel. */
function startHere(programs: string, signal: AbortSignal): ReturnType<Engine['start']> {
  const script =
    'chroot "$1" uname -m 2>/dev/null || { echo "standard_init_linux.go:228: exec user process caused: exec format error" >&2; exit 1; }';
  const child = spawn('sh', ['-c', script, 'sh', programs], { signal, stdio: ['ignore', 'pipe', 'pipe'] });
  const exitCode = new Promise<number | null>((resolve) => {
    child.once('error', () => {
      resolve(null);
    });
    child.once('close', resolve);
  });
  return { stdout: child.stdout, stderr: child.stderr, exitCode };
}

if (process.argv[1] === import.meta.filename)
  process.stdout.write(JSON.stringify(await runInside(JSON.parse(process.argv[2] ?? '') as Inside)));

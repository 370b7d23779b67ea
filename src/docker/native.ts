/** The two small static programs that slots need: where they are, and how they come to be. */
import { createHash } from 'node:crypto';
import { access, chmod, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

export interface NativePrograms {
  /** PID 1 of every slot. */
  readonly supervisor: string;
  /** Runs as root on the host; see mount-helper.ts. */
  readonly mountHelper: string;
}

const programs = { supervisor: 'supervisor', mountHelper: 'mount-helper' } as const;
const flags = ['-static', '-O2', '-Wall', '-Wextra', '-Wno-format-truncation'];

/**
 * Finds the programs that the package carries for this architecture, or compiles them from the sources beside this file
 * into `cacheDirectory`, under the hash of their source. May be repeated; the second call compiles nothing.
 * Throws with what to install when there is neither a prebuilt program nor a compiler.
 */
export async function nativePrograms(cacheDirectory: string): Promise<NativePrograms> {
  const here = dirname(fileURLToPath(import.meta.url));
  const [supervisor, mountHelper] = await Promise.all(
    [programs.supervisor, programs.mountHelper].map((name) => find(here, name, cacheDirectory)),
  );
  return { supervisor: supervisor ?? '', mountHelper: mountHelper ?? '' };
}

async function find(here: string, name: string, cacheDirectory: string): Promise<string> {
  const prebuilt = join(here, 'native', process.arch, name);
  if (await exists(prebuilt)) return prebuilt;
  const sourcePath = join(here, 'native', `${name}.c`);
  const digest = await digestOf(sourcePath);
  const target = join(cacheDirectory, `${name}-${digest}`);
  if (await exists(target)) return target;
  await mkdir(cacheDirectory, { recursive: true, mode: 0o755 });
  const temporary = `${target}.${process.pid}.tmp`;
  const compiled = await execa('cc', [...flags, '-o', temporary, sourcePath], { reject: false, stdin: 'ignore' });
  if (compiled.failed) {
    const why = compiled.exitCode === undefined ? 'there is no C compiler `cc` on this machine' : compiled.stderr;
    throw new Error(
      `Hearth could not build ${name} for ${process.arch}: ${why}\n` +
        'Install a C compiler with static libraries (Debian, Ubuntu: apt-get install gcc libc6-dev) and start again.',
      { cause: compiled },
    );
  }
  await chmod(temporary, 0o755);
  await rename(temporary, target);
  return target;
}

/** Of a program's source, the headers beside it and the way it is compiled. */
async function digestOf(sourcePath: string): Promise<string> {
  const folder = dirname(sourcePath);
  const headers = (await readdir(folder)).filter((file) => file.endsWith('.h')).sort();
  const hash = createHash('sha256').update(flags.join(' '));
  for (const file of [sourcePath, ...headers.map((header) => join(folder, header))]) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

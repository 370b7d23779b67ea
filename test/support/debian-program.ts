/** Programs of Debian packages that are not installed, each unpacked once for all tests of this user. */
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

export interface DebianProgram {
  /** Of the package. */
  readonly name: string;
  /** In the package, without a leading slash. */
  readonly path: string;
  /** Puts the package into the folder, alone. */
  readonly download: (folder: string) => Promise<unknown>;
}

/** Path of the program. A package that was not unpacked to its end is not found again. */
export async function debianProgram({ name, path, download }: DebianProgram): Promise<string> {
  const folder = join(homedir(), '.cache/hearth');
  const program = join(folder, name, path);
  const isThere = await access(program).then(
    () => true,
    () => false,
  );
  if (isThere) return program;
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, 'fetch-'));
  try {
    await download(work);
    await execa('sh', ['-c', 'dpkg-deb -x *.deb out'], { cwd: work });
    await rename(join(work, 'out'), join(folder, name));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return program;
}

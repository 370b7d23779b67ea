/** Removing what jobs made: any depth, any names, any number of files. */
import { opendir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { isErrno } from '../core/errno.ts';

/** Most entries that are removed without another process, which costs some milliseconds. */
const FEW = 500;

/**
 * Removes a file or a folder with all below; absent is fine. Links are removed, never followed. May be repeated. Whatever
 * holds something that a job could write to is removed by this: Node names every file by its whole path, and a job can nest
 * folders until no such path may be said any more; and it takes all files of a folder in hand at once, so that a million of
 * them stop everything else for most of a minute.
 */
export async function removeTree(path: string): Promise<void> {
  if (await isLarge(path)) await removeLarge(path);
  else
    await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
      if (!isErrno(error, 'ENAMETOOLONG')) throw error;
      return removeLarge(path);
    });
}

/** Goes from folder to folder, one file after the other. */
async function removeLarge(path: string): Promise<void> {
  await execa('rm', ['-rf', '--', path], { stdin: 'ignore' });
}

/** Also what cannot be looked at to its end. */
async function isLarge(path: string): Promise<boolean> {
  let entries = 0;
  async function visit(folder: string): Promise<boolean> {
    // Read in pieces.
    for await (const entry of await opendir(folder)) {
      if (++entries > FEW) return true;
      if (entry.isDirectory() && (await visit(join(folder, entry.name)))) return true;
    }
    return false;
  }
  try {
    return await visit(path);
  } catch (error) {
    // Absent, or a single file.
    return !(entries === 0 && isErrno(error, 'ENOENT', 'ENOTDIR'));
  }
}

/** Removes what is in a folder, and leaves the folder. May be repeated. */
export async function emptyFolder(path: string): Promise<void> {
  // Names that are no text would be read as others by Node, and would stay.
  await execa('find', [path, '-mindepth', '1', '-delete'], { stdin: 'ignore' });
}

/** Removing what jobs made: any depth, any names. */
import { rm } from 'node:fs/promises';
import { execa } from 'execa';
import { isErrno } from '../core/errno.ts';

/**
 * Removes a file or a folder with all below; absent is fine. Links are removed, never followed. May be repeated. Whatever
 * holds something that a job could write to is removed by this: Node names every file by its whole path, and a job can nest
 * folders until no such path may be said any more.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!isErrno(error, 'ENAMETOOLONG')) throw error;
    // Goes from folder to folder.
    await execa('rm', ['-rf', '--', path], { stdin: 'ignore' });
  }
}

/** Removes what is in a folder, and leaves the folder. May be repeated. */
export async function emptyFolder(path: string): Promise<void> {
  // Names that are no text would be read as others by Node, and would stay.
  await execa('find', [path, '-mindepth', '1', '-delete'], { stdin: 'ignore' });
}

/** Reading files that a job might have had its hands on: never through a link, never a device or pipe, never too much. */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { isErrno } from '../core/errno.ts';

/** Opens a plain file with one name for reading; rejects for a link, a device or a pipe. The caller closes it. */
export async function openPlain(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stat = await file.stat();
  if (stat.isFile() && stat.nlink === 1) return file;
  await file.close();
  throw new Error(`${path} is not a plain file`);
}

/** The file's bytes, or undefined when it is absent or is not a plain file with one name of at most `limitBytes`. */
export async function safeRead(path: string, limitBytes: number): Promise<Buffer | undefined> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ELOOP', 'ENXIO')) return undefined;
    throw error;
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.nlink !== 1 || stat.size > limitBytes) return undefined;
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/**
 * Files and folders that nobody but Hearth may read: 0600 and 0700, or 0660 and 2770 inside a folder with the
 * set-group-id bit, which is how a split install shares its data between two services.
 */
import { constants } from 'node:fs';
import { chmod, mkdir, open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

const SET_GROUP_ID = 0o2000;

async function isShared(folder: string): Promise<boolean> {
  return ((await stat(folder)).mode & SET_GROUP_ID) !== 0;
}

/** Opens with these flags and makes the file when it is not there. A symbolic link is refused (ELOOP). */
export async function openPrivateFile(path: string, flags: number): Promise<FileHandle> {
  const mode = (await isShared(dirname(path))) ? 0o660 : 0o600;
  const file = await open(path, flags | constants.O_CREAT | constants.O_NOFOLLOW, mode);
  try {
    const { mode: found, uid } = await file.stat();
    // The umask may have taken bits away; the file of the other service was put right by that one.
    if ((found & 0o777) !== mode && uid === process.getuid?.()) await file.chmod(mode);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

/** Makes a folder inside one that exists. May be repeated: a folder that is there stays as it is. */
export async function makePrivateFolder(path: string): Promise<void> {
  const mode = (await isShared(dirname(path))) ? 0o2770 : 0o700;
  try {
    await mkdir(path, mode);
    await chmod(path, mode);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

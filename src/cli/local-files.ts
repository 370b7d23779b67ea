/** The files of this machine, as programs that are started here would see them. */
import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import { isErrno } from '../core/errno.ts';
import type { FileEntry, ImageFiles } from '../core/verify/files.ts';
import type { User } from '../core/verify/users.ts';
import { bytesOfFile } from '../docker/bytes-of-file.ts';

export function localFiles(): ImageFiles {
  return { entry: entryAt, open: openFile };
}

/** Whom programs run as that this process starts. */
export function thisUser(): User {
  const own = process.getegid?.() ?? 0;
  return { uid: process.geteuid?.() ?? 0, gids: new Set([own, ...(process.getgroups?.() ?? [])]) };
}

async function entryAt(path: string): Promise<FileEntry | undefined> {
  try {
    const stat = await lstat(path);
    const owned = { mode: stat.mode & 0o777, uid: stat.uid, gid: stat.gid };
    if (stat.isFile()) return { kind: 'file', size: stat.size, ...owned };
    if (stat.isDirectory()) return { kind: 'folder', ...owned };
    return stat.isSymbolicLink() ? { kind: 'link', target: await readlink(path) } : { kind: 'other' };
  } catch (error) {
    // A name that is too long is not there either.
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

async function openFile(path: string): ReturnType<ImageFiles['open']> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const { size } = await file.stat();
  return bytesOfFile(file, size, () => file.close());
}

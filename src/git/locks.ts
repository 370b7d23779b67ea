/** Lock files that a killed git left in a mirror. */
import { readdir, readlink, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../core/errno.ts';

/** A live git holds such a lock for milliseconds. */
const YOUNG_MS = 10_000;

/**
 * Removes the locks of a mirror when they are older than ten seconds and no process works there; true when one was
 * removed and trying again makes sense. Call it only with the mirror's queue held, after git complained about a lock.
 */
export async function clearStaleLocks(mirror: string, now = Date.now()): Promise<boolean> {
  const names = await readdir(mirror, { recursive: true });
  const locks = names
    .filter((name) => name.endsWith('.lock') && !name.startsWith('objects/'))
    .map((name) => join(mirror, name));
  const ages = await Promise.all(locks.map(async (lock) => now - (await stat(lock)).mtimeMs));
  if (locks.length === 0 || ages.some((age) => age < YOUNG_MS) || (await isInUse(mirror))) return false;
  await Promise.all(locks.map((lock) => rm(lock, { force: true })));
  return true;
}

/** Every git of ours works in its mirror's folder, also one that outlived the daemon that started it. */
async function isInUse(mirror: string): Promise<boolean> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const places = await Promise.all(processes.map((pid) => placeOf(pid)));
  return places.includes(mirror);
}

async function placeOf(pid: string): Promise<string | undefined> {
  try {
    return await readlink(`/proc/${pid}/cwd`);
  } catch (cause) {
    // Ended meanwhile, or another user's: then it is no git of ours.
    if (isErrno(cause, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw cause;
  }
}

/** What the kernel's control groups tell about a slot; version 1 and 2 behind one function. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../core/errno.ts';

/**
 * How many processes of the container the kernel has killed for want of memory so far, or undefined where that cannot be
 * read. The exit code alone does not tell: a shell may well survive the death of its child and exit 0.
 */
export async function oomKills(pid: number, cgroupRoot = '/sys/fs/cgroup'): Promise<number | undefined> {
  const membership = await readIfThere(`/proc/${pid}/cgroup`);
  if (membership === undefined) return undefined;
  return countKills(await counterFile(membership, cgroupRoot));
}

async function counterFile(membership: string, root: string): Promise<string | undefined> {
  const lines = membership.split('\n').map((line) => line.split(':'));
  const v1 = lines.find(([, controllers]) => controllers?.split(',').includes('memory') === true);
  if (v1?.[2] !== undefined) return readIfThere(join(root, 'memory', v1[2], 'memory.oom_control'));
  const v2 = lines.find(([hierarchy]) => hierarchy === '0');
  return v2?.[2] === undefined ? undefined : readIfThere(join(root, v2[2], 'memory.events'));
}

/** `memory.oom_control` of version 1 and `memory.events` of version 2 both have a line `oom_kill N`. */
export function countKills(text: string | undefined): number | undefined {
  const match = text === undefined ? null : /^oom_kill (\d+)$/m.exec(text);
  return match === null ? undefined : Number(match[1]);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'ENOTDIR')) return undefined;
    throw error;
  }
}

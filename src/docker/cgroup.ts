/** The control groups of a slot's container, version 1 and 2 behind one form: where they are, and what they tell. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../core/errno.ts';

export const CGROUP_ROOT = '/sys/fs/cgroup';

export const controllers = ['memory', 'cpu', 'pids'] as const;
export type Controller = (typeof controllers)[number];

/** Where the container's groups are; with version 2 it is one folder for all controllers. */
export interface ContainerGroups {
  readonly version: 1 | 2;
  readonly folders: Partial<Readonly<Record<Controller, string>>>;
}

/**
 * With version 2 a group whose processes are in it cannot have groups with limits below it, so PID 1 of a slot that has had
 * such a job lives in a leaf of this name.
 */
export const LEAF = 'hearth-init';

/** Of the container that this process is PID 1 of; undefined where that cannot be told. */
export async function groupsOf(pid: number, root = CGROUP_ROOT, proc = '/proc'): Promise<ContainerGroups | undefined> {
  const membership = await readIfThere(join(proc, String(pid), 'cgroup'));
  if (membership === undefined) return undefined;
  const lines = membership.split('\n').map((line) => line.split(':'));
  const folders = Object.fromEntries(
    controllers.flatMap((name) => {
      const path = lines
        .find(([, list]) => list?.split(',').includes(name) === true)
        ?.slice(2)
        .join(':');
      return path === undefined ? [] : [[name, join(root, name, path)]];
    }),
  );
  if ('memory' in folders) return { version: 1, folders };
  const path = lines
    .find(([hierarchy]) => hierarchy === '0')
    ?.slice(2)
    .join(':');
  if (path === undefined) return undefined;
  const folder = join(root, path.endsWith(`/${LEAF}`) ? path.slice(0, -LEAF.length - 1) : path);
  return { version: 2, folders: { memory: folder, cpu: folder, pids: folder } };
}

/**
 * How many processes of the container the kernel has killed for want of memory so far, or undefined where that cannot be
 * read. The exit code alone does not tell: a shell may well survive the death of its child and exit 0.
 */
export async function oomKills(pid: number, root = CGROUP_ROOT): Promise<number | undefined> {
  const folder = (await groupsOf(pid, root))?.folders.memory;
  return folder === undefined ? undefined : killsIn(folder);
}

/** The same of one group. */
export async function killsIn(folder: string): Promise<number | undefined> {
  const text =
    (await readIfThere(join(folder, 'memory.events'))) ?? (await readIfThere(join(folder, 'memory.oom_control')));
  return countKills(text);
}

/** `memory.oom_control` of version 1 and `memory.events` of version 2 both have a line `oom_kill N`. */
export function countKills(text: string | undefined): number | undefined {
  const match = text === undefined ? null : /^oom_kill (\d+)$/m.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** Half of what a process has by default, so that the daemon gets its turn beside busy slots. */
export const SLOT_CPU_SHARES = 512;
const DEFAULT_WEIGHT = 100;

/** Why the container does not have less weight than other processes, as the kernel tells it; null = it has. */
export async function weightFault(pid: number, root = CGROUP_ROOT, proc = '/proc'): Promise<string | null> {
  const groups = await groupsOf(pid, root, proc);
  const folder = groups?.folders.cpu;
  if (groups === undefined || folder === undefined) return 'this kernel has no cpu controller';
  const file = groups.version === 1 ? 'cpu.shares' : 'cpu.weight';
  const text = await readIfThere(join(folder, file));
  if (text === undefined) return `${file} of its container cannot be read`;
  const isLess = groups.version === 1 ? Number(text) === SLOT_CPU_SHARES : Number(text) < DEFAULT_WEIGHT;
  return isLess ? null : `${file} of its container is ${text.trim()}`;
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * `resources` of a job as limits that the kernel holds: a control group of its own below its slot's container, made by
 * the daemon on the host. Each value is read back; what is not held is said and never passed over.
 */
import { mkdir, open, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../core/errno.ts';
import type { Resources } from '../core/resources.ts';
import { sizeText } from '../core/size.ts';
import {
  CGROUP_ROOT,
  controllers,
  groupsOf,
  killsIn,
  LEAF,
  readIfThere,
  type ContainerGroups,
  type Controller,
} from './cgroup.ts';

/** Kept with the ticket, so that a later process finds the groups again. */
export interface AppliedLimits {
  /** Folders that the job's processes are put into; empty = none could be made. */
  readonly groups: readonly string[];
  /** One line: which limits are not held, and why; null = all are. */
  readonly fault: string | null;
}

export interface LimitsRequest {
  /** PID 1 of the slot, on the host. */
  readonly pid: number;
  /** Number of the job in its slot. */
  readonly n: number;
  readonly resources: Resources;
  readonly isRoot: boolean;
}

/** What is asked of the control group file system, which is no ordinary one; elsewhere in tests. */
export interface Kernel {
  readonly root: string;
  readonly proc: string;
  /** One that is there already is left as it is. */
  makeGroup(folder: string): Promise<void>;
  /** Rejects with EBUSY while a process is in it. */
  removeGroup(folder: string): Promise<void>;
  write(path: string, text: string): Promise<void>;
}

export const kernel: Kernel = {
  root: CGROUP_ROOT,
  proc: '/proc',
  async makeGroup(folder) {
    await mkdir(folder).catch((error: unknown) => {
      if (!isErrno(error, 'EEXIST')) throw error;
    });
  },
  removeGroup: (folder) => rmdir(folder),
  async write(path, text) {
    // Without making the file: one that is not there means that the kernel has no such control.
    const file = await open(path, 'r+');
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
  },
};

/** Makes the groups and sets the limits. The slot must hold no other job. Rejects never for what the host refuses. */
export async function applyLimits(request: LimitsRequest, at: Kernel = kernel): Promise<AppliedLimits> {
  const wanted = limitsOf(request.resources);
  const all = wanted.map(({ label }) => label).join(', ');
  if (wanted.length === 0) return { groups: [], fault: null };
  if (!request.isRoot) return { groups: [], fault: `${all} (Hearth does not run as root)` };
  const groups = await groupsOf(request.pid, at.root, at.proc);
  if (groups === undefined) return { groups: [], fault: `${all} (the slot's control group cannot be told)` };
  const made: string[] = [];
  const faults: string[] = [];
  try {
    if (groups.version === 2) await makeRoom(groups, at);
    for (const name of controllers) {
      const parent = groups.folders[name];
      const folder = parent === undefined ? undefined : join(parent, `hearth-${request.n}`);
      if (folder === undefined || made.includes(folder)) continue;
      // A process that died before it wrote its ticket may have left one of this number, with limits of another job.
      await removeLimits({ groups: [folder] }, at);
      await at.makeGroup(folder);
      made.push(folder);
    }
  } catch (error) {
    return { groups: made, fault: `${all} (${reasonOf(error, at)})` };
  }
  for (const limit of wanted) {
    const parent = groups.folders[limit.controller];
    const why =
      parent === undefined
        ? `this kernel has no ${limit.controller} controller`
        : await limit.set(join(parent, `hearth-${request.n}`), groups.version, at).then(
            (fault) => fault,
            (error: unknown) => reasonOf(error, at),
          );
    if (why !== null) faults.push(`${limit.label} (${why})`);
  }
  return { groups: made, fault: faults.length === 0 ? null : faults.join(', ') };
}

/** Moves what is in the container's group into a leaf, and hands the controllers down. */
async function makeRoom({ folders }: ContainerGroups, at: Kernel): Promise<void> {
  const folder = folders.memory ?? '';
  const leaf = join(folder, LEAF);
  await at.makeGroup(leaf);
  for (const pid of pidsIn(await readIfThere(join(folder, 'cgroup.procs')))) await moveInto(leaf, pid, at);
  await at.write(join(folder, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
}

interface Limit {
  readonly controller: Controller;
  /** As the pipeline file says it. */
  readonly label: string;
  /** Why the kernel does not hold it, or null. */
  set(folder: string, version: 1 | 2, at: Kernel): Promise<string | null>;
}

const PERIOD_US = 100_000;
/** The kernel rounds down to whole pages, which are no larger than this. */
const LARGEST_PAGE = 65_536;

function limitsOf({ cpus, memoryBytes, pids }: Resources): readonly Limit[] {
  const limits: Limit[] = [];
  if (memoryBytes !== null)
    limits.push({
      controller: 'memory',
      label: `memory: ${sizeText(memoryBytes)}`,
      async set(folder, version, { write }) {
        const file = version === 1 ? 'memory.limit_in_bytes' : 'memory.max';
        await write(join(folder, file), String(memoryBytes));
        // Past its memory a job would go on in the swap of the host; not every kernel counts that.
        const swap = version === 1 ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max';
        if ((await readIfThere(join(folder, swap))) !== undefined)
          await write(join(folder, swap), version === 1 ? String(memoryBytes) : '0');
        return heldBack(folder, file, (text) => {
          const bytes = Number(text);
          return bytes <= memoryBytes && bytes > memoryBytes - LARGEST_PAGE;
        });
      },
    });
  if (cpus !== null)
    limits.push({
      controller: 'cpu',
      label: `cpus: ${cpus}`,
      async set(folder, version, { write }) {
        const quota = String(Math.round(cpus * PERIOD_US));
        if (version === 2) {
          await write(join(folder, 'cpu.max'), `${quota} ${PERIOD_US}`);
          return heldBack(folder, 'cpu.max', (text) => text === `${quota} ${PERIOD_US}`);
        }
        await write(join(folder, 'cpu.cfs_period_us'), String(PERIOD_US));
        await write(join(folder, 'cpu.cfs_quota_us'), quota);
        return heldBack(folder, 'cpu.cfs_quota_us', (text) => text === quota);
      },
    });
  if (pids !== null)
    limits.push({
      controller: 'pids',
      label: `pids: ${pids}`,
      async set(folder, _version, { write }) {
        await write(join(folder, 'pids.max'), String(pids));
        return heldBack(folder, 'pids.max', (text) => text === String(pids));
      },
    });
  return limits;
}

async function heldBack(folder: string, file: string, isRight: (text: string) => boolean): Promise<string | null> {
  const text = (await readIfThere(join(folder, file)))?.trim();
  return text !== undefined && isRight(text) ? null : `${file} reads ${text ?? 'nothing'}`;
}

/**
 * Puts a process that waits in the slot into the job's groups; its children are then born there. A process that is gone
 * meanwhile needs none. May be repeated.
 */
export async function enterLimits(
  { groups }: AppliedLimits,
  slotPid: number,
  pidInSlot: number,
  at: Kernel = kernel,
): Promise<void> {
  const pid = await pidOnHost(groups, slotPid, pidInSlot, at);
  if (pid === undefined) return;
  for (const folder of groups) await moveInto(folder, pid, at);
}

/** The process is where PID 1 is, or, after a restart of the daemon, in a group of the job already. */
async function pidOnHost(
  groups: readonly string[],
  slotPid: number,
  pidInSlot: number,
  at: Kernel,
): Promise<number | undefined> {
  const own = await groupsOf(slotPid, at.root, at.proc);
  const container = own?.folders.memory;
  const folders = [...(container === undefined ? [] : [container, join(container, LEAF)]), ...groups];
  for (const folder of folders) {
    for (const pid of pidsIn(await readIfThere(join(folder, 'cgroup.procs')))) {
      const status = await readIfThere(join(at.proc, String(pid), 'status'));
      const inside = /^NSpid:.*\t(\d+)$/m.exec(status ?? '')?.[1];
      const parent = /^PPid:\t(\d+)$/m.exec(status ?? '')?.[1];
      if (Number(inside) === pidInSlot && Number(parent) === slotPid) return pid;
    }
  }
  return undefined;
}

/** OOM kills among the job's own processes; undefined where that cannot be read. */
export async function killsOf({ groups }: AppliedLimits): Promise<number | undefined> {
  for (const folder of groups) {
    const kills = await killsIn(folder);
    if (kills !== undefined) return kills;
  }
  return undefined;
}

const REMOVAL_TRIES = 100;

/** Once the outcome is on disk and no process is left. May be repeated; groups that went with their container are no fault. */
export async function removeLimits({ groups }: Pick<AppliedLimits, 'groups'>, at: Kernel = kernel): Promise<void> {
  for (const folder of groups) {
    for (let tries = 1; ; tries++) {
      try {
        await at.removeGroup(folder);
        break;
      } catch (error) {
        if (isErrno(error, 'ENOENT')) break;
        // The kernel lets go of a process a moment after its parent has.
        if (!isErrno(error, 'EBUSY') || tries === REMOVAL_TRIES) throw error;
      }
      await sleep(5);
    }
  }
}

async function moveInto(folder: string, pid: number, at: Kernel): Promise<void> {
  try {
    await at.write(join(folder, 'cgroup.procs'), String(pid));
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

function pidsIn(text: string | undefined): readonly number[] {
  return (text ?? '').split('\n').flatMap((line) => (line === '' ? [] : [Number(line)]));
}

function reasonOf(error: unknown, at: Kernel): string {
  if (isErrno(error, 'EROFS')) return `${at.root} is read-only here`;
  if (isErrno(error, 'EACCES', 'EPERM')) return `Hearth may not write below ${at.root}; run it as root`;
  if (isErrno(error, 'ENOENT')) return 'the kernel has no such control';
  return error instanceof Error ? error.message : String(error);
}

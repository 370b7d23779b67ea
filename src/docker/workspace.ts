/** Workspaces: what a job sees at /work. Two strategies with one behaviour; which one this host can do is probed once. */
import { lstat, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { failed, success, type Result } from '../core/result.ts';
import { findPaths, TOO_DEEP } from './find-paths.ts';
import { hashFiles } from './hash-files.ts';
import type { MountHelper } from './mount-helper.ts';
import { emptyFolder, removeTree } from './remove-tree.ts';
import { isErrno } from '../core/errno.ts';
import type { Slot } from './slot.ts';

export interface Workspaces {
  readonly strategy: 'overlay' | 'copy';
  /** Why this strategy, for `/health`. */
  readonly reason: string;
  /** Gives the slot's next job a fresh view of the lowers (topmost first). On failure nothing is left mounted. */
  mount(slot: Slot, n: number, lowers: readonly string[]): Promise<Result<void, WorkspaceTrouble>>;
  /**
   * Copies paths of the workspace into the folder `target`, which must be empty. Only after the job has ended, or while its
   * slot is frozen: then nobody can change them meanwhile. A path that leads through a symbolic link is refused; one that is absent is left out.
   */
  capture(
    slot: Slot,
    n: number,
    paths: readonly string[],
    target: string,
  ): Promise<Result<readonly string[], WorkspaceTrouble>>;
  /** The files and folders that match; see find-paths.ts. Only when `capture` may be called. */
  find(slot: Slot, patterns: readonly string[]): Promise<Result<readonly string[], WorkspaceTrouble>>;
  /** `hashFiles()` of the slot's workspace as it is now. */
  hashFiles(slot: Slot, patterns: readonly string[]): Promise<string>;
  /** The folder with what the job itself changed (`u`) and the names of the layers below; undefined for a copy. */
  scratchOf(slot: Slot, n: number): string | undefined;
  /**
   * Takes the view away and frees its scratch, or moves it to `keepAt`; may be repeated. A workspace that something still
   * holds condemns the slot. One that cannot be moved is freed as well, and said to have failed.
   */
  unmount(slot: Slot, n: number, keepAt?: string): Promise<Result<void, WorkspaceTrouble>>;
  /** Frees the scratch of a slot whose container is gone. May be repeated. */
  discard(slotId: string): Promise<void>;
  /** Frees the scratch of every slot but these. Call at start. */
  sweep(slotIds: ReadonlySet<string>): Promise<void>;
}

export interface WorkspaceTrouble {
  readonly kind: 'disk' | 'held' | 'bad-path' | 'failed';
  readonly message: string;
}

/** In the scratch folder: the layers of the workspace as JSON, topmost first. */
export const LOWERS = 'lowers.json';

const EBUSY = 16;
const EINVAL = 22;
const ENOSPC = 28;

/**
 * Finds out by trying which strategy works here: overlay needs root, a kernel that lets it, and a scratch folder on a
 * filesystem that can hold an upper layer.
 */
export async function openWorkspaces(scratch: string, helper: MountHelper | undefined): Promise<Workspaces> {
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  if (helper === undefined) return copies('Hearth does not run as root, so it cannot mount overlays');
  const probe = join(scratch, 'probe');
  await removeTree(probe);
  const [upper, work, lower] = ['u', 'w', 'l'].map((name) => join(probe, name)) as [string, string, string];
  await Promise.all([upper, work, lower].map((path) => mkdir(path, { recursive: true })));
  const possible = await helper.probe({ upper, work, lowers: [lower] });
  await removeTree(probe);
  if (!possible.ok)
    return copies(`the kernel refused an overlay (${possible.problem.step}: ${possible.problem.message})`);
  return overlays(scratch, helper);
}

function overlays(scratch: string, helper: MountHelper): Workspaces {
  const folderOf = (slot: Slot, n: number): string => join(scratch, `${slot.id}.${n}`);
  async function removeScratch(isGone: (name: string) => boolean): Promise<void> {
    const names = (await readdir(scratch)).filter(isGone);
    await Promise.all(names.map((name) => removeTree(join(scratch, name))));
  }
  return {
    strategy: 'overlay',
    reason: 'root and the kernel allow overlays',
    async mount(slot, n, lowers) {
      const folder = folderOf(slot, n);
      // A retry gets a fresh upper: one that was mounted `volatile` may not be used a second time.
      await removeTree(folder);
      const [upper, work] = [join(folder, 'u'), join(folder, 'w')];
      try {
        await mkdir(folder, { mode: 0o700 });
        await mkdir(upper, { mode: 0o755 });
        await mkdir(work, { mode: 0o700 });
        await writeFile(join(folder, LOWERS), JSON.stringify(lowers));
      } catch (error) {
        return failed(describe(error));
      }
      const mounted = await helper.mount(slot.record.process, { upper, work, lowers });
      if (mounted.ok) return mounted;
      await removeTree(folder);
      const { step, message, errno } = mounted.problem;
      return failed({
        kind: errno === ENOSPC ? 'disk' : 'failed',
        message: `the workspace could not be mounted: ${step}: ${message}`,
      });
    },
    capture: (slot, _n, paths, target) => copyOut(insideOf(slot), paths, target),
    find: (slot, patterns) => find(insideOf(slot), patterns),
    hashFiles: (slot, patterns) => hashFiles(insideOf(slot), patterns),
    scratchOf: folderOf,
    async unmount(slot, n, keepAt) {
      const gone = await helper.unmount(slot.record.process);
      // EINVAL: nothing is mounted there, as after a process that died right after unmounting.
      if (!gone.ok && gone.problem.errno !== EINVAL) {
        const kind = gone.problem.errno === EBUSY ? 'held' : 'failed';
        return failed({ kind, message: `the workspace could not be unmounted: ${gone.problem.message}` });
      }
      const fault = keepAt === undefined ? undefined : await moveAway(folderOf(slot, n), keepAt);
      await removeTree(folderOf(slot, n));
      return fault === undefined ? success(undefined) : failed(fault);
    },
    async discard(slotId) {
      await removeScratch((name) => name.startsWith(`${slotId}.`));
    },
    async sweep(slotIds) {
      await removeScratch((name) => !slotIds.has(name.split('.')[0] ?? ''));
    },
  };
}

/** One step, so that a crash leaves it in one place or the other. */
async function moveAway(folder: string, to: string): Promise<WorkspaceTrouble | undefined> {
  try {
    await rename(folder, to);
    return undefined;
  } catch (error) {
    const { kind, message } = describe(error);
    return { kind, message: `the workspace could not be kept: ${message}` };
  }
}

/** The merged view, which exists only in the container's own mounts. */
function insideOf(slot: Slot): string {
  return `/proc/${slot.record.process.pid}/root/work`;
}

function copies(reason: string): Workspaces {
  const folderOf = (slot: Slot): string => join(slot.directory, 'work');
  return {
    strategy: 'copy',
    reason,
    async mount(slot, _n, lowers) {
      await emptyFolder(folderOf(slot));
      for (const lower of [...lowers].reverse()) {
        const copied = await copyTree(`${lower}/.`, folderOf(slot));
        if (!copied.ok) return copied;
      }
      return success(undefined);
    },
    capture: (slot, _n, paths, target) => copyOut(folderOf(slot), paths, target),
    find: (slot, patterns) => find(folderOf(slot), patterns),
    hashFiles: (slot, patterns) => hashFiles(folderOf(slot), patterns),
    scratchOf: () => undefined,
    async unmount(slot) {
      await emptyFolder(folderOf(slot));
      return success(undefined);
    },
    discard: () => Promise.resolve(),
    sweep: () => Promise.resolve(),
  };
}

async function find(root: string, patterns: readonly string[]): Promise<Result<readonly string[], WorkspaceTrouble>> {
  const found = await findPaths(root, patterns);
  return found.ok ? found : failed({ kind: 'bad-path', message: found.problem });
}

async function copyOut(
  root: string,
  paths: readonly string[],
  target: string,
): Promise<Result<readonly string[], WorkspaceTrouble>> {
  const found: string[] = [];
  for (const path of paths) {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    const kind = await walk(root, parts);
    if (kind === 'absent') continue;
    if (kind === 'link')
      return failed({ kind: 'bad-path', message: `${path} leads through a symbolic link; name the real folder` });
    const parent = join(target, ...parts.slice(0, -1));
    await mkdir(parent, { recursive: true });
    const copied = await copyTree(join(root, ...parts), parent);
    if (!copied.ok) return copied;
    found.push(path);
  }
  return success(found);
}

/** The host must not follow a link that a job made: every folder on the way has to be a real one. */
async function walk(root: string, parts: readonly string[]): Promise<'found' | 'absent' | 'link'> {
  if (parts.includes('..') || parts.length === 0) return 'link';
  let at = root;
  for (const [index, part] of parts.entries()) {
    at = join(at, part);
    try {
      const stat = await lstat(at);
      if (index < parts.length - 1 && !stat.isDirectory()) return stat.isSymbolicLink() ? 'link' : 'absent';
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'absent';
      throw error;
    }
  }
  return 'found';
}

/** `cp` keeps links, modes, times and holes, never follows a link, and shares blocks where the filesystem can. */
async function copyTree(source: string, target: string): Promise<Result<void, WorkspaceTrouble>> {
  const copied = await execa('cp', ['-a', '--reflink=auto', '--', source, target], { reject: false, stdin: 'ignore' });
  if (!copied.failed) return success(undefined);
  if (copied.stderr.includes('File name too long')) return failed({ kind: 'bad-path', message: TOO_DEEP });
  const full = copied.stderr.includes('No space left on device');
  return failed({ kind: full ? 'disk' : 'failed', message: `copying failed: ${copied.stderr.split('\n')[0] ?? ''}` });
}

function describe(error: unknown): WorkspaceTrouble {
  const message = error instanceof Error ? error.message : String(error);
  return { kind: isErrno(error, 'ENOSPC', 'EDQUOT') ? 'disk' : 'failed', message };
}

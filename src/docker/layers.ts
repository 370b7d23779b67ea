/**
 * Read-only folders that workspaces are stacked from: checkouts and dependency layers. Each is built once, in a folder
 * of another name, and published by rename only after success; so what is found under its key is whole.
 */
import { mkdir, open, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { bootId } from './process-identity.ts';
import { removeTree } from './remove-tree.ts';
import { safeRead } from './safe-read.ts';
import { isErrno } from '../core/errno.ts';

export interface Layers {
  /**
   * The folder of a layer, held against eviction until `release` is called. Builds it when it is not there; of several
   * callers at once one builds and the others wait, each through its own `wait`. A build that throws publishes nothing and the next caller tries anew.
   */
  acquire(id: LayerId, build: (target: string) => Promise<void>, caller?: LayerCaller): Promise<HeldLayer>;
  /** Removes a layer that nobody holds; false while somebody does. May be repeated. */
  remove(id: LayerId): Promise<boolean>;
  /** A layer that is there already, held like one from `acquire`; undefined when it is not. Builds nothing. */
  find(id: LayerId): Promise<HeldLayer | undefined>;
  /** Removes all layers of a class that nobody uses any more. May be repeated. */
  drop(repoId: number, trust: string): Promise<void>;
  /** Every class of every repository that has layers, as `drop` takes them. */
  classes(): Promise<readonly Pick<LayerId, 'repoId' | 'trust'>[]>;
  /** Removes what a killed process left half built. Call before the first `acquire`. */
  sweep(): Promise<void>;
}

export interface LayerId {
  readonly repoId: number;
  readonly trust: string;
  /** A file name made of hex digits and dashes; equal keys mean equal content. */
  readonly key: string;
}

/** Somebody who wants a layer that others may want as well. */
export interface LayerCaller {
  /** Who it is, in the words that others are told who wait for its build. */
  readonly name: string;
  /** Waits for the build of another caller. */
  readonly wait: (underWay: Promise<void>, builder: string) => Promise<void>;
}

export interface HeldLayer {
  readonly path: string;
  /** Whether the caller did not have to build it. */
  readonly hit: boolean;
  release(): void;
}

const SOMEBODY: LayerCaller = { name: 'another caller', wait: (underWay) => underWay };

/**
 * `durable` layers survive a power cut whole. The others skip the flush, which would cost more than making them again,
 * and are dropped by `sweep` when the machine was booted since. Callers that waited for a build that failed try for
 * themselves, unless `isFinal` says that they would fail alike.
 */
export function openLayers(
  root: string,
  durability: 'durable' | 'this boot',
  isFinal: (error: unknown) => boolean = () => false,
): Layers {
  const building = new Map<string, { readonly work: Promise<void>; readonly builder: string }>();
  const holders = new Map<string, number>();

  function hold(path: string, hit: boolean): HeldLayer {
    holders.set(path, (holders.get(path) ?? 0) + 1);
    let held = true;
    return {
      path,
      hit,
      release() {
        if (held) holders.set(path, (holders.get(path) ?? 1) - 1);
        held = false;
      },
    };
  }

  async function findAt(path: string): Promise<HeldLayer | undefined> {
    if (!(await exists(path))) return undefined;
    // The access time orders eviction; a layer that is evicted in this instant is simply built again.
    await utimes(path, new Date(), new Date());
    return hold(path, true);
  }

  return {
    find: ({ repoId, trust, key }) => findAt(join(root, String(repoId), trust, key)),
    async drop(repoId, trust) {
      await removeTree(join(root, String(repoId), trust));
    },
    async classes() {
      const found: Pick<LayerId, 'repoId' | 'trust'>[] = [];
      for (const repo of await names(root)) {
        for (const trust of await names(join(root, repo))) found.push({ repoId: Number(repo), trust });
      }
      return found;
    },
    async acquire(id, build, { name: builder, wait } = SOMEBODY) {
      const path = join(root, String(id.repoId), id.trust, id.key);
      for (;;) {
        const underWay = building.get(path);
        if (underWay === undefined) {
          const known = await findAt(path);
          if (known !== undefined) return known;
          if (building.has(path)) continue;
          const work = buildLayer(path, build, durability === 'durable').finally(() => building.delete(path));
          building.set(path, { work, builder });
          await work;
          return hold(path, false);
        }
        // A failure of the other's build is judged here; a failure of the waiting itself (a stop) is the caller's own.
        await wait(
          underWay.work.catch((error: unknown) => {
            if (isFinal(error)) throw error;
          }),
          underWay.builder,
        );
      }
    },
    async remove(id) {
      const path = join(root, String(id.repoId), id.trust, id.key);
      if ((holders.get(path) ?? 0) > 0 || building.has(path)) return false;
      // Under its name it is whole or not there, also when this process dies now.
      await rename(path, `${path}.tmp`).catch((error: unknown) => {
        if (!isErrno(error, 'ENOENT')) throw error;
      });
      await removeTree(`${path}.tmp`);
      return true;
    },
    async sweep() {
      if (durability === 'this boot') await dropOtherBoots(root);
      for (const repo of await names(root)) {
        for (const trust of await names(join(root, repo))) {
          const half = (await names(join(root, repo, trust))).filter((name) => name.includes('.tmp'));
          await Promise.all(half.map((name) => removeTree(join(root, repo, trust, name))));
        }
      }
    },
  };
}

async function buildLayer(path: string, build: (target: string) => Promise<void>, durable: boolean): Promise<void> {
  const temporary = `${path}.tmp`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await removeTree(temporary);
  try {
    await build(temporary);
    if (durable) await syncFilesystem(temporary);
    await rename(temporary, path);
    if (durable) await syncFolder(dirname(path));
  } catch (error) {
    await removeTree(temporary);
    throw error;
  }
}

async function dropOtherBoots(root: string): Promise<void> {
  const marker = join(root, 'boot');
  const known = await safeRead(marker, 64);
  if (known?.toString('utf8') === bootId()) return;
  await removeTree(root);
  await mkdir(root, { recursive: true, mode: 0o700 });
  await writeFile(marker, bootId());
}

/** After a power cut a name must not stand before its content does. */
async function syncFilesystem(path: string): Promise<void> {
  await execa('sync', ['--file-system', path], { stdin: 'ignore' });
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

async function names(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

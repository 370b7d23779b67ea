/**
 * The folder of one kept workspace: `u` with what its job changed, kept.json about it, and a mark for every shell that works
 * on it. The worker and the shell are two processes, so what they know of each other stands there.
 */
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../core/errno.ts';
import type { JobOrigin } from '../core/job.ts';
import type { KeptWorkspace } from '../core/kept.ts';
import type { Run } from '../core/run.ts';
import type { ProcessIdentity } from './mount-helper.ts';
import { bootId, isAlive } from './process-identity.ts';
import type { SlotSpec } from './slot-container.ts';

/** Written as kept.json. */
export interface KeptRecord {
  /** What `u` takes on disk. */
  readonly bytes: number;
  readonly bootId: string;
  readonly spec: SlotSpec;
  /** Topmost first. */
  readonly lowers: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const RECORD = 'kept.json';
const MARK = 'used-by-';
/** What stands under such a name is on its way out. */
export const GONE = '.gone';

/** Its place below `kept/`: numbers only, and apart for each repository and trust class. */
export function keptFolder(run: Pick<Run, 'repo' | 'trust'>, { runId, jobId, attempt }: JobOrigin): string {
  return join(String(run.repo.id), run.trust, `${runId}-${jobId}-${attempt}`);
}

export async function writeKept(folder: string, record: KeptRecord): Promise<void> {
  await writeFile(join(folder, RECORD), JSON.stringify(record), { mode: 0o600 });
}

/** What was kept; `none` = nothing, or no more; `other boot` = content that the kernel never promised to keep so long. */
export async function readKept(folder: string): Promise<KeptRecord | 'none' | 'other boot'> {
  const record = await readJson<KeptRecord>(join(folder, RECORD));
  if (record === undefined) return 'none';
  return record.bootId === bootId() ? record : 'other boot';
}

/**
 * While that process lives nothing removes the folder, and its time of last use is now. False when the folder is gone
 * already. Ends with `unmarkUse`, or with the process. May be repeated.
 */
export async function markUse(folder: string, user: ProcessIdentity): Promise<boolean> {
  try {
    await writeFile(markOf(folder, user), JSON.stringify(user));
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

export async function unmarkUse(folder: string, user: ProcessIdentity): Promise<void> {
  await rm(markOf(folder, user), { force: true });
}

function markOf(folder: string, user: ProcessIdentity): string {
  return join(folder, `${MARK}${user.pid}`);
}

async function isOpen(folder: string): Promise<boolean> {
  for (const name of (await names(folder)).filter((one) => one.startsWith(MARK))) {
    const user = await readJson<ProcessIdentity>(join(folder, name));
    if (user !== undefined && isAlive(user)) return true;
  }
  return false;
}

/** All that is there, also what an earlier process left half removed. */
export async function allKept(root: string): Promise<readonly KeptWorkspace[]> {
  const found: KeptWorkspace[] = [];
  for (const repo of await names(root))
    for (const trust of await names(join(root, repo)))
      for (const name of await names(join(root, repo, trust))) {
        const path = join(root, repo, trust, name);
        const record = await readKept(path);
        const isThere = typeof record !== 'string';
        found.push({
          ...{ path, usedAt: (await stat(path)).mtimeMs, bytes: isThere ? record.bytes : 0 },
          isWhole: isThere && !name.endsWith(GONE),
          isOpen: isThere && (await isOpen(path)),
        });
      }
  return found;
}

/** undefined when it is absent, or when a power cut left half of it. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR') || error instanceof SyntaxError) return undefined;
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

/** What this machine has for its jobs, and on which platform they run. */
import { statfs } from 'node:fs/promises';
import { arch, availableParallelism, totalmem } from 'node:os';
import type { Capacity } from '../core/resources.ts';

const GIB = 1024 ** 3;

/** Kept for the system, the Docker engine and Hearth itself: a tenth, but never more than this. */
const MOST_MEMORY_KEPT = 2 * GIB;
/** Kept free on the disk: a twentieth of it, but never more than this. */
const MOST_DISK_KEPT = 5 * GIB;

/**
 * All cores, for they are shared by weight and the daemon gets its part; memory and free disk less a reserve. Called now
 * and then, since the disk fills. `dataDirectory` must exist.
 */
export async function measureCapacity(dataDirectory: string): Promise<Capacity> {
  const disk = await statfs(dataDirectory);
  const kept = Math.min(0.05 * disk.blocks * disk.bsize, MOST_DISK_KEPT);
  return {
    cpus: availableParallelism(),
    memoryBytes: Math.floor(totalmem() - Math.min(0.1 * totalmem(), MOST_MEMORY_KEPT)),
    diskBytes: Math.max(0, Math.floor(disk.bavail * disk.bsize - kept)),
    total: { cpus: availableParallelism(), memoryBytes: totalmem(), diskBytes: disk.bavail * disk.bsize },
  };
}

/** As Docker writes it. */
export function platform(): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64' };
  return `linux/${names[arch()] ?? arch()}`;
}

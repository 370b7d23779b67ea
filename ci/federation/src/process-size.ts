/** How much memory this process takes. */
import { readFileSync } from 'node:fs';

/**
 * In bytes. Pages that several processes share, such as Node's own program, count in parts, so that the sizes of
 * programs on one machine add up; where the kernel does not tell that, resident memory.
 */
export function processBytes(): number {
  try {
    const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux, or not allowed: the next best figure.
  }
  return process.memoryUsage.rss();
}

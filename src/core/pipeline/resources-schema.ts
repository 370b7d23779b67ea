/** The shape of `priority` and `resources` at a job. */
import { z } from 'zod';
import type { Resources } from '../resources.ts';
import { size } from './schema-values.ts';
import { parseSize } from '../size.ts';

const PRIORITY = { error: 'must be a whole number from -100 to 100' };

export const priority = z.int(PRIORITY).min(-100, PRIORITY).max(100, PRIORITY);

/** Of the kernel's shortest share: a hundredth of a core. */
const CPUS = { error: 'must be a number of cores from 0.01 to 1024, such as 2 or 0.5' };
/** Slots allow no more than this to all that runs in them. */
const PIDS = { error: 'must be a whole number from 1 to 4096' };

export const resources = z.strictObject(
  {
    cpus: z
      .number(CPUS)
      .min(0.01, CPUS)
      .max(1024, CPUS)
      .optional()
      .describe('Cores, may be a fraction. The job starts when a worker has them free, and gets no more of them.'),
    memory: size('16m', '4096g')
      .optional()
      .describe('Memory. The job starts when a worker has it free; past it the kernel kills its processes.'),
    disk: size('1m', '1024t')
      .optional()
      .describe('Room on the disk of the data folder. The job starts when a worker has it free; no limit is set.'),
    pids: z.int(PIDS).min(1, PIDS).max(4096, PIDS).optional().describe('Most processes and threads at once.'),
  },
  { error: 'must be a mapping with cpus, memory, disk or pids' },
);

/** Of what the schema has let through. */
export function resourcesOf(input: z.output<typeof resources> | undefined): Resources | null {
  if (input === undefined) return null;
  const { cpus, memory, disk, pids } = input;
  return { cpus: cpus ?? null, memoryBytes: bytesOf(memory), diskBytes: bytesOf(disk), pids: pids ?? null };
}

function bytesOf(input: string | number | undefined): number | null {
  return input === undefined ? null : (parseSize(input) ?? null);
}

/**
 * The note a worker leaves in a slot before anything of a job runs there: which attempt it is, and how far the log was.
 * From then on a later process re-attaches instead of beginning again. No ticket means that no command was started.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceContext } from '../core/containers.ts';
import type { JobId, RunId } from '../core/job.ts';
import type { BegunForReuse } from '../core/reuse.ts';
import type { AppliedLimits } from './job-limits.ts';
import { jobDirectory, jobNumbers, writeWhole } from './slot-files.ts';
import { safeRead } from './safe-read.ts';
import { parseRecord } from './slot.ts';
import { isErrno } from '../core/errno.ts';

export interface Ticket {
  readonly runId: RunId;
  readonly jobId: JobId;
  readonly attempt: number;
  readonly slotId: string;
  /** Number of the job in its slot. */
  readonly n: number;
  /** Length of the job log when the commands began; what follows in it is theirs. */
  readonly preludeBytes: number;
  /** OOM kills that the slot's cgroup had counted before. */
  readonly oomKills: number;
  /** The secrets it began with, sealed; null = none. */
  readonly secrets: string | null;
  /** Of a job with `resources`. */
  readonly limits?: AppliedLimits;
  /** Of a job with `inputs`. */
  readonly reuse?: BegunForReuse;
  /** For the expressions of its steps, also after a re-attach. */
  readonly services: Readonly<Record<string, ServiceContext>>;
}

/** Sealed secrets are in it. */
const MAX_TICKET_BYTES = 16 * 1024 ** 2;

export async function writeTicket(slotsRoot: string, ticket: Ticket): Promise<void> {
  const directory = jobDirectory(join(slotsRoot, ticket.slotId), ticket.n);
  // A folder that is there already belongs to another job: its results must never be taken for this one's.
  await mkdir(directory, { mode: 0o700 });
  await writeWhole(join(directory, 'job.json'), JSON.stringify(ticket));
}

export async function readTicket(slotDirectory: string, n: number): Promise<Ticket | undefined> {
  const text = await safeRead(join(jobDirectory(slotDirectory, n), 'job.json'), MAX_TICKET_BYTES);
  return text === undefined ? undefined : (parseRecord(text.toString('utf8')) as Ticket | undefined);
}

/** All tickets in the slots of this worker. */
export async function allTickets(slotsRoot: string): Promise<readonly Ticket[]> {
  const found: Ticket[] = [];
  for (const slotId of await names(slotsRoot)) {
    for (const n of await jobNumbers(join(slotsRoot, slotId)).catch(absent)) {
      const ticket = await readTicket(join(slotsRoot, slotId), n);
      if (ticket !== undefined) found.push(ticket);
    }
  }
  return found;
}

export async function removeTicket(slotsRoot: string, ticket: Ticket): Promise<void> {
  await rm(jobDirectory(join(slotsRoot, ticket.slotId), ticket.n), { recursive: true, force: true });
}

async function names(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(absent);
}

function absent(error: unknown): [] {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
  throw error;
}

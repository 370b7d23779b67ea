/** What the limits of a job mean for its steps and its outcome. */
import type { Outcome } from '../core/outcome.ts';
import { oomKills } from './cgroup.ts';
import { enterLimits, killsOf } from './job-limits.ts';
import type { Slot } from './slot.ts';
import type { Ticket } from './ticket.ts';

/** What `runSteps` needs of a job's limits; nothing where it has none. */
export function entry(slot: Slot, { limits }: Ticket): { readonly enter?: (pid: number) => Promise<void> } {
  if (limits === undefined || limits.groups.length === 0) return {};
  return { enter: (pid) => enterLimits(limits, slot.record.process.pid, pid) };
}

/** Whether the kernel killed something of the job for want of memory: counted by its own group, else by its slot's. */
export async function wasKilled(slot: Slot, { limits, oomKills: before }: Ticket): Promise<boolean> {
  const own = limits === undefined ? undefined : await killsOf(limits);
  return own === undefined ? ((await oomKills(slot.record.process.pid)) ?? 0) > before : own > 0;
}

/** The verdict says it as well as the log. */
export function withFault(outcome: Outcome, { limits }: Ticket): Outcome {
  const fault = limits?.fault ?? null;
  return fault === null ? outcome : { ...outcome, message: `${outcome.message}; limits not applied: ${fault}` };
}

/** Processes and boots that cannot be mistaken for later ones. */
import { readFileSync } from 'node:fs';
import type { ProcessIdentity } from './mount-helper.ts';

/** The identity of a running process, or undefined when there is none of that number (or only a zombie). */
export function identityOf(pid: number): ProcessIdentity | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // ENOENT or ESRCH: the process is gone, which is the answer
  }
  // The command name in parentheses may hold any character, so fields are counted after the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startTime = fields[19];
  return startTime === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : { pid, startTime };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startTime === identity.startTime;
}

/** Changes with every boot of the machine; pids and start times mean something only within one. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

// dockerd needs the cgroup file system. Hosts with an init system have it; bare virtual machines may not.
import { readFileSync } from 'node:fs';
import { mustRun } from './command.ts';

/** Mounts cgroup v2 when no cgroup file system is mounted at all. Needs root; may be repeated. */
export async function ensureCgroups(mounts: string = readFileSync('/proc/mounts', 'utf8')): Promise<void> {
  if (hasCgroups(mounts)) return;
  await mustRun('mount', ['-t', 'cgroup2', '-o', 'nosuid,nodev,noexec', 'cgroup2', '/sys/fs/cgroup']);
}

/** Whether a text in the form of /proc/mounts has a cgroup file system, of either version. */
export function hasCgroups(mounts: string): boolean {
  return mounts.split('\n').some((line) => {
    const [, folder, type] = line.split(' ');
    return (type === 'cgroup' || type === 'cgroup2') && folder?.startsWith('/sys/fs/cgroup') === true;
  });
}

/** What every container of Hearth may do, whatever its image: slots and services alike. docs/security.md says why. */
import { SLOT_CPU_SHARES } from './cgroup.ts';

/**
 * What root needs to install packages and to hand files and processes over to another user, and nothing else: no raw
 * packets (they would go around the network rules), no device nodes, no chroot, no file capabilities, no audit.
 */
const CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID'] as const;
/**
 * PID 1 of a slot alone has it: the supervisor takes it from every job, and with one capability fewer no job may look into
 * PID 1.
 */
export const SUPERVISOR_CAPABILITY = 'SETPCAP';

const MAX_PROCESSES = 4096;

export interface SandboxLimits {
  /** null = none. Swap is part of it. */
  readonly memoryBytes: number | null;
  /** Through programs such as `sudo`, as far as the capabilities go. */
  readonly mayGainPrivileges?: boolean;
  /** Beside those that every container has. */
  readonly capabilities?: readonly string[];
}

/** Arguments for `docker run`. Seccomp and AppArmor stay the engine's own profiles. */
export function sandboxArgs({
  memoryBytes,
  mayGainPrivileges = false,
  capabilities = [],
}: SandboxLimits): readonly string[] {
  return [
    ...['--cap-drop', 'ALL'],
    ...[...CAPABILITIES, ...capabilities].flatMap((capability) => ['--cap-add', capability]),
    ...(mayGainPrivileges ? [] : ['--security-opt', 'no-new-privileges']),
    ...['--pids-limit', String(MAX_PROCESSES)],
    ...(memoryBytes === null ? [] : ['--memory', String(memoryBytes), '--memory-swap', String(memoryBytes)]),
    // Bounded at the source: nobody else cleans up what a container says to the engine.
    ...['--log-driver', 'local', '--log-opt', 'max-size=1m', '--log-opt', 'max-file=1', '--log-opt', 'compress=false'],
    ...['--cpu-shares', String(SLOT_CPU_SHARES)],
    ...['--init=false', '--restart', 'no'],
  ];
}

/** The container of a slot: what it is made of and what it may do. */
import { join } from 'node:path';
import { SUPERVISOR_CAPABILITY, sandboxArgs } from './sandbox.ts';

/** What a slot is made for; two jobs may use the same slot only when all of it is equal. */
export interface SlotSpec {
  readonly repoId: number;
  readonly trust: string;
  readonly imageId: string;
  readonly imageEnv: readonly string[];
  readonly shmBytes: number;
  readonly memoryBytes: number | null;
  /** null = a fresh one that ends with the container. */
  readonly volumes: readonly { readonly name: string | null; readonly path: string }[];
  /** Workspaces are folders of the host, copied in and out, because overlays are not possible here. */
  readonly copies: boolean;
  /** Nothing can be written but the workspace, volumes and temporary folders. */
  readonly readOnly: boolean;
  /** The network rules it was started under; a slot of other rules is never used again. */
  readonly egress: string;
}

export interface ContainerParts {
  /** Path of the program that is PID 1. */
  readonly supervisor: string;
  readonly label: string;
}

/** Of a container whose own files cannot be changed, these can; they are memory, and go with the slot. */
const TEMPORARY = { '/tmp': '1777', '/var/tmp': '1777', '/run': '0755', '/root': '0700' } as const;

function bind(source: string, target: string, mode?: 'readonly'): readonly string[] {
  return ['--mount', `type=bind,source=${source},target=${target}${mode === undefined ? '' : `,${mode}`}`];
}

function fileArgs({ readOnly, shmBytes }: SlotSpec): readonly string[] {
  return [
    ...(readOnly
      ? [
          '--read-only',
          ...Object.entries(TEMPORARY).flatMap(([path, mode]) => [
            '--tmpfs',
            `${path}:rw,exec,nosuid,nodev,mode=${mode}`,
          ]),
        ]
      : []),
    ...['--shm-size', String(shmBytes), '--tmpfs', '/.hearth/job:rw,exec,nosuid,nodev,mode=0755,size=64m'],
  ];
}

/** Arguments for `docker run` of a slot. */
export function slotArgs(parts: ContainerParts, id: string, directory: string, spec: SlotSpec): readonly string[] {
  return [
    ...['--name', `hearth-${id}`, '--label', parts.label, '--label', `hearth.slot=${id}`],
    // An image's health check would run beside the supervisor, before the seal and outside what the end of a job proves.
    '--no-healthcheck',
    // PID 1 must be the supervisor itself: with an init in front a job could stop or kill it.
    ...['--user', '0:0', '--workdir', '/work', '--hostname', 'hearth'],
    ...sandboxArgs({ memoryBytes: spec.memoryBytes, capabilities: [SUPERVISOR_CAPABILITY] }),
    ...fileArgs(spec),
    ...bind(directory, '/.hearth/control'),
    ...bind(parts.supervisor, '/.hearth/supervisor', 'readonly'),
    ...(spec.copies ? bind(join(directory, 'work'), '/work') : []),
    ...spec.volumes.flatMap(({ name, path }) => [
      '--mount',
      `type=volume,${name === null ? '' : `source=${name},`}target=${path}`,
    ]),
    ...['--entrypoint', '/.hearth/supervisor', spec.imageId],
  ];
}

export interface ShellContainer {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly isTerminal: boolean;
}

/** A shell starts below its mount point, so it goes there once more when something is mounted; it reaps what is left to PID 1. */
const ENTER = 'cd /work && "$@"; exit $?';

/**
 * Arguments for `docker run` of a container in which somebody looks at the workspace of a job: what the job had, but for the
 * supervisor and its capability. It waits for the host as a service does. Volumes are there to be read only, because
 * what is tried out must not reach the jobs that share them.
 */
export function shellArgs(parts: ContainerParts, spec: SlotSpec, shell: ShellContainer): readonly string[] {
  const { name, env, command, isTerminal } = shell;
  return [
    ...['--rm', '--interactive', ...(isTerminal ? ['--tty'] : [])],
    ...['--name', name, '--label', parts.label, '--no-healthcheck'],
    ...['--user', '0:0', '--workdir', '/work', '--hostname', 'hearth'],
    ...sandboxArgs({ memoryBytes: spec.memoryBytes }),
    ...fileArgs(spec),
    ...bind(parts.supervisor, '/.hearth/supervisor', 'readonly'),
    ...spec.volumes.flatMap(({ name: volume, path }) => [
      '--mount',
      `type=volume,source=${volume},target=${path},readonly`,
    ]),
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...['--entrypoint', '/.hearth/supervisor', spec.imageId, 'hold', 'sh', '-c', ENTER, 'hearth', ...command],
  ];
}

/** Arguments for `docker run` of a container that hands a copied workspace back to the owner of the slot's folder. */
export function giveBackArgs(parts: ContainerParts, directory: string, imageId: string): readonly string[] {
  return [
    ...['--label', parts.label, '--no-healthcheck', '--network', 'none', '--user', '0:0'],
    ...sandboxArgs({ memoryBytes: null }),
    ...bind(directory, '/.hearth/control', 'readonly'),
    ...bind(join(directory, 'work'), '/work'),
    ...bind(parts.supervisor, '/.hearth/supervisor', 'readonly'),
    ...['--entrypoint', '/.hearth/supervisor', imageId, 'give-back'],
  ];
}

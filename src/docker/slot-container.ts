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
  readonly volumes: readonly { readonly name: string; readonly path: string }[];
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

/** Arguments for `docker run` of a slot. */
export function slotArgs(parts: ContainerParts, id: string, directory: string, spec: SlotSpec): readonly string[] {
  return [
    ...['--name', `hearth-${id}`, '--label', parts.label, '--label', `hearth.slot=${id}`],
    // An image's health check would run beside the supervisor, before the seal and outside what the end of a job proves.
    '--no-healthcheck',
    // PID 1 must be the supervisor itself: with an init in front a job could stop or kill it.
    ...['--user', '0:0', '--workdir', '/work', '--hostname', 'hearth'],
    ...sandboxArgs({ memoryBytes: spec.memoryBytes, capabilities: [SUPERVISOR_CAPABILITY] }),
    ...(spec.readOnly
      ? [
          '--read-only',
          ...Object.entries(TEMPORARY).flatMap(([path, mode]) => [
            '--tmpfs',
            `${path}:rw,exec,nosuid,nodev,mode=${mode}`,
          ]),
        ]
      : []),
    ...['--shm-size', String(spec.shmBytes), '--tmpfs', '/.hearth/job:rw,exec,nosuid,nodev,mode=0755,size=64m'],
    ...bind(directory, '/.hearth/control'),
    ...bind(parts.supervisor, '/.hearth/supervisor', 'readonly'),
    ...(spec.copies ? bind(join(directory, 'work'), '/work') : []),
    ...spec.volumes.flatMap(({ name, path }) => ['--mount', `type=volume,source=${name},target=${path}`]),
    ...['--entrypoint', '/.hearth/supervisor', spec.imageId],
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

/** What the code of a trust class may do: where the classes differ, all other parts ask here. docs/security.md says the same. */
import type { TrustClass } from './run.ts';

export interface Rights {
  /** Its jobs may be started. */
  readonly runs: boolean;
  /** Which commit's pipeline files, included files and sidecar folder count. */
  readonly config: 'own commit' | 'base';
  /** A secret may be granted to it at all. */
  readonly secrets: boolean;
  /** The images that its jobs build go to registries. */
  readonly pushes: boolean;
  /** Its jobs may start workflows of GitHub, which have the repository's secrets. */
  readonly dispatches: boolean;
  /** A slot serves one job after the other; else it is used once and destroyed. */
  readonly keepsSlots: boolean;
  /** Its jobs write into volumes that later ones of the class read; else a volume is fresh and ends with its slot. */
  readonly sharesVolumes: boolean;
}

const rights: Readonly<Record<TrustClass, Rights>> = {
  T1: {
    runs: true,
    config: 'own commit',
    secrets: true,
    pushes: true,
    dispatches: true,
    keepsSlots: true,
    sharesVolumes: true,
  },
  T2: {
    runs: true,
    config: 'own commit',
    secrets: true,
    pushes: true,
    dispatches: true,
    keepsSlots: false,
    sharesVolumes: true,
  },
  T3: {
    runs: true,
    config: 'base',
    secrets: false,
    pushes: false,
    dispatches: false,
    keepsSlots: false,
    sharesVolumes: false,
  },
  T4: {
    runs: false,
    config: 'base',
    secrets: false,
    pushes: false,
    dispatches: false,
    keepsSlots: false,
    sharesVolumes: false,
  },
};

/** Of dependency layers see layer-access.ts. */
export function rightsOf(trust: TrustClass): Rights {
  return rights[trust];
}

/** Figures beside what the federation aims at. They are told and not judged: they depend on the machine. */
import type { Observations } from './observations.ts';
import { figuresOf } from '../src/hub/samples.ts';

export interface Target {
  readonly name: string;
  readonly target: string;
  readonly observed: string;
  /** Undefined = nothing was measured. */
  readonly isMet: boolean | undefined;
}

const MEGABYTE = 1024 ** 2;

const times = [
  { name: 'connect', key: 'connectMs', most: 100 },
  { name: 'auth', key: 'authMs', most: 50 },
  { name: 'store', key: 'storeMs', most: 20 },
  { name: 'push', key: 'pushMs', most: 100 },
  { name: 'pull', key: 'pullMs', most: 50 },
  { name: 'sync', key: 'syncMs', most: 100 },
] as const;

export function targetsOf({ syncs, memoryBytes, databaseBytes }: Observations): readonly Target[] {
  // A goodbye stores nothing, so it has no time of storing.
  const measured = syncs.filter(({ task }) => task !== 'goodbye');
  const agents = new Map(syncs.map((sync) => [`${sync.tenant}/${sync.agent}`, sync.memoryBytes]));
  const bytes = [...agents.values()].reduce((sum, one) => sum + one, memoryBytes.hub + memoryBytes.monitor);
  return [
    ...times.map(({ name, key, most }): Target => {
      const { n, p50, p95 } = figuresOf(measured.map((sync) => sync[key]).filter((ms) => ms !== null));
      return {
        name: `${name} p95`,
        target: `${most} ms`,
        observed: p95 === null ? 'not measured' : `${p95} ms (p50 ${p50}, ${n} samples)`,
        isMet: p95 === null ? undefined : p95 < most,
      };
    }),
    sized('memory of hub, monitor and agents', 500, agents.size === 0 ? undefined : bytes),
    sized('database', 10, databaseBytes),
  ];
}

function sized(name: string, most: number, bytes: number | undefined): Target {
  const megabytes = bytes === undefined ? undefined : bytes / MEGABYTE;
  return {
    name,
    target: `${most} MB`,
    observed: megabytes === undefined ? 'not measured' : `${megabytes.toFixed(1)} MB`,
    isMet: megabytes === undefined ? undefined : megabytes < most,
  };
}

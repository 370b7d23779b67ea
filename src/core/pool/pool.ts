/** A pool of GitHub Actions runners: what it is, and what follows from that alone. Pure. */
import { PLATFORMS } from '../runs-on.ts';
import type { Amounts } from '../resources.ts';
import type { RepoRef } from '../run.ts';

export const sizeNames = ['multi', 'large'] as const;
export type SizeName = (typeof sizeNames)[number];
export const emulationModes = ['never', 'allow', 'require'] as const;
export type EmulationMode = (typeof emulationModes)[number];
export const scalings = ['lazy', 'balanced', 'aggressive'] as const;
export type Scaling = (typeof scalings)[number];
export const dockerModes = ['none', 'socket'] as const;
export const registrations = ['jit', 'token'] as const;

const GIB = 1024 ** 3;

/** What one runner gets. The origin's figures; its 30 GB of disk for each of four runners belong to `multi`. */
export const SIZES: Readonly<Record<SizeName, Amounts>> = {
  multi: { cpus: 4, memoryBytes: 6 * GIB, diskBytes: 30 * GIB },
  large: { cpus: 10, memoryBytes: 16 * GIB, diskBytes: 100 * GIB },
};

export interface Pool {
  readonly name: string;
  /** `owner/name`; empty for a pool of an organisation. */
  readonly repos: readonly string[];
  readonly organisation: string | null;
  /** Beside those that every runner has. */
  readonly labels: readonly string[];
  /** As Docker writes it; null = the engine's own. */
  readonly platform: string | null;
  /** A named size gives way to a smaller box; amounts do not. */
  readonly size: SizeName | Amounts;
  readonly emulation: EmulationMode;
  readonly installEmulation: boolean;
  /** Runners at once; null = as many as the box has room for. */
  readonly max: number | null;
  /** Runners that wait for a job, for each repository of the pool. */
  readonly minIdle: number;
  /** How old a runner gets that has no job. */
  readonly maxLifetimeMs: number;
  /** How long a runner beyond `minIdle` waits for a job. */
  readonly idleMs: number;
  /** Between two starts. */
  readonly staggerMs: number;
  readonly scaling: Scaling;
  readonly image: string;
  readonly docker: (typeof dockerModes)[number];
  readonly register: (typeof registrations)[number];
  /** Of the runner group; 1 is GitHub's default group. */
  readonly group: number;
  /** Of the runner's program, `2.329.0`. */
  readonly minVersion: string;
  /** Public repositories are refused without it: anyone's pull request would run here. */
  readonly allowPublic: boolean;
}

/** Where runners of a pool are registered: each is for one repository, or for the organisation. */
export type Scope = { readonly repo: string } | { readonly organisation: string };

export function scopesOf({ repos, organisation }: Pick<Pool, 'repos' | 'organisation'>): readonly Scope[] {
  return organisation === null ? repos.map((repo) => ({ repo })) : [{ organisation }];
}

/** In lower case, as GitHub compares names. */
export function scopeKey(scope: Scope): string {
  return ('repo' in scope ? `repo ${scope.repo}` : `organisation ${scope.organisation}`).toLowerCase();
}

export function scopeName(scope: Scope): string {
  return 'repo' in scope ? scope.repo : scope.organisation;
}

/** Whether jobs of this repository can go to a runner that is registered there. */
export function covers(scope: Scope, repo: Pick<RepoRef, 'owner' | 'name'>): boolean {
  return 'repo' in scope
    ? scope.repo.toLowerCase() === `${repo.owner}/${repo.name}`.toLowerCase()
    : scope.organisation.toLowerCase() === repo.owner.toLowerCase();
}

const PROCESSORS: Readonly<Record<string, string>> = { 'linux/amd64': 'X64', 'linux/arm64': 'ARM64' };

/** GitHub's word for the processor; undefined for a platform that no pool can have. */
export function processorOf(platform: string): string | undefined {
  return PROCESSORS[platform];
}

/** The label by which this Hearth knows its own runners among those of others. */
export function ownerLabel(installation: string): string {
  return `hearth-${installation}`;
}

/** All labels that a runner of the pool is registered with. */
export function labelsOfPool(pool: Pick<Pool, 'labels' | 'size'>, platform: string, installation: string): string[] {
  const fixed = [
    'self-hosted',
    'linux',
    processorOf(platform) ?? platform,
    ...(pool.size === 'large' ? ['large'] : []),
  ];
  return [...new Set([...fixed, ...pool.labels, ownerLabel(installation)])];
}

export const KNOWN_PLATFORMS: readonly string[] = [...PLATFORMS.keys()];

/** The name of a runner says whose it is, and is unique. */
export function runnerName(pool: string, hex: string): string {
  return `hearth-${pool}-${hex}`;
}

/** Versions are compared part by part; what is no number counts as 0. */
export function isOlder(version: string, than: string): boolean {
  const parts = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const [a, b] = [parts(version), parts(than)];
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

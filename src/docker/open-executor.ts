/** Puts the parts of the Docker executor together for one data folder. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Executor, Git, JobLogs, Random, Store } from '../core/ports.ts';
import type { JobSecrets } from '../core/secrets/secrets-port.ts';
import { openEgress, type Egress, type EgressWish } from './egress.ts';
import { dockerEngine, type Engine } from './engine.ts';
import { isInstallFailure } from './dependency-layers.ts';
import { dockerExecutor } from './executor.ts';
import type { RunnerContainers } from '../core/pool/pool-ports.ts';
import type { KeptLimits } from '../core/kept.ts';
import { openBaseImages } from './base-images.ts';
import { openImageJobs } from './image-job.ts';
import { openKept, type Kept } from './kept.ts';
import { openLayers, type Layers } from './layers.ts';
import { openManifests } from './manifests.ts';
import { openMountHelper } from './mount-helper.ts';
import { nativePrograms } from './native.ts';
import type { Masker } from './raw-log.ts';
import { openPreparations, type OpenPreparations } from './prewarm.ts';
import { openRegistry } from './registry.ts';
import { openRunners } from './runners.ts';
import { openServices } from './services.ts';
import { shellsOf } from './shell.ts';
import { openSidecars } from './sidecars.ts';
import { openSlotPool, type SlotPool } from './slot-pool.ts';
import { createWarmth, type Warmth } from './warmth.ts';
import { openWorkspaces, type Workspaces } from './workspace.ts';

export interface OpenExecutorOptions {
  readonly dataDirectory: string;
  readonly git: Git;
  readonly logs: JobLogs;
  readonly clock: Clock;
  readonly random: Random;
  /** A fresh masker for one log, also of these texts. */
  readonly masker: (texts: readonly string[]) => Masker;
  readonly secrets: JobSecrets;
  /** Where earlier results are found; null = every job runs. */
  readonly results: Pick<Store, 'findReusable'> | null;
  readonly logBytes: number;
  /** For workspaces of failed jobs; absent = none is kept. */
  readonly kept?: KeptLimits;
  /** How many jobs run at once; twice as many idle slots are kept warm. */
  readonly slots: number;
  /** As DOCKER_HOST; absent = the local engine. */
  readonly dockerHost?: string;
  /** Overlays need it; without it workspaces are copied. */
  readonly isRoot: boolean;
  /** Where jobs may connect to. */
  readonly egress: EgressWish;
  readonly onError: (error: unknown) => void;
  /** Something could not be made ready in advance; no job is the worse for it. */
  readonly onUnready: (cause: unknown) => void;
  /** See SlotPoolOptions. */
  readonly keepUnwantedMs?: number;
}

export interface OpenExecutor extends AsyncDisposable {
  readonly executor: Executor;
  readonly preparations: OpenPreparations;
  readonly warmth: Warmth;
  readonly engine: Engine;
  readonly pool: SlotPool;
  readonly artifacts: Layers;
  readonly kept: Kept;
  readonly egress: Egress;
  readonly workspaces: Workspaces;
  /** Containers of GitHub Actions runners. */
  readonly runners: RunnerContainers;
}

/** In strategy `copy` jobs run as this user, since their control files can only be hidden by their modes there. */
const UNPRIVILEGED = 65532;
/** Between TERM and KILL when a job is stopped or timed out. */
const GRACE_MS = 5_000;

/** Makes the folders it needs. Disposing lets go of slots and helper; containers and jobs go on. */
export async function openExecutor(options: OpenExecutorOptions): Promise<OpenExecutor> {
  const inData = (...parts: readonly string[]): string => join(options.dataDirectory, ...parts);
  await mkdir(options.dataDirectory, { recursive: true, mode: 0o700 });
  const native = await nativePrograms(inData('native'));
  const engine = dockerEngine({ host: options.dockerHost });
  const helper = options.isRoot ? openMountHelper(native.mountHelper) : undefined;
  const workspaces = await openWorkspaces(inData('scratch'), helper);
  const egress = await openEgress(options.egress, options.isRoot);
  const sidecars = openSidecars(engine, options.git, () => options.clock.monotonicMs());
  const root = inData('slots');
  const warmth = createWarmth();
  const pool = openSlotPool({
    engine,
    helper,
    egress,
    supervisor: native.supervisor,
    root,
    label: labelOf('data', options.dataDirectory),
    random: options.random,
    monotonicMs: () => options.clock.monotonicMs(),
    maxIdle: options.slots * 2,
    onError: options.onError,
    onUnready: (cause) => {
      warmth.prepared.failed += 1;
      options.onUnready(cause);
    },
    ...(options.keepUnwantedMs === undefined ? {} : { keepUnwantedMs: options.keepUnwantedMs }),
  });
  const artifacts = openLayers(inData('artifacts'), 'durable');
  const kept = openKept(inData('kept'), options.kept ?? { bytes: 0, ms: 0 }, {
    now: () => options.clock.now(),
    onError: options.onError,
  });
  /** What a job and what is prepared for it are made with. */
  const parts = {
    ...{ engine, git: options.git, clock: options.clock, slots: pool, workspaces, sidecars, egress, warmth },
    checkouts: openLayers(inData('checkouts'), 'this boot'),
    layers: openLayers(inData('layers'), 'durable', isInstallFailure),
    user: () =>
      workspaces.strategy === 'overlay'
        ? { uid: 0, gid: 0, handOver: false, home: '/root' }
        : { uid: UNPRIVILEGED, gid: UNPRIVILEGED, handOver: true, home: '/tmp' },
    masker: options.masker,
    logBytes: options.logBytes,
    graceMs: GRACE_MS,
    onError: options.onError,
  };
  const bases = openBaseImages(engine, openRegistry(), () => options.clock.monotonicMs());
  const images = openImageJobs({
    ...parts,
    ...{ bases, registry: openRegistry(), artifacts, secrets: options.secrets, random: options.random },
    manifests: openManifests(inData('manifests'), engine, options.random),
    buildsRoot: inData('builds'),
    secretsPrefix: `/dev/shm/hearth-push-${digest(options.dataDirectory)}-`,
    isRestricted: egress.isRestricted,
  });
  const executor = dockerExecutor({
    ...parts,
    images,
    logs: options.logs,
    slotsRoot: root,
    isRoot: options.isRoot,
    artifacts,
    kept,
    shellsRoot: shellsOf(options.dataDirectory),
    services: openServices({
      engine,
      sidecars,
      egress,
      supervisor: native.supervisor,
      label: labelOf('services', options.dataDirectory),
      masker: options.masker,
      onError: options.onError,
    }),
    secrets: options.secrets,
    results: options.results,
  });
  const copies = workspaces.strategy === 'copy';
  const preparations = openPreparations({ ...parts, copies, onUnready: options.onUnready });
  return {
    executor,
    preparations,
    warmth,
    artifacts,
    kept,
    engine,
    pool,
    egress,
    workspaces,
    runners: openRunners({
      ...{ engine, clock: options.clock, egress, supervisor: native.supervisor },
      label: labelOf('runners', options.dataDirectory),
      socketPath: options.dockerHost?.replace(/^unix:\/\//, '') ?? '/var/run/docker.sock',
    }),
    async [Symbol.asyncDispose]() {
      await preparations[Symbol.asyncDispose]();
      await pool.close();
      await helper?.[Symbol.asyncDispose]();
    },
  };
}

/** Removes all containers and networks of a data folder, for good. Nothing may use the folder any more. May be repeated. */
export async function removeSlotsOf(dataDirectory: string, dockerHost?: string): Promise<void> {
  const engine = dockerEngine({ host: dockerHost });
  const services = labelOf('services', dataDirectory);
  for (const label of [
    labelOf('data', dataDirectory),
    labelOf('shells', dataDirectory),
    labelOf('runners', dataDirectory),
    services,
  ])
    await engine.remove(await engine.list(label));
  const networks = await engine.command(['network', 'ls', '--quiet', '--filter', `label=${services}`]);
  for (const network of networks.split('\n').filter((id) => id !== ''))
    await engine.command(['network', 'rm', network]);
}

/** Tells the containers of one Hearth from those of any other on the machine, and its services from its slots. */
export function labelOf(kind: 'data' | 'services' | 'shells' | 'runners', dataDirectory: string): string {
  return `hearth.${kind}=${digest(dataDirectory)}`;
}

function digest(dataDirectory: string): string {
  return createHash('sha256').update(dataDirectory).digest('hex').slice(0, 16);
}

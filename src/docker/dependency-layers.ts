/** Dependency layers of a job: found under their key, or built by running the cache's install command in a slot. */
import { mkdir, rm } from 'node:fs/promises';
import type { Job } from '../core/job.ts';
import { layerAccess, PRIVATE } from '../core/layer-access.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { StepSpec } from '../core/pipeline/pipeline.ts';
import type { Claim, Clock, ExecutionSignals, JobLogWriter } from '../core/ports.ts';
import { rightsOf } from '../core/trust.ts';
import { Ended } from './ended.ts';
import { jobSteps } from './job-steps.ts';
import type { HeldLayer, Layers } from './layers.ts';
import type { Prepared, WantedLayer } from './preparation.ts';
import { followRawLog, type Masker } from './raw-log.ts';
import { endJob, runSteps } from './slot-job.ts';
import { jobDirectory } from './slot-files.ts';
import type { SlotPool } from './slot-pool.ts';
import { unlessStopped } from './unless-stopped.ts';
import type { Workspaces } from './workspace.ts';
import type { Slot } from './slot.ts';
import { count, type Warmth } from './warmth.ts';

export interface DependencyLayerParts {
  readonly layers: Layers;
  readonly slots: SlotPool;
  readonly workspaces: Workspaces;
  readonly warmth: Warmth;
  readonly clock: Clock;
  readonly masker: (texts: readonly string[]) => Masker;
  readonly logBytes: number;
  readonly graceMs: number;
  readonly onError: (error: unknown) => void;
  readonly user: () => {
    readonly uid: number;
    readonly gid: number;
    readonly handOver: boolean;
    readonly home: string;
  };
}

/** Topmost first. The caller releases them; on failure none is left held. */
export async function holdLayers(
  parts: DependencyLayerParts,
  claim: Claim,
  prepared: Prepared,
  signals: ExecutionSignals,
  say: (text: string) => void,
): Promise<readonly HeldLayer[]> {
  const held: HeldLayer[] = [];
  try {
    for (const wanted of prepared.wanted) {
      const { job, run } = claim;
      const builders = new Set<string>();
      const wait = async (underWay: Promise<void>, builder: string): Promise<void> => {
        builders.add(builder);
        say(`cache ${wanted.name}: miss ${wanted.key.slice(0, 12)}, waiting for ${builder}, which installs it\n`);
        try {
          await unlessStopped(underWay, signals, job.spec.timeoutMs, () => undefined);
        } catch (cause) {
          if (isInstallFailure(cause)) say(`cache ${wanted.name}: failed; the log of ${builder} has what it said\n`);
          throw cause;
        }
      };
      const layer =
        (await findLayer(parts.layers, claim, wanted.key)) ??
        (await parts.layers.acquire(
          { repoId: run.repo.id, trust: layerAccess(run.trust, job).writes, key: wanted.key },
          (target) => build(parts, claim, prepared, wanted, signals, say, target),
          { name: `job ${job.name} of run ${run.id}`, wait },
        ));
      count(parts.warmth.layers, layer);
      const how = !layer.hit ? 'built' : builders.size > 0 ? 'ready' : 'hit';
      say(`cache ${wanted.name}: ${how} ${wanted.key.slice(0, 12)}\n`);
      held.unshift(layer);
    }
    return held;
  } catch (cause) {
    for (const layer of held) layer.release();
    throw cause;
  }
}

/**
 * Builds what is missing before a job asks for it; a job that asks meanwhile waits for it. What goes wrong here is nothing
 * to that job: it then tries for itself, and its own log says why. Resolves with whether something was built.
 */
export async function buildAhead(
  parts: DependencyLayerParts,
  claim: Claim,
  prepared: Prepared,
  signals: ExecutionSignals,
): Promise<boolean> {
  let built = false;
  for (const wanted of prepared.wanted) {
    const id = { repoId: claim.run.repo.id, trust: layerAccess(claim.run.trust, claim.job).writes, key: wanted.key };
    const layer =
      (await findLayer(parts.layers, claim, wanted.key)) ??
      (await parts.layers.acquire(
        id,
        async (target) => {
          try {
            await build(parts, claim, prepared, wanted, signals, () => undefined, target);
          } catch (cause) {
            throw new Error(`cache ${wanted.name} could not be built in advance: ${messageOf(cause)}`, { cause });
          }
        },
        { name: 'Hearth', wait: (underWay) => underWay },
      ));
    built ||= !layer.hit;
    layer.release();
  }
  return built;
}

/** What a class that is trusted more has built already is only read. */
async function findLayer(layers: Layers, { run, job }: Claim, key: string): Promise<HeldLayer | undefined> {
  const { reads, writes } = layerAccess(run.trust, job);
  for (const trust of reads.filter((one) => one !== writes)) {
    const layer = await layers.find({ repoId: run.repo.id, trust, key });
    if (layer !== undefined) return layer;
  }
  return undefined;
}

/** Nobody but this attempt has read its private layers, so they end with it. May be repeated. */
export async function dropPrivateLayers(layers: Layers, { run, job }: Pick<Claim, 'run' | 'job'>): Promise<void> {
  const { writes, isPrivate } = layerAccess(run.trust, job);
  if (isPrivate) await layers.drop(run.repo.id, writes);
}

/** The same for attempts that ended while no process was there to see it. */
export async function sweepPrivateLayers(layers: Layers, claims: readonly Claim[]): Promise<void> {
  const used = new Set(claims.map(({ run, job }) => layerAccess(run.trust, job).writes));
  for (const { repoId, trust } of await layers.classes())
    if (trust.startsWith(PRIVATE) && !used.has(trust)) await layers.drop(repoId, trust);
}

async function build(
  parts: DependencyLayerParts,
  claim: Claim,
  prepared: Prepared,
  wanted: WantedLayer,
  signals: ExecutionSignals,
  say: (text: string) => void,
  target: string,
): Promise<void> {
  say(`cache ${wanted.name}: miss ${wanted.key.slice(0, 12)}, installing\n`);
  const { slot } = await parts.slots.acquire(prepared.spec);
  const n = slot.nextNumber();
  let reusable = false;
  try {
    const mounted = await parts.workspaces.mount(slot, n, [prepared.checkout.path]);
    if (!mounted.ok)
      throw new Ended(error(mounted.problem.kind === 'disk' ? 'disk' : 'lost_slot', mounted.problem.message));
    await install(parts, claim, wanted, signals, slot, n, say);
    await mkdir(target, { mode: 0o755 });
    const captured = await parts.workspaces.capture(slot, n, wanted.cache.paths, target);
    if (!captured.ok) {
      throw new Ended(
        error(
          captured.problem.kind === 'disk' ? 'disk' : 'config',
          `cache ${wanted.name}: ${captured.problem.message}`,
        ),
      );
    }
    if (captured.value.length === 0) {
      const paths = wanted.cache.paths.join(', ');
      throw new Ended(
        error(
          'config',
          `cache ${wanted.name}: install made none of its paths (${paths}); correct \`paths\` or \`install\``,
        ),
      );
    }
    reusable = (await parts.workspaces.unmount(slot, n)).ok && rightsOf(claim.run.trust).keepsSlots;
  } finally {
    if (reusable) {
      // The raw output is not masked, so it may not stay.
      await rm(jobDirectory(slot.directory, n), { recursive: true, force: true });
      parts.slots.giveBack(slot);
    } else {
      await parts.slots.remove(slot);
      await parts.workspaces.discard(slot.id);
    }
  }
}

async function install(
  parts: DependencyLayerParts,
  { job, run, context }: Claim,
  wanted: WantedLayer,
  signals: ExecutionSignals,
  slot: Slot,
  n: number,
  say: (text: string) => void,
): Promise<void> {
  const user = parts.user();
  const { home, ...limits } = { ...user, graceMs: parts.graceMs, logBytes: parts.logBytes };
  const steps = jobSteps(
    { run, context, needs: {}, job: installJob(job, wanted), imageEnv: slot.record.spec.imageEnv, home, secrets: {} },
    limits,
    (patterns) => parts.workspaces.hashFiles(slot, patterns),
  );
  const output = followRawLog(slot, n, {
    ...{ log: textTo(say), masker: parts.masker([]), skipBytes: 0, onError: parts.onError },
  });
  try {
    await runSteps({
      slot,
      n,
      specs: installJob(job, wanted).spec.steps,
      steps,
      timeoutMs: job.spec.timeoutMs,
      graceMs: parts.graceMs,
      monotonicMs: () => parts.clock.monotonicMs(),
      started: () => undefined,
      stop: signals.stop,
      detach: signals.detach,
    });
    const { writtenBytes, keptBytes } = await endJob(slot, n, signals.detach);
    const isCut = writtenBytes > keptBytes;
    const dropped = `\nhearth: ${writtenBytes - keptBytes} bytes of output were dropped past the cap of ${keptBytes} bytes\n`;
    await output.finish({ trailer: isCut ? dropped : '', isCut });
  } catch (cause) {
    await output.letGo();
    throw cause;
  }
  if (signals.stop.aborted) throw new Ended(signals.stop.reason as Outcome);
  const [last] = steps.ran;
  if (last === undefined || last.end.kind === 'timeout') {
    throw new Ended({ result: 'failure', reason: 'timeout', message: `${nameOf(wanted)}: timed out` });
  }
  if (last.end.kind !== 'exit' || last.end.code !== 0) {
    const exitCode = last.end.kind === 'exit' ? last.end.code : 1;
    throw new Ended({ result: 'failure', reason: 'exit', message: `${nameOf(wanted)}: exit ${exitCode}`, exitCode });
  }
}

/** What comes in pieces may be cut within a character. */
function textTo(say: (text: string) => void): Pick<JobLogWriter, 'append'> {
  const decoder = new TextDecoder();
  return {
    append: (bytes) => {
      say(decoder.decode(bytes, { stream: true }));
      return Promise.resolve();
    },
  };
}

/** The key does not know the job's own environment, so the layer may not depend on it either. */
function installJob(job: Job, { name, cache }: WantedLayer): Job {
  const step: StepSpec = {
    ...{ id: null, name: nameOf({ name }), condition: null, run: cache.install, env: {}, workingDirectory: '.' },
    ...{ shell: null, timeoutMinutes: null, continueOnError: false },
  };
  return { ...job, spec: { ...job.spec, env: {}, secrets: [], steps: [step] } };
}

/** Whoever runs the same command on the same files would fail alike. */
export function isInstallFailure(cause: unknown): boolean {
  return cause instanceof Ended && cause.outcome.reason === 'exit';
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function nameOf({ name }: Pick<WantedLayer, 'name'>): string {
  return `install ${name}`;
}

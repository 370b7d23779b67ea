/** From a claim to a slot with a mounted workspace: the last moment at which nothing of the job has run. */
import { error, type Outcome } from '../core/outcome.ts';
import type { Job } from '../core/job.ts';
import type { BegunForReuse } from '../core/reuse.ts';
import type { Claim, ExecutionSignals, JobLogWriter } from '../core/ports.ts';
import type { JobSecrets, SecretTexts } from '../core/secrets/secrets-port.ts';
import { oomKills } from './cgroup.ts';
import { holdLayers, type DependencyLayerParts } from './dependency-layers.ts';
import { Ended } from './ended.ts';
import type { Engine } from './engine.ts';
import { holdArtifacts } from './artifacts.ts';
import { applyLimits } from './job-limits.ts';
import type { HeldLayer, Layers } from './layers.ts';
import { prepare, type PreparationParts, type Prepared } from './preparation.ts';
import { writePrelude, type Prelude } from './prelude.ts';
import type { RunningServices, Services, StartingServices } from './services.ts';
import type { Sidecars } from './sidecars.ts';
import type { Slot } from './slot.ts';
import { unlessStopped } from './unless-stopped.ts';
import { writeTicket, type Ticket } from './ticket.ts';
import { count, slotLine } from './warmth.ts';

/** One attempt under way in its slot. */
export interface Placement {
  readonly slot: Slot;
  readonly ticket: Ticket;
  readonly held: readonly HeldLayer[];
}

export interface PlacementParts extends DependencyLayerParts, Omit<PreparationParts, 'copies'> {
  readonly engine: Pick<Engine, 'platform'>;
  readonly sidecars: Sidecars;
  readonly services: Services;
  /** Where the slots' control directories are. */
  readonly slotsRoot: string;
  readonly secrets: JobSecrets;
  readonly artifacts: Layers;
  /** Without root no control group can be made. */
  readonly isRoot: boolean;
  /** Of a job with `inputs`: what its end will be judged by. */
  readonly reuse: BegunForReuse | null;
}

/**
 * Prepares the attempt and enters a slot: when this resolves, the workspace is mounted and the ticket written, and no
 * command has run. On failure nothing is held. Throws Ended with the outcome that the job takes; a log that cannot be
 * written comes before any other reason, because without it nobody could read what happened.
 */
export async function place(
  parts: PlacementParts,
  claim: Claim,
  signals: ExecutionSignals,
  log: JobLogWriter,
): Promise<Placement> {
  const prelude = writePrelude(log);
  const services = parts.services.begin(claim, signals, prelude.say);
  try {
    return await prepareAndEnter(parts, claim, signals, log, prelude, services);
  } catch (cause) {
    await services.abandon();
    throw cause;
  } finally {
    await prelude.written();
  }
}

async function prepareAndEnter(
  parts: PlacementParts,
  claim: Claim,
  signals: ExecutionSignals,
  log: JobLogWriter,
  { say, written }: Prelude,
  services: StartingServices,
): Promise<Placement> {
  const secrets = await parts.secrets.of(claim);
  if (!secrets.ok) throw new Ended(error('config', secrets.problem.join('; ')));
  // An image may take long to be made, and others may wait for the same one: this job stops waiting when it should.
  const preparing = prepare({ ...parts, copies: parts.workspaces.strategy === 'copy' }, claim, say);
  const prepared = await unlessStopped(preparing, signals, claim.job.spec.timeoutMs, (late) => {
    late.checkout.release();
  });
  const held: HeldLayer[] = [prepared.checkout];
  count(parts.warmth.checkouts, prepared.checkout);
  try {
    const native = await parts.engine.platform();
    const { platform } = prepared.image;
    if (platform !== native)
      say(`hearth: ${platform} is emulated on this machine, which is ${native}; that takes longer\n`);
    proceed(signals);
    held.unshift(...(await holdLayers(parts, claim, prepared, signals, say)));
    held.unshift(...(await holdArtifacts(parts.artifacts, claim, say)));
    const running = await unlessStopped(services.ready, signals, claim.job.spec.timeoutMs, () => undefined);
    proceed(signals);
    await written();
    const ready = { ...prepared, secrets: secrets.value };
    return await enterSlot(parts, claim, signals, ready, { log, prelude: { say, written }, held, running });
  } catch (cause) {
    for (const layer of held) layer.release();
    throw cause;
  }
}

async function enterSlot(
  parts: PlacementParts,
  { job, run }: Claim,
  signals: ExecutionSignals,
  prepared: Prepared & { readonly secrets: SecretTexts },
  {
    log,
    prelude,
    held,
    running,
  }: {
    readonly log: JobLogWriter;
    readonly prelude: Prelude;
    readonly held: readonly HeldLayer[];
    readonly running: RunningServices | null;
  },
): Promise<Placement> {
  const { slot, start } = await parts.slots.acquire(prepared.spec).catch((cause: unknown) => {
    parts.sidecars.forget(prepared.image.id);
    throw new Ended(error('image', `no slot could be started: ${messageOf(cause)}`));
  });
  parts.warmth.slots[start.kind] += 1;
  prelude.say(slotLine(start));
  try {
    proceed(signals);
    if (running !== null) await parts.services.join(running, slot);
    const n = slot.nextNumber();
    const mounted = await parts.workspaces.mount(
      slot,
      n,
      held.map((layer) => layer.path),
    );
    if (!mounted.ok) {
      const { kind, message } = mounted.problem;
      throw new Ended(error(kind === 'disk' ? 'disk' : 'lost_slot', message));
    }
    const kills = (await oomKills(slot.record.process.pid)) ?? 0;
    const limits = await limitsOf(parts, slot, n, job, prelude);
    const ids = { runId: run.id, jobId: job.id, attempt: job.attempt };
    const { secrets } = prepared;
    const sealed = Object.keys(secrets).length === 0 ? null : parts.secrets.seal(secrets);
    const ticket: Ticket = {
      ...ids,
      slotId: slot.id,
      n,
      preludeBytes: log.bytes,
      oomKills: kills,
      secrets: sealed,
      ...limits,
      services: running?.contexts ?? {},
      ...(parts.reuse === null ? {} : { reuse: parts.reuse }),
    };
    await writeTicket(parts.slotsRoot, ticket);
    return { slot, ticket, held };
  } catch (cause) {
    await parts.slots.remove(slot);
    throw cause;
  }
}

/** What is not held is said before anything runs. */
async function limitsOf(
  { isRoot }: PlacementParts,
  slot: Slot,
  n: number,
  { spec: { resources } }: Job,
  prelude: Prelude,
): Promise<Pick<Ticket, 'limits'>> {
  const { process, weightFault } = slot.record;
  if (typeof weightFault === 'string') prelude.say(`hearth: slots do not give way to other work: ${weightFault}\n`);
  const limits = resources === null ? undefined : await applyLimits({ pid: process.pid, n, resources, isRoot });
  if (typeof limits?.fault === 'string') prelude.say(`hearth: limits not applied: ${limits.fault}\n`);
  // The ticket counts the bytes of the log so far.
  await prelude.written();
  return limits === undefined ? {} : { limits };
}

function proceed(signals: ExecutionSignals): void {
  signals.detach.throwIfAborted();
  if (signals.stop.aborted) throw new Ended(signals.stop.reason as Outcome);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The Executor port over Docker: the phases of one attempt in order, and clean-up whatever happens. */
import { statfs } from 'node:fs/promises';
import { uptime } from 'node:os';
import type { JobId } from '../core/job.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type {
  Claim,
  Clock,
  ExecutionSignals,
  Executor,
  Finish,
  Git,
  JobLogs,
  JobLogWriter,
  Store,
} from '../core/ports.ts';
import type { JobSecrets } from '../core/secrets/secrets-port.ts';
import type { Egress } from './egress.ts';
import type { Engine } from './engine.ts';
import { dropPrivateLayers, sweepPrivateLayers, type DependencyLayerParts } from './dependency-layers.ts';
import { Ended } from './ended.ts';
import { thaw } from './freeze.ts';
import type { Kept } from './kept.ts';
import type { Layers } from './layers.ts';
import { removeLimits } from './job-limits.ts';
import { place, type Placement } from './placement.ts';
import { runPlaced } from './placed-job.ts';
import type { Masker } from './raw-log.ts';
import { isErrno } from '../core/errno.ts';
import type { ImageJobs } from './image-job.ts';
import { rightsOf } from '../core/trust.ts';
import { decideReuse } from './reuse.ts';
import type { Services } from './services.ts';
import { sweepShells } from './shell.ts';
import type { Sidecars } from './sidecars.ts';
import type { SlotPool } from './slot-pool.ts';
import { SlotLost, type Slot } from './slot.ts';
import { allTickets, removeTicket, type Ticket } from './ticket.ts';
import type { Warmth } from './warmth.ts';
import type { Workspaces } from './workspace.ts';

export interface ExecutorParts {
  readonly engine: Engine;
  readonly git: Git;
  readonly logs: JobLogs;
  readonly clock: Clock;
  readonly slots: SlotPool;
  /** Where the slots' control directories are. */
  readonly slotsRoot: string;
  readonly workspaces: Workspaces;
  readonly isRoot: boolean;
  readonly checkouts: Layers;
  readonly layers: Layers;
  readonly artifacts: Layers;
  /** Of failed jobs. */
  readonly kept: Kept;
  /** Where shells have their scratch. */
  readonly shellsRoot: string;
  readonly sidecars: Sidecars;
  readonly warmth: Warmth;
  readonly services: Services;
  readonly egress: Egress;
  readonly images: ImageJobs;
  /** A fresh masker for one log, also of these texts. */
  readonly masker: (texts: readonly string[]) => Masker;
  readonly secrets: JobSecrets;
  /** Where earlier results are found; null = every job runs. */
  readonly results: Pick<Store, 'findReusable'> | null;
  readonly user: DependencyLayerParts['user'];
  /** Cap of a job's output in bytes. */
  readonly logBytes: number;
  /** Between TERM and KILL. */
  readonly graceMs: number;
  /** Called when clean-up in the background fails. */
  readonly onError: (error: unknown) => void;
}

export function dockerExecutor(parts: ExecutorParts): Executor {
  const placements = new Map<JobId, Placement>();
  /** Tickets that an earlier process left, by job and attempt. */
  const recovered = new Map<string, Ticket>();

  async function execute(claim: Claim, signals: ExecutionSignals): Promise<Finish | undefined> {
    const { job, run } = claim;
    const log = await parts.logs.open(run.id, job.id, job.attempt);
    try {
      return await attempt(claim, signals, log);
    } catch (cause) {
      if (signals.detach.aborted) return undefined;
      const outcome = await outcomeOf(cause, signals);
      await log.append(Buffer.from(`\nhearth: ${outcome.message}\n`)).catch(parts.onError);
      return { outcome, outputs: {}, evidence: null };
    } finally {
      await log.close();
    }
  }

  async function attempt(claim: Claim, signals: ExecutionSignals, log: JobLogWriter): Promise<Finish | undefined> {
    const { image } = claim.job.spec;
    if (image !== undefined) return parts.images.run(claim, image, signals, log);
    const begun = findPlacement(claim);
    const placement = begun ?? (await begin(claim, signals, log));
    if ('outcome' in placement) return placement;
    placements.set(claim.job.id, placement);
    try {
      // An earlier process may have died while it published something.
      if (begun !== undefined && mayPublish(claim)) await thaw(parts, begun.slot);
      return await runPlaced({ ...parts, condemn }, claim, signals, log, placement);
    } catch (cause) {
      // The slot is gone or does not obey: nothing in it may be trusted or used again, and nothing in it may live on.
      if (signals.detach.aborted) throw cause;
      // A supervisor that cannot write ends. Asked before the slot is removed, which frees what was missing.
      const isFull = cause instanceof SlotLost && (await isDiskFull(parts.slotsRoot));
      await condemn(placement.slot);
      throw isFull ? new Ended(DISK_FULL) : cause;
    }
  }

  /** A slot that is ready for it, or its end when an earlier result stands for it. */
  async function begin(claim: Claim, signals: ExecutionSignals, log: JobLogWriter): Promise<Placement | Finish> {
    const copies = parts.workspaces.strategy === 'copy';
    const decided = await decideReuse({ ...parts, copies }, claim, signals, log);
    if (decided.kind === 'taken') return decided.finish;
    return place({ ...parts, reuse: decided.begun }, claim, signals, log);
  }

  /** Where this attempt was begun, by this process or an earlier one; undefined when no command of it was started. */
  function findPlacement({ job }: Claim): Placement | undefined {
    const known = placements.get(job.id);
    if (known?.ticket.attempt === job.attempt) return known;
    const ticket = recovered.get(keyOf(job));
    if (ticket === undefined) {
      const bootedAt = parts.clock.now().getTime() - uptime() * 1000;
      if (job.timings.claimedAt !== null && job.timings.claimedAt.getTime() >= bootedAt) return undefined;
      throw new Ended(error('lost_slot', 'the machine was started anew while this job was under way'));
    }
    const slot = parts.slots.adopted(ticket.slotId);
    if (slot === undefined) throw new SlotLost('its container was gone when Hearth came back');
    return { slot, ticket, held: [] };
  }

  /**
   * A slot of the highest class goes back warm; any other is used once and replaced by one that is started in advance. The slot is idle
   * again when the call returns, so that the job that is claimed next finds it.
   */
  async function release(claim: Claim): Promise<void> {
    await leaveSlot(claim);
    await dropPrivateLayers(parts.layers, claim);
  }

  async function leaveSlot(claim: Claim): Promise<void> {
    const placement = placements.get(claim.job.id);
    placements.delete(claim.job.id);
    const ticketOnly = recovered.get(keyOf(claim.job));
    recovered.delete(keyOf(claim.job));
    // A slot that was in a job's network is as new only when it is a new one.
    const hasServices = (claim.job.spec.services ?? []).length > 0;
    if (placement === undefined) {
      if (ticketOnly !== undefined) await parts.slots.forget(ticketOnly.slotId);
      if (hasServices) await parts.services.remove(claim);
      return;
    }
    const { slot, ticket, held } = placement;
    for (const layer of held) layer.release();
    if (ticket.limits !== undefined) await removeLimits(ticket.limits);
    if (slot.isAlive() && rightsOf(claim.run.trust).keepsSlots && !hasServices) {
      parts.slots.giveBack(slot);
      return removeTicket(parts.slotsRoot, ticket);
    }
    await removeWithScratch(slot);
    if (hasServices) await parts.services.remove(claim);
    parts.slots.warmUp(slot.record.spec);
  }

  /** The slot's folder stays until `release`: were it gone before the outcome is on disk, a crash would run the job again. */
  async function condemn(slot: Slot): Promise<void> {
    await parts.slots.condemn(slot);
    await parts.workspaces.discard(slot.id);
  }

  /** The container first: a survivor in it may still write to the scratch. */
  async function removeWithScratch(slot: Slot): Promise<void> {
    await parts.slots.remove(slot);
    await parts.workspaces.discard(slot.id);
  }

  async function sweep(claims: readonly Claim[]): Promise<void> {
    const wanted = new Set(claims.map(({ job }) => keyOf(job)));
    for (const ticket of await allTickets(parts.slotsRoot)) {
      const key = keyOf({ id: ticket.jobId, attempt: ticket.attempt });
      if (wanted.has(key)) recovered.set(key, ticket);
    }
    await parts.checkouts.sweep();
    await parts.layers.sweep();
    await sweepPrivateLayers(parts.layers, claims);
    await parts.artifacts.sweep();
    await parts.kept.prune();
    await parts.images.sweep();
    await sweepShells(parts.shellsRoot, parts.engine);
    await parts.slots.takeOver(new Set([...recovered.values()].map(({ slotId }) => slotId)));
    await parts.services.sweep(new Set(recovered.keys()));
    await parts.workspaces.sweep(new Set(parts.slots.ids()));
  }

  async function outcomeOf(cause: unknown, signals: ExecutionSignals): Promise<Outcome> {
    if (cause instanceof Ended) return cause.outcome;
    if (isErrno(cause, 'ENOSPC', 'EDQUOT')) return DISK_FULL;
    if (signals.stop.aborted) return signals.stop.reason as Outcome;
    if (cause instanceof SlotLost) return error('lost_slot', `the slot was lost: ${cause.message}`);
    parts.onError(cause);
    return error('lost_slot', `Hearth could not run the job: ${messageOf(cause)}`);
  }

  return { execute, release, sweep };
}

const DISK_FULL = error('disk', 'the disk is full; free some space and run the job again');
/** What the few records of a slot take at most. */
const RECORDS_BYTES = 1024 ** 2;
const RECORDS_FILES = 32;

async function isDiskFull(folder: string): Promise<boolean> {
  const { bfree, bsize, files, ffree } = await statfs(folder);
  // Some file systems do not count files, and then say 0 of 0.
  return bfree * bsize < RECORDS_BYTES || (files > 0 && ffree < RECORDS_FILES);
}

function mayPublish({ job }: Claim): boolean {
  return job.spec.steps.some(({ publish }) => publish !== undefined);
}

function keyOf(job: Pick<Claim['job'], 'id' | 'attempt'>): string {
  return `${job.id}.${job.attempt}`;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

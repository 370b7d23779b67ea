/** From a placed attempt to its end: steps one after the other, what is kept of the workspace, log and evidence. */
import { ExpressionFailure } from '../core/expression/expression.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { Claim, Clock, ExecutionSignals, Finish, JobLogWriter } from '../core/ports.ts';
import type { JobSecrets } from '../core/secrets/secrets-port.ts';
import { judgeEnd } from '../core/reuse.ts';
import { keepArtifacts } from './artifacts.ts';
import type { DependencyLayerParts } from './dependency-layers.ts';
import { Ended } from './ended.ts';
import type { Engine } from './engine.ts';
import { hider, withOutputs } from './hide.ts';
import { jobOutcome } from './job-outcome.ts';
import { jobSteps } from './job-steps.ts';
import { NOT_KEPT, type Kept } from './kept.ts';
import type { Layers } from './layers.ts';
import { entry, wasKilled, withFault } from './limited-job.ts';
import type { Placement } from './placement.ts';
import { byName, publishOf } from './publish.ts';
import { followRawLog, type Masker } from './raw-log.ts';
import type { Services } from './services.ts';
import { endJob, runSteps } from './slot-job.ts';
import type { Slot } from './slot.ts';
import type { Workspaces } from './workspace.ts';

export interface PlacedJobParts {
  readonly clock: Clock;
  readonly workspaces: Workspaces;
  readonly artifacts: Layers;
  readonly engine: Engine;
  /** Of failed jobs. */
  readonly kept: Kept;
  readonly services: Services;
  readonly masker: (texts: readonly string[]) => Masker;
  readonly secrets: JobSecrets;
  readonly logBytes: number;
  readonly graceMs: number;
  readonly user: DependencyLayerParts['user'];
  /** Ends a slot that must not be used again. May be repeated. */
  readonly condemn: (slot: Slot) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** To the end of its last step, or on from where an earlier process left it. Rejects when its slot is lost. */
export async function runPlaced(
  parts: PlacedJobParts,
  claim: Claim,
  signals: ExecutionSignals,
  log: JobLogWriter,
  { slot, ticket }: Placement,
): Promise<Finish> {
  const { job } = claim;
  // Those it began with, also when they were changed since: another mask would shift what follows in the log.
  const secrets = ticket.secrets === null ? {} : parts.secrets.unseal(ticket.secrets);
  const hide = hider(parts.masker(Object.values(secrets)));
  const raw = followRawLog(slot, ticket.n, {
    ...{ log, masker: parts.masker(Object.values(secrets)), skipBytes: log.bytes - ticket.preludeBytes },
    onError: parts.onError,
  });
  const { home, ...limits } = { ...parts.user(), graceMs: parts.graceMs, logBytes: parts.logBytes };
  const { services } = ticket;
  const of = { ...claim, imageEnv: slot.record.spec.imageEnv, home, secrets, services, hide };
  const artifactParts = { ...parts, hide, now: () => parts.clock.now() };
  const steps = jobSteps(of, limits, (patterns) => parts.workspaces.hashFiles(slot, patterns));
  try {
    await runSteps({
      slot,
      n: ticket.n,
      specs: job.spec.steps,
      steps,
      timeoutMs: job.spec.timeoutMs,
      graceMs: parts.graceMs,
      monotonicMs: () => parts.clock.monotonicMs(),
      started: () => {
        signals.started(parts.clock.now());
      },
      stop: signals.stop,
      detach: signals.detach,
      publish: async (step, k) => {
        const request = { claim, slot, n: ticket.n, k, step, stop: signals.stop };
        const published = await publishOf(artifactParts, request);
        const { names, artifacts } = published;
        if (names.length > 0) await signals.published({ names, artifacts });
        return published;
      },
      ...entry(slot, ticket),
    });
    if (steps.ran.length === 0) return await leaveOut(parts, hide(steps.leftOut()), log, slot, ticket.n);
    const end = await endJob(slot, ticket.n, signals.detach);
    const killed = await wasKilled(slot, ticket);
    const stopped = signals.stop.aborted ? (signals.stop.reason as Outcome) : null;
    const verdict = jobOutcome(steps.ran, end, { killed, stopped, timeoutMs: job.spec.timeoutMs });
    const { exitCode } = verdict;
    const captured = await keepArtifacts(artifactParts, claim, slot, ticket.n, {
      outcome: verdict.outcome,
      published: byName(steps.publications),
    });
    const left = verdict.outcome.result === 'success' ? (captured.fault ?? verdict.outcome) : verdict.outcome;
    const { outcome, outputs, notes } = withOutputs(withFault(left, ticket), steps, hide);
    const isBad = outcome.result === 'failure' || outcome.result === 'error';
    const said = isBad ? await parts.services.lastLines(claim, parts.masker(Object.values(secrets))) : '';
    const keeping =
      outcome.result === 'failure'
        ? await parts.kept.prepare(of, slot.record.spec, parts.workspaces.scratchOf(slot, ticket.n))
        : NOT_KEPT;
    const judged = ticket.reuse === undefined ? undefined : judgeEnd(ticket.reuse, { outcome, outputs });
    const ownNotes = `${captured.notes}${notes}${keeping.notes}${judged?.note ?? ''}`;
    const trailer = `${steps.leftOut()}${ownNotes}${said}${verdict.trailer}`;
    await raw.finish({ trailer, isCut: end.writtenBytes > end.keptBytes });
    const { sha256, bytes } = await log.finish();
    const evidence = { exitCode, logSha256: sha256, logBytes: bytes, droppedBytes: end.writtenBytes - end.keptBytes };
    await freeWorkspace(parts, slot, ticket.n, { tampered: end.tampered, keepAt: keeping.at });
    const results = { outputs, artifacts: captured.kept, tests: captured.tests };
    const reuse = judged === undefined ? {} : { reuse: judged.reuse };
    return { outcome, ...results, ...reuse, evidence: exitCode === null ? null : { ...evidence, exitCode } };
  } catch (cause) {
    // What the job said before its slot was lost is still in the raw file.
    await raw.letGo();
    // Texts of expressions quote values.
    throw cause instanceof ExpressionFailure ? new Ended(error('config', hide(cause.message))) : cause;
  } finally {
    raw.stop();
  }
}

/** No step's condition was true: nothing ran, so there is nothing to end and no evidence. */
async function leaveOut(
  parts: PlacedJobParts,
  lines: string,
  log: JobLogWriter,
  slot: Slot,
  n: number,
): Promise<Finish> {
  await log.append(Buffer.from(lines));
  await log.finish();
  await freeWorkspace(parts, slot, n, {});
  const outcome: Outcome = { result: 'skipped', reason: 'condition', message: 'all steps were left out' };
  return { outcome, outputs: {}, evidence: null };
}

/** A slot whose workspace is still held, or whose supervisor was meddled with, must not be used again. */
async function freeWorkspace(
  parts: PlacedJobParts,
  slot: Slot,
  n: number,
  { tampered = false, keepAt }: { readonly tampered?: boolean; readonly keepAt?: string | undefined },
): Promise<void> {
  const unmounted = await parts.workspaces.unmount(slot, n, keepAt);
  if (!unmounted.ok) parts.onError(new Error(unmounted.problem.message));
  if (!unmounted.ok || tampered) await parts.condemn(slot);
}

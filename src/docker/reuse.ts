/** Finds an earlier result for a job with `inputs`, before anything is made ready for it. */
import { error, type Outcome } from '../core/outcome.ts';
import type { Claim, Clock, ExecutionSignals, Finish, JobLogWriter, Store } from '../core/ports.ts';
import { readyServices } from '../core/ready-containers.ts';
import { inputFiles, isAudited, leavesResults, reuseKeyText, takesResults, type BegunForReuse } from '../core/reuse.ts';
import { filesAt } from '../core/run.ts';
import { Ended } from './ended.ts';
import { resolveSlot, sha256, type PreparationParts } from './preparation.ts';
import { writePrelude } from './prelude.ts';
import { unlessStopped } from './unless-stopped.ts';

export interface ReuseParts extends PreparationParts {
  readonly clock: Clock;
  /** null = every job runs. */
  readonly results: Pick<Store, 'findReusable'> | null;
}

/** What is to be done: nothing, since a result stands for it; or to run it, and what to remember for its end. */
export type Decided =
  { readonly kind: 'taken'; readonly finish: Finish } | { readonly kind: 'runs'; readonly begun: BegunForReuse | null };

/** Throws Ended with the outcome that the job takes. May be repeated: it changes nothing. */
export async function decideReuse(
  parts: ReuseParts,
  claim: Claim,
  signals: ExecutionSignals,
  log: JobLogWriter,
): Promise<Decided> {
  const { job, run } = claim;
  const { inputs, timeoutMs } = job.spec;
  if (inputs === undefined) return RUNS;
  const { say, written } = writePrelude(log);
  const key = await unlessStopped(keyOf(parts, claim, inputs, say), signals, timeoutMs, () => undefined).finally(
    written,
  );
  if (parts.results === null || !leavesResults(run)) return RUNS;
  const earlier = await parts.results.findReusable({ repoId: run.repo.id, trust: run.trust, key }, parts.clock.now());
  if (earlier === undefined || !takesResults(run)) return { kind: 'runs', begun: { key, audits: null } };
  const { from, outputs, evidence } = earlier;
  if (isAudited(key, job, sha256)) {
    say(`hearth: run ${from.runId} had the same inputs; the job runs all the same, to audit its result\n`);
    await written();
    return { kind: 'runs', begun: { key, audits: { from, outputs } } };
  }
  say(`hearth: reused from run ${from.runId}, whose inputs were the same (${key.slice(0, 12)})\n`);
  await written();
  await log.finish();
  const outcome: Outcome = { result: 'success', reason: 'exit', message: `reused from run ${from.runId}` };
  return { kind: 'taken', finish: { outcome, outputs, evidence, reuse: { kind: 'taken', key, from } } };
}

const RUNS: Decided = { kind: 'runs', begun: null };

async function keyOf(
  parts: ReuseParts,
  claim: Claim,
  patterns: readonly string[],
  say: (text: string) => void,
): Promise<string> {
  const files = inputFiles(patterns, await parts.git.tree(claim.run.repo, filesAt(claim.run, claim.context)));
  if (!files.ok) throw new Ended(error('config', files.problem));
  const { image, wanted } = await resolveSlot(parts, claim, say);
  const named = readyServices(claim).map((service) => parts.sidecars.named(service.image, claim.run, say));
  const services = await Promise.all(named);
  return sha256(
    reuseKeyText(claim, {
      files: files.value,
      imageId: image.id,
      platform: `linux/${image.architecture}`,
      // What could not be had is said where it is started.
      serviceImageIds: services.map((found) => (found.ok ? found.value.id : '')),
      layerKeys: wanted.map(({ key }) => key),
    }),
  );
}

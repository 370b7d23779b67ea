/** A job that builds an image: context, one build for each platform, checks, push, and what of it stands on the run. */
import { join } from 'node:path';
import { ExpressionFailure } from '../core/expression/expression.ts';
import { cacheNamespaceOf, ownImages } from '../core/image/image-names.ts';
import { dashed, type BuiltImage, type ImageRecord, type ImageSpec } from '../core/image/image-spec.ts';
import { indexOf } from '../core/image/oci.ts';
import { outputsOf } from '../core/image/image-outputs.ts';
import { readyImage, type ReadyImage } from '../core/image/ready-image.ts';
import { minutes } from '../core/minutes.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { Claim, Clock, ExecutionSignals, Finish, JobLogWriter, Random } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { JobSecrets, SecretTexts } from '../core/secrets/secrets-port.ts';
import { megabytesText } from '../core/size.ts';
import { rightsOf } from '../core/trust.ts';
import { holdArtifacts } from './artifacts.ts';
import { Ended } from './ended.ts';
import { hider, type Hide } from './hide.ts';
import { buildImage, type BuildFailure, type Built, type ImageBuildParts } from './image-build.ts';
import { makeContext, type BuildContext } from './image-context.ts';
import { pushImages, sweepCredentials, type Pushed, type PushParts } from './image-push.ts';
import type { Layers } from './layers.ts';
import type { Manifests } from './manifests.ts';
import { maskedLog, type MaskedLog } from './masked-log.ts';
import { filesOf, type PreparationParts } from './preparation.ts';
import type { Masker } from './raw-log.ts';
import { digestOf } from './registry.ts';
import { removeTree } from './remove-tree.ts';
import { verifyImage } from './verify-image.ts';

export interface ImageJobParts extends ImageBuildParts, PushParts, Pick<PreparationParts, 'git' | 'checkouts'> {
  readonly artifacts: Layers;
  readonly manifests: Manifests;
  readonly secrets: JobSecrets;
  readonly masker: (texts: readonly string[]) => Masker;
  readonly logBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  /** For files of builds under way; what is in it at start is left over. */
  readonly buildsRoot: string;
  /** Jobs may not connect to everything. A build cannot be held to that, so code of forks builds without a network. */
  readonly isRestricted: boolean;
}

export interface ImageJobs {
  /**
   * Throws Ended with the outcome that the job takes where no command of it came to an end. May be repeated, also after a
   * crash: what the layer cache has is not built again.
   */
  run(claim: Claim, spec: ImageSpec, signals: ExecutionSignals, log: JobLogWriter): Promise<Finish>;
  /** Removes what builds of a killed process left. Call before the first `run`. */
  sweep(): Promise<void>;
}

export function openImageJobs(parts: ImageJobParts): ImageJobs {
  return {
    run: (claim, spec, signals, log) => runImageJob(parts, claim, spec, signals, log),
    async sweep() {
      await removeTree(parts.buildsRoot);
      await sweepCredentials(parts.secretsPrefix);
    },
  };
}

async function runImageJob(
  parts: ImageJobParts,
  claim: Claim,
  spec: ImageSpec,
  signals: ExecutionSignals,
  log: JobLogWriter,
): Promise<Finish> {
  const { job } = claim;
  const secrets = await parts.secrets.of(claim);
  if (!secrets.ok) throw new Ended(error('config', secrets.problem.join('; ')));
  const texts = Object.values(secrets.value);
  const hide = hider(parts.masker(texts));
  const out = maskedLog(log, parts.masker(texts), parts.logBytes);
  const folder = join(parts.buildsRoot, `${job.id}.${job.attempt}.${parts.random.hex(4)}`);
  const timeout = AbortSignal.timeout(Math.min(job.spec.timeoutMs, 2 ** 31 - 1));
  const signal = AbortSignal.any([signals.stop, signals.detach, timeout]);
  try {
    const made = await make({ ...parts, hide }, { claim, spec, secrets: secrets.value, out, folder, signal, signals });
    signals.detach.throwIfAborted();
    const end = made.ok ? passed(made.value) : made.problem;
    const outcome = stopOf(signals, timeout, job.spec.timeoutMs) ?? {
      ...end.outcome,
      message: hide(end.outcome.message),
    };
    if (outcome.result !== 'success') out.say(`\nhearth: ${outcome.message}\n`);
    const { sha256, bytes, droppedBytes } = await out.finish();
    const evidence =
      end.exitCode === null ? null : { exitCode: end.exitCode, logSha256: sha256, logBytes: bytes, droppedBytes };
    if (!made.ok || outcome.result !== 'success') return { outcome, outputs: {}, evidence };
    const { outputs, record } = made.value;
    return { outcome, outputs, image: record, evidence };
  } catch (cause) {
    await out.letGo();
    if (signals.detach.aborted) throw cause;
    const stopped = stopOf(signals, timeout, job.spec.timeoutMs);
    if (stopped !== undefined) throw new Ended(stopped);
    throw cause instanceof ExpressionFailure ? new Ended(error('config', hide(cause.message))) : cause;
  } finally {
    await removeTree(folder);
  }
}

interface ImageJob {
  readonly claim: Claim;
  readonly spec: ImageSpec;
  readonly secrets: SecretTexts;
  readonly out: MaskedLog;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly signals: ExecutionSignals;
}

interface Made {
  readonly record: ImageRecord;
  readonly outputs: Readonly<Record<string, string>>;
}

async function make(
  parts: ImageJobParts & { readonly hide: Hide },
  { claim, spec, secrets, out, folder, signal, signals }: ImageJob,
): Promise<Result<Made, BuildFailure>> {
  const image = readyImage(claim, spec, secrets);
  const checkout = await filesOf(parts, claim);
  const held = [checkout];
  try {
    held.unshift(...(await holdArtifacts(parts.artifacts, claim, out.say)));
    const layers = held.map(({ path }) => path);
    const context = await makeContext(layers, join(folder, 'workspace'), image);
    if (!context.ok) return failed({ outcome: error(context.problem.kind, context.problem.message), exitCode: null });
    if (claim.job.spec.resources !== null)
      out.say('hearth: limits not applied: an image is built by the engine, beside all slots\n');
    signals.started(parts.clock.now());
    return await buildAll(parts, { claim, secrets, out, folder, signal, image, context: context.value });
  } finally {
    for (const layer of held) layer.release();
  }
}

interface ReadyJob extends Pick<ImageJob, 'claim' | 'secrets' | 'out' | 'folder' | 'signal'> {
  readonly image: ReadyImage;
  readonly context: BuildContext;
}

async function buildAll(
  parts: ImageJobParts & { readonly hide: Hide },
  job: ReadyJob,
): Promise<Result<Made, BuildFailure>> {
  const { image, out, signal } = job;
  const nativePlatform = await parts.engine.platform();
  const platforms = image.platforms.length === 0 ? [nativePlatform] : image.platforms;
  const built: (Built & Pick<BuiltImage, 'verified'>)[] = [];
  for (const platform of platforms) {
    const one = await buildOne(parts, job, platform, nativePlatform);
    if (!one.ok) return one;
    const checked = await verified(parts, job, one.value);
    if (!checked.ok) return checked;
    const { buildMs, layers, sizeBytes } = one.value;
    const seconds = (buildMs / 1000).toFixed(1);
    out.say(
      `${platform}: built in ${seconds} s, ${layers.cached} of ${layers.total} steps from the cache, ${megabytesText(sizeBytes)}\n`,
    );
    built.push({ ...one.value, verified: checked.value });
  }
  const pushed: Pushed[] = [];
  const targets = rightsOf(job.claim.run.trust).pushes ? image.push : [];
  for (const { name } of image.push.slice(targets.length))
    out.say(`hearth: not pushed to ${name}: what a fork has built goes to no registry\n`);
  for (const target of targets) {
    const { credentials } = image;
    const done = await pushImages(parts, { images: built, target, credentials, say: out.say, signal });
    if (!done.ok)
      return failed({ outcome: error('image', `image.push: ${target.name}: ${done.problem}`), exitCode: null });
    pushed.push(done.value);
    out.say(`pushed ${target.name}@${done.value.digest}\n`);
  }
  const { digest, digests } = pushed[0] ?? (await digestsOf(parts, built, signal));
  out.say(`digest: ${digest}\n`);
  const record: ImageRecord = {
    digest,
    pushed: targets.map(({ name }, index) => `${name}@${pushed[index]?.digest ?? ''}`),
    images: built.map(({ facts: _, ...one }) => ({ ...one, digest: digests.get(one.platform) ?? '' })),
  };
  return success({ record, outputs: outputsOf(record, built, nativePlatform, parts.hide) });
}

/** Where no registry has given it any: of the images as they lie in the engine. */
async function digestsOf(
  { manifests }: ImageJobParts,
  built: readonly Pick<Built, 'id' | 'platform'>[],
  signal: AbortSignal,
): Promise<Pushed> {
  const entries = [];
  for (const { id, platform } of built) {
    entries.push({ ...(await manifests.of(id, signal)), platform });
  }
  const digests = new Map(entries.map(({ platform, digest }) => [platform, digest]));
  const [only, ...more] = entries;
  const isAlone = only !== undefined && more.length === 0;
  return { digests, digest: isAlone ? only.digest : digestOf(Buffer.from(indexOf(entries).text)) };
}

/** What was seen, a sentence each. What was not looked at is among it, so that nobody takes it for seen. */
async function verified(
  { engine }: ImageJobParts,
  { claim, out, signal }: ReadyJob,
  { id, platform }: Built,
): Promise<Result<readonly string[], BuildFailure>> {
  const { verify, timeoutMs } = claim.job.spec;
  if (verify === undefined) return success([]);
  const say = (text: string): void => {
    out.say(`${platform}: ${text}\n`);
  };
  const { problems, facts, unchecked } = await verifyImage(engine, {
    ...{ image: id, platform, spec: verify, timeoutMs, signal, say },
  });
  for (const text of [...facts, ...unchecked, ...problems]) say(text);
  if (problems.length === 0) return success([...facts, ...unchecked]);
  const message = `${platform}: verify: ${problems.join(' ')}`;
  return failed({ outcome: { result: 'failure', reason: 'exit', message }, exitCode: 1 });
}

function buildOne(parts: ImageJobParts, job: ReadyJob, platform: string, nativePlatform: string) {
  const { claim, secrets, image, context, out, signal } = job;
  const { run } = claim;
  return buildImage(parts, {
    ...{ image, platform, nativePlatform, context, signal, say: out.say },
    folder: join(job.folder, dashed(platform)),
    ownPrefix: ownImages(run),
    build: {
      cacheNamespace: cacheNamespaceOf(run),
      secrets: buildSecrets(claim, secrets),
      isOffline: run.trust === 'T3' && parts.isRestricted,
    },
    monotonicMs: () => parts.clock.monotonicMs(),
  });
}

/** What the job lists below `secrets`, by the names of the variables that jobs with steps would find them in. */
function buildSecrets({ job }: Claim, secrets: SecretTexts): Readonly<Record<string, string>> {
  return Object.fromEntries(
    job.spec.secrets.flatMap(({ name, variable }) => (variable === null ? [] : [[variable, secrets[name] ?? '']])),
  );
}

function passed({ record }: Made): BuildFailure {
  const what = record.images.map(({ platform }) => platform).join(', ');
  return { outcome: { result: 'success', reason: 'exit', message: `built for ${what}` }, exitCode: 0 };
}

/** Why it was ended, whatever the builder made of that. */
function stopOf(signals: ExecutionSignals, timeout: AbortSignal, timeoutMs: number): Outcome | undefined {
  if (signals.stop.aborted) return signals.stop.reason as Outcome;
  if (!timeout.aborted) return undefined;
  return {
    result: 'failure',
    reason: 'timeout',
    message: `timed out after ${minutes(timeoutMs)}`,
  };
}

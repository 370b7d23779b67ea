/** From a claim to what its slot and workspace are made of: checkout, image, dependency layers, volumes. */
import { createHash } from 'node:crypto';
import { ExpressionFailure } from '../core/expression.ts';
import { readyContainer } from '../core/ready-containers.ts';
import type { CacheSpec } from '../core/pipeline.ts';
import { layerKey, volumeName } from '../core/cache-key.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { Claim, Git } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { Egress } from './egress.ts';
import { Ended } from './ended.ts';
import type { ImageInfo } from './engine.ts';
import type { HeldLayer, Layers } from './layers.ts';
import type { Sidecars } from './sidecars.ts';
import type { SlotSpec } from './slot.ts';

export interface Prepared {
  readonly image: ImageInfo;
  readonly spec: SlotSpec;
  readonly checkout: HeldLayer;
  /** Layers the job asked for, in its order, with what builds them. */
  readonly wanted: readonly WantedLayer[];
}

export interface WantedLayer {
  readonly name: string;
  readonly key: string;
  readonly cache: CacheSpec & { readonly kind: 'layer' };
}

export interface PreparationParts {
  readonly git: Git;
  readonly checkouts: Layers;
  readonly sidecars: Sidecars;
  readonly copies: boolean;
  readonly egress: Pick<Egress, 'fingerprint'>;
}

/** The caller releases `checkout`. The problem is the outcome the job takes. */
export async function prepare(
  parts: PreparationParts,
  claim: Claim,
  say: (text: string) => void,
): Promise<Result<Prepared, Outcome>> {
  const { run, context } = claim;
  const { repo, sha, trust } = run;
  const checkout = await openCheckout(parts, { repo, sha, trust });
  if (!checkout.ok) return checkout;
  const release = <T>(outcome: Result<T, Outcome>): Result<T, Outcome> => {
    checkout.value.release();
    return outcome;
  };
  const container = containerOf(claim);
  if (!container.ok) return release(container);
  const own = container.value;
  const image = await resolveImage(parts, claim, { own, checkout: checkout.value, say });
  if (!image.ok) return release(image);
  const caches = claim.job.spec.caches.map((name) => ({ name, cache: context.caches[name] }));
  const wanted: WantedLayer[] = [];
  const volumes: { name: string | null; path: string }[] = [];
  for (const { name, cache } of caches) {
    if (cache === undefined)
      return release(failed(error('config', `there is no cache ${name}; define it under \`cache:\``)));
    if (cache.kind === 'volume') {
      volumes.push({
        name: volumeName({ repoId: run.repo.id, trust: run.trust, cache: name }, sha256),
        path: cache.path,
      });
      continue;
    }
    const key = await keyOf(parts.git, claim, image.value, name, cache);
    if (!key.ok) return release(key);
    wanted.push({ name, key: key.value, cache });
  }
  const spec: SlotSpec = {
    repoId: run.repo.id,
    trust: run.trust,
    imageId: image.value.id,
    imageEnv: image.value.env,
    shmBytes: context.sidecar.shmBytes,
    memoryBytes: context.sidecar.memoryBytes ?? null,
    volumes,
    copies: parts.copies,
    readOnly: own?.readOnly ?? context.sidecar.readOnly ?? false,
    egress: parts.egress.fingerprint,
  };
  return success({ image: image.value, spec, checkout: checkout.value, wanted });
}

function containerOf(claim: Claim): Result<ReturnType<typeof readyContainer>, Outcome> {
  try {
    return success(readyContainer(claim));
  } catch (cause) {
    if (cause instanceof ExpressionFailure) return failed(error('config', cause.message));
    throw cause;
  }
}

type Commit = Pick<Claim['run'], 'repo' | 'sha' | 'trust'>;

interface ImageWish {
  readonly own: ReturnType<typeof readyContainer>;
  readonly checkout: HeldLayer;
  readonly say: (text: string) => void;
}

/** What an image is built from lies where the pipeline was read, so a fork's code is never part of a build on the host. */
async function resolveImage(
  parts: PreparationParts,
  { run, context }: Claim,
  { own, checkout, say }: ImageWish,
): Promise<Result<ImageInfo, Outcome>> {
  const { repo, sha, trust, config } = run;
  const sidecar = own === null ? context.sidecar : ({ kind: 'image', image: own.image } as const);
  const resolve = async (commit: Commit, files: string): Promise<Result<ImageInfo, Outcome>> => {
    const image = await parts.sidecars.resolve({ ...commit, sidecar, say, checkout: files });
    if (image.ok) return image;
    say(`${image.problem}\n`);
    const which = own === null ? 'the sidecar image' : `container: the image ${own.image}`;
    return failed(error('image', `${which} could not be had: ${lastLine(image.problem)}`));
  };
  if (config === null || sidecar.kind === 'image') return resolve({ repo, sha, trust }, checkout.path);
  const base = { repo, sha: config.sha, trust: config.trust };
  const files = await openCheckout(parts, base);
  if (!files.ok) return files;
  try {
    return await resolve(base, files.value.path);
  } finally {
    files.value.release();
  }
}

async function openCheckout(parts: PreparationParts, run: Commit): Promise<Result<HeldLayer, Outcome>> {
  const id = { repoId: run.repo.id, trust: run.trust, key: run.sha };
  try {
    return success(
      await parts.checkouts.acquire(id, async (directory) => {
        const made = await parts.git.checkout({ repo: run.repo, sha: run.sha, directory });
        if (!made.ok) throw new Ended(error(made.problem.kind === 'disk' ? 'disk' : 'checkout', made.problem.message));
      }),
    );
  } catch (cause) {
    if (cause instanceof Ended) return failed(cause.outcome);
    throw cause;
  }
}

async function keyOf(
  git: Git,
  { run }: Claim,
  image: ImageInfo,
  name: string,
  cache: CacheSpec & { readonly kind: 'layer' },
): Promise<Result<string, Outcome>> {
  const keyFiles: { path: string; objectId: string }[] = [];
  for (const path of cache.key) {
    const objectId = await git.objectId(run.repo, run.sha, path);
    if (objectId === undefined) {
      return failed(
        error('config', `cache ${name}: there is no file ${path} in this commit; correct \`cache.${name}.key\``),
      );
    }
    keyFiles.push({ path, objectId });
  }
  const platform = `linux/${image.architecture}`;
  return success(
    layerKey({ install: cache.install, keyFiles, paths: cache.paths, imageId: image.id, platform }, sha256),
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

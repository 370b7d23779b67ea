/** From a claim to what its slot and workspace are made of: checkout, image, dependency layers, volumes. */
import { createHash } from 'node:crypto';
import { ExpressionFailure } from '../core/expression/expression.ts';
import { readyContainer } from '../core/ready-containers.ts';
import type { CacheSpec } from '../core/pipeline/pipeline.ts';
import { layerKey, volumeName } from '../core/cache-key.ts';
import { error } from '../core/outcome.ts';
import type { Claim, Git } from '../core/ports.ts';
import { filesAt } from '../core/run.ts';
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

/** The caller releases `checkout`. Throws Ended with the outcome that the job takes. */
export async function prepare(parts: PreparationParts, claim: Claim, say: (text: string) => void): Promise<Prepared> {
  const wish = await resolveSlot(parts, claim, say);
  return { ...wish, checkout: await filesOf(parts, claim) };
}

/** What can be told without the files of the commit. Throws Ended. */
export async function resolveSlot(
  parts: PreparationParts,
  claim: Claim,
  say: (text: string) => void,
): Promise<Omit<Prepared, 'checkout'>> {
  const { run, context } = claim;
  const own = containerOf(claim);
  const image = await resolveImage(parts, claim, own, say);
  const wanted: WantedLayer[] = [];
  const volumes: { name: string | null; path: string }[] = [];
  for (const name of claim.job.spec.caches) {
    const cache = context.caches[name];
    if (cache === undefined) throw new Ended(error('config', `there is no cache ${name}; define it under \`cache:\``));
    if (cache.kind === 'layer') wanted.push({ name, key: await keyOf(parts.git, claim, image, name, cache), cache });
    else
      volumes.push({
        name: volumeName({ repoId: run.repo.id, trust: run.trust, cache: name }, sha256),
        path: cache.path,
      });
  }
  const spec: SlotSpec = {
    repoId: run.repo.id,
    trust: run.trust,
    imageId: image.id,
    imageEnv: image.env,
    shmBytes: context.sidecar.shmBytes,
    memoryBytes: context.sidecar.memoryBytes ?? null,
    volumes,
    copies: parts.copies,
    readOnly: own?.readOnly ?? context.sidecar.readOnly ?? false,
    egress: parts.egress.fingerprint,
  };
  return { image, spec, wanted };
}

function containerOf(claim: Claim): ReturnType<typeof readyContainer> {
  try {
    return readyContainer(claim);
  } catch (cause) {
    if (cause instanceof ExpressionFailure) throw new Ended(error('config', cause.message));
    throw cause;
  }
}

type Commit = Pick<Claim['run'], 'repo' | 'sha' | 'trust'>;

/** What an image is built from lies where the pipeline was read, so a fork's code is never part of a build on the host. */
async function resolveImage(
  parts: PreparationParts,
  { run, context }: Claim,
  own: ReturnType<typeof readyContainer>,
  say: (text: string) => void,
): Promise<ImageInfo> {
  const sidecar = own === null ? context.sidecar : ({ kind: 'image', image: own.image } as const);
  const { repo } = run;
  const { sha, trust } = run.config ?? run;
  const files = (): Promise<HeldLayer> => openCheckout(parts, { repo, sha, trust });
  const image = await parts.sidecars.resolve({ repo, sha, trust, sidecar, say, files });
  if (image.ok) return image.value;
  say(`${image.problem}\n`);
  const which =
    own !== null
      ? `container: the image ${own.image}`
      : sidecar.kind === 'image'
        ? `sidecar: the image ${sidecar.image}`
        : `sidecar: the image of ${sidecar.file}`;
  throw new Ended(error('image', `${which} could not be had: ${lastLine(image.problem)}`));
}

/** The files that a job of this run gets. The caller releases them. Throws Ended. */
export function filesOf(
  parts: Pick<PreparationParts, 'git' | 'checkouts'>,
  { run, context }: Pick<Claim, 'run' | 'context'>,
): Promise<HeldLayer> {
  return openCheckout(parts, { ...run, sha: filesAt(run, context) });
}

async function openCheckout(
  { checkouts, git }: Pick<PreparationParts, 'git' | 'checkouts'>,
  { repo, sha, trust }: Commit,
): Promise<HeldLayer> {
  return checkouts.acquire({ repoId: repo.id, trust, key: sha }, async (directory) => {
    const made = await git.checkout({ repo, sha, directory });
    if (!made.ok) throw new Ended(error(made.problem.kind === 'disk' ? 'disk' : 'checkout', made.problem.message));
  });
}

async function keyOf(
  git: Git,
  { run, context }: Claim,
  image: ImageInfo,
  name: string,
  cache: CacheSpec & { readonly kind: 'layer' },
): Promise<string> {
  const keyFiles: { path: string; objectId: string }[] = [];
  for (const path of cache.key) {
    const objectId = await git.objectId(run.repo, filesAt(run, context), path);
    if (objectId === undefined) {
      throw new Ended(
        error('config', `cache ${name}: there is no file ${path} in this commit; correct \`cache.${name}.key\``),
      );
    }
    keyFiles.push({ path, objectId });
  }
  const platform = `linux/${image.architecture}`;
  return layerKey({ install: cache.install, keyFiles, paths: cache.paths, imageId: image.id, platform }, sha256);
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

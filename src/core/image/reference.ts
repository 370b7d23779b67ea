/**
 * Names of images, as registries and Docker read them. Pure.
 * The grammar: https://github.com/distribution/reference/blob/main/reference.go
 */
export interface ImageReference {
  /** `docker.io` where the name says none. */
  readonly registry: string;
  /** With `library/` where Docker Hub's own images are meant. */
  readonly repository: string;
  readonly tag: string | null;
  readonly digest: string | null;
}

const HUB = 'docker.io';
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Undefined for what no registry could have. */
export function parseReference(text: string): ImageReference | undefined {
  const [named = '', digest, ...more] = text.split('@');
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const path = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : null;
  const first = path.split('/')[0] ?? '';
  // As Docker tells a host from the first part of a path.
  const isHost = path.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  const rest = isHost ? path.slice(first.length + 1) : path;
  const registry = !isHost || first === 'index.docker.io' ? HUB : first;
  const repository = registry === HUB && !rest.includes('/') ? `library/${rest}` : rest;
  if (
    more.length > 0 ||
    !REPOSITORY.test(repository) ||
    (isHost && !/^[\w.-]+(?::\d+)?$|^\[[0-9a-f:]+\](?::\d+)?$/i.test(first))
  )
    return undefined;
  if ((tag !== null && !TAG.test(tag)) || (digest !== undefined && !DIGEST.test(digest))) return undefined;
  return { registry, repository, tag, digest: digest ?? null };
}

/** The same image by its digest alone. */
export function byDigest({ registry, repository }: ImageReference, digest: string): string {
  return `${registry}/${repository}@${digest}`;
}

/**
 * The same image in the words in which Docker Hub keeps it for one kind of processor: `arm64v8/debian:bookworm-slim`.
 * https://github.com/docker-library/official-images#architectures-other-than-amd64
 */
export function nameForPlatform(text: string, platform: string): string | undefined {
  const found = parseReference(text);
  const prefix = prefixes.get(platform);
  if (prefix === undefined || found?.registry !== HUB || found.digest !== null) return undefined;
  const [owner, ...name] = found.repository.split('/');
  return owner === 'library' ? `${prefix}/${name.join('/')}:${found.tag ?? 'latest'}` : undefined;
}

const prefixes: ReadonlyMap<string, string> = new Map([
  ['linux/amd64', 'amd64'],
  ['linux/arm64', 'arm64v8'],
]);

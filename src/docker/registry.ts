/**
 * What Hearth itself asks of image registries: which digest a name has, and to keep an index. Layers go through the Docker
 * engine. The protocol: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
import { createHash } from 'node:crypto';
import type { ImageReference } from '../core/image/reference.ts';
import { failed, success, type Result } from '../core/result.ts';

export interface Registry {
  /** The manifest or index of a tag, as the registry has it now. `absent`: it answered that there is none. */
  manifest(image: ImageReference, credentials: Credentials | null): Promise<Result<Manifest, RegistryTrouble>>;
  /** Keeps a manifest or index under the tag and reads it back by its digest. May be repeated. */
  putManifest(
    image: ImageReference,
    manifest: Pick<Manifest, 'mediaType' | 'bytes'>,
    credentials: Credentials | null,
  ): Promise<Result<Manifest, RegistryTrouble>>;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface Manifest {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface RegistryTrouble {
  /** `unreachable`: nobody answered, or not as a registry does. */
  readonly kind: 'unreachable' | 'absent' | 'refused';
  readonly message: string;
}

/** An index is asked for first: it serves every platform. */
const TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const ANSWER_MS = 10_000;
/** The specification's own limit for manifests. */
const MAX_BYTES = 4 * 1024 ** 2;

export function openRegistry(answerMs = ANSWER_MS): Registry {
  async function call(
    image: ImageReference,
    credentials: Credentials | null,
    request: {
      readonly method: 'GET' | 'PUT';
      readonly reference: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body?: Uint8Array<ArrayBuffer>;
    },
  ): Promise<Result<Response, RegistryTrouble>> {
    const { method, reference, headers, body } = request;
    if (!URL.canParse(`http://${image.registry}`))
      return failed({ kind: 'unreachable', message: `${image.registry} is not the address of a registry` });
    const url = `${addressOf(image.registry)}/v2/${image.repository}/manifests/${reference}`;
    const send = (authorization: string | undefined): Promise<Response> =>
      fetch(url, {
        method,
        headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
        signal: AbortSignal.timeout(answerMs),
        ...(body === undefined ? {} : { body }),
      });
    try {
      const first = await send(undefined);
      if (first.status !== 401) return success(first);
      await first.body?.cancel();
      const authorization = await authorizationFor(first, image.registry, credentials, answerMs);
      return authorization === undefined
        ? failed({ kind: 'refused', message: `${image.registry} wants credentials` })
        : success(await send(authorization));
    } catch (cause) {
      return failed({ kind: 'unreachable', message: `${image.registry} does not answer: ${reasonOf(cause)}` });
    }
  }

  async function read(image: ImageReference, reference: string, credentials: Credentials | null) {
    const answer = await call(image, credentials, { method: 'GET', reference, headers: { accept: TYPES.join(', ') } });
    if (!answer.ok) return answer;
    const refusal = refusalOf(image, answer.value);
    if (refusal !== undefined) {
      await answer.value.body?.cancel();
      return failed(refusal);
    }
    // It can also go away, or fall silent, in the middle of its answer.
    const bytes = await bytesOf(answer.value).catch((cause: unknown) => failed(reasonOf(cause)));
    if (!bytes.ok) return failed({ kind: 'unreachable', message: `${image.registry}: ${bytes.problem}` } as const);
    const digest = digestOf(bytes.value);
    if (reference.startsWith('sha256:') && reference !== digest)
      return failed({ kind: 'refused', message: `${image.registry} gave something else than ${reference}` } as const);
    const mediaType = answer.value.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
    if (!TYPES.includes(mediaType))
      return failed({ kind: 'unreachable', message: `${image.registry} does not answer as a registry does` } as const);
    return success({ mediaType, digest, bytes: bytes.value });
  }

  return {
    manifest: (image, credentials) => read(image, image.digest ?? image.tag ?? 'latest', credentials),
    async putManifest(image, { mediaType, bytes }, credentials) {
      const reference = image.tag ?? 'latest';
      const body = new Uint8Array(bytes);
      const answer = await call(image, credentials, {
        method: 'PUT',
        reference,
        headers: { 'content-type': mediaType },
        body,
      });
      if (!answer.ok) return answer;
      await answer.value.body?.cancel();
      const refusal = refusalOf(image, answer.value);
      return refusal === undefined ? read(image, digestOf(bytes), credentials) : failed(refusal);
    },
  };
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** As the Docker engine does: this machine is spoken to without encryption. */
function addressOf(registry: string): string {
  if (registry === 'docker.io') return 'https://registry-1.docker.io';
  return `${isHere(new URL(`http://${registry}`)) ? 'http' : 'https'}://${registry}`;
}

function isHere({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

/**
 * Whether a registry may send us to this address for a token. Its answer comes from wherever a Dockerfile points, so it
 * must not have us speak without encryption, and with this machine only when it is on it itself.
 */
export function mayAsk(registry: string, realm: string): boolean {
  if (!URL.canParse(realm)) return false;
  const url = new URL(realm);
  const isOurs = isHere(new URL(addressOf(registry)));
  return isHere(url) ? isOurs && /^https?:$/.test(url.protocol) : url.protocol === 'https:';
}

function refusalOf({ registry, repository }: ImageReference, { ok, status }: Response): RegistryTrouble | undefined {
  if (ok) return undefined;
  if (status === 404) return { kind: 'absent', message: `${registry} has no such image ${repository}` };
  const kind = status === 401 || status === 403 ? 'refused' : 'unreachable';
  return { kind, message: `${registry} answered ${status} for ${repository}` };
}

/** https://distribution.github.io/distribution/spec/auth/token/ */
async function authorizationFor(
  answer: Response,
  registry: string,
  credentials: Credentials | null,
  answerMs: number,
): Promise<string | undefined> {
  const challenge = answer.headers.get('www-authenticate') ?? '';
  const basic =
    credentials === null
      ? undefined
      : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  if (/^basic\b/i.test(challenge)) return basic;
  const parts = new Map([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]));
  const realm = parts.get('realm');
  if (!/^bearer\b/i.test(challenge) || realm === undefined || !mayAsk(registry, realm)) return undefined;
  const url = new URL(realm);
  for (const key of ['service', 'scope']) {
    const value = parts.get(key);
    if (value !== undefined) url.searchParams.set(key, value);
  }
  const token = await fetch(url, {
    headers: basic === undefined ? {} : { authorization: basic },
    signal: AbortSignal.timeout(answerMs),
  });
  if (!token.ok) {
    await token.body?.cancel();
    return undefined;
  }
  const bytes = await bytesOf(token);
  if (!bytes.ok) return undefined;
  const given = JSON.parse(bytes.value.toString('utf8')) as { readonly token?: string; readonly access_token?: string };
  const text = given.token ?? given.access_token;
  return text === undefined ? undefined : `Bearer ${text}`;
}

async function bytesOf(answer: Response): Promise<Result<Buffer, string>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) return failed(`its answer is longer than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return success(Buffer.concat(chunks));
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error
    ? cause.cause.message || (cause.cause as NodeJS.ErrnoException).code || cause.message
    : cause.message;
}

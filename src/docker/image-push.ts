/** From images in the engine to names in a registry: each platform under a tag of its own, and one index over them. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { dashed } from '../core/image/image-spec.ts';
import { indexOf } from '../core/image/oci.ts';
import type { PushTarget } from '../core/image/ready-image.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { Engine } from './engine.ts';
import type { Credentials, Manifest, Registry } from './registry.ts';

export interface PushParts {
  readonly engine: Engine;
  readonly registry: Registry;
  /** Folders with the credentials of one push begin with it; in memory, so that they go with the machine. */
  readonly secretsPrefix: string;
}

export interface PushRequest {
  readonly images: readonly { readonly platform: string; readonly id: string }[];
  readonly target: PushTarget;
  readonly credentials: Credentials | null;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Pushed {
  /** What the name stands for: the index where there are several platforms. */
  readonly digest: string;
  /** Of the manifest of each platform. */
  readonly digests: ReadonlyMap<string, string>;
}

/** What the registry has it as, read back from there. May be repeated. */
export async function pushImages(parts: PushParts, request: PushRequest): Promise<Result<Pushed, string>> {
  const { credentials } = request;
  if (credentials === null) return push(parts, request, []);
  const folder = await mkdtemp(parts.secretsPrefix);
  try {
    await writeFile(join(folder, 'config.json'), dockerConfig(request.target.registry, credentials), { mode: 0o600 });
    return await push(parts, request, ['--config', folder]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What `docker login` would write. Docker Hub has an old name there. */
function dockerConfig(registry: string, { username, password }: Credentials): string {
  const server = registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
  return JSON.stringify({ auths: { [server]: { auth: Buffer.from(`${username}:${password}`).toString('base64') } } });
}

async function push(
  parts: PushParts,
  request: PushRequest,
  options: readonly string[],
): Promise<Result<Pushed, string>> {
  const { images, target, credentials } = request;
  const [only, ...more] = images;
  if (only === undefined) throw new Error('Internal error: nothing to push');
  if (more.length === 0) {
    const pushed = await pushOne(parts, request, only.id, target, options);
    if (!pushed.ok) return pushed;
    const { digest } = pushed.value;
    return success({ digest, digests: new Map([[only.platform, digest]]) });
  }
  const entries = [];
  for (const { platform, id } of images) {
    const tag = `${target.tag}-${dashed(platform)}`;
    const own = { ...target, tag, name: `${target.name.slice(0, -target.tag.length)}${tag}` };
    const pushed = await pushOne(parts, request, id, own, options);
    if (!pushed.ok) return pushed;
    const { mediaType, digest, bytes } = pushed.value;
    entries.push({ platform, mediaType, digest, size: bytes.length });
  }
  const { mediaType, text } = indexOf(entries);
  const kept = await parts.registry.putManifest(target, { mediaType, bytes: Buffer.from(text) }, credentials);
  if (!kept.ok) return failed(kept.problem.message);
  return success({ digest: kept.value.digest, digests: new Map(entries.map((one) => [one.platform, one.digest])) });
}

async function pushOne(
  { engine, registry }: PushParts,
  { credentials, say, signal }: PushRequest,
  id: string,
  target: PushTarget,
  options: readonly string[],
): Promise<Result<Manifest, string>> {
  const before = await engine.image(target.name);
  await engine.command(['tag', id, target.name]);
  try {
    const pushed = await engine.long([...options, 'push', target.name], say, signal);
    if (!pushed.ok) return failed(pushed.lastLines.split('\n').at(-1) ?? '');
    const manifest = await registry.manifest(target, credentials);
    return manifest.ok ? manifest : failed(manifest.problem.message);
  } finally {
    // The name was for the push alone; jobs that share the machine would find the image by it.
    // What had it before gets it back: it may be the base of somebody else. The same image is what a killed push left.
    if (before === undefined || before.id === id) await engine.command(['image', 'rm', '--no-prune', target.name]);
    else await engine.command(['tag', before.id, target.name]);
  }
}

/** Removes what pushes of a killed process left. Call before the first push. May be repeated. */
export async function sweepCredentials(secretsPrefix: string): Promise<void> {
  const folder = dirname(secretsPrefix);
  const left = (await readdir(folder)).filter((name) => name.startsWith(basename(secretsPrefix)));
  for (const name of left) await rm(join(folder, name), { recursive: true, force: true });
}

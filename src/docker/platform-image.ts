/** An image for a platform: the one that lies here, or else pulled. Other users of its name keep what they had. */
import { createHash } from 'node:crypto';
import { nameForPlatform, parseReference } from '../core/image/reference.ts';
import { failed, success, type Result } from '../core/result.ts';
import { shown } from '../core/shown.ts';
import type { Engine } from './engine.ts';

export interface ImageWish {
  readonly image: string;
  /** `linux/arm64` */
  readonly platform: string;
  readonly signal: AbortSignal;
  /** Told what is being done, a piece at a time. */
  readonly say: (text: string) => void;
}

/** An engine keeps one platform for each name; two processes that pull two of them take it from each other. */
const PULLS = 3;

/**
 * Resolves with the id of an image whose own record names the platform, or with a sentence. To be used with `--platform`:
 * an engine that keeps several platforms under one name has one id for all. Pulls where none is here; where that takes the
 * name from an image of another platform, gives it back. May be repeated, and by several processes at once. Rejects when the
 * engine fails.
 */
export async function imageForPlatform(engine: Engine, wish: ImageWish): Promise<Result<string, string>> {
  const { image, platform, signal } = wish;
  if (parseReference(image) === undefined && !/^sha256:[0-9a-f]{64}$/.test(image))
    return failed(
      `${shown(image)} is not the name of an image. Write one such as ghcr.io/actions/actions-runner:latest.`,
    );
  const own = ownNameOf(wish);
  const hubs = nameForPlatform(image, platform);
  for (const name of [image, own, ...(hubs === undefined ? [] : [hubs])]) {
    const id = await idFor(engine, name, platform);
    if (id !== undefined) return success(id);
  }
  const before = await engine.image(image);
  let trouble = 'it is there under this name for other platforms only';
  for (let pull = 0; pull < PULLS; pull++) {
    const args = ['pull', '--quiet', '--platform', platform, '--', image];
    const pulled = await engine.long(args, wish.say, signal);
    signal.throwIfAborted();
    if (!pulled.ok) trouble = pulled.lastLines;
    const id = pulled.ok ? await idFor(engine, image, platform) : undefined;
    if (id !== undefined) {
      // Without a name of its own it would be removed as soon as somebody tidies up.
      await engine.command(['tag', id, own]);
      if (before !== undefined && before.platform !== platform) await giveBack(engine, { image, id, to: before.id });
      return success(id);
    }
    if (!pulled.ok) break;
  }
  const here = before === undefined ? '' : ` (what is here is for ${before.platform})`;
  return failed(
    `There is no image ${image} for ${platform} on this machine${here}, and it could not be pulled: ${trouble}\n` +
      `Correct the name, log in to its registry (docker login), or name an image that exists for ${platform}.`,
  );
}

/** Undefined when the image is not here, or not for that platform. */
async function idFor(engine: Engine, name: string, platform: string): Promise<string | undefined> {
  const found = await engine.image(name);
  if (found === undefined || found.platform === platform) return found?.id;
  // An engine that keeps several platforms under one name speaks of its own unless it is asked; older ones cannot be.
  const format = '{{.Os}}/{{.Architecture}}';
  const said = await engine
    .command(['image', 'inspect', '--platform', platform, '--format', format, '--', name])
    .catch(() => '');
  return said.trim() === platform ? found.id : undefined;
}

/** Unless somebody has given the name to yet another image meanwhile. */
async function giveBack(
  engine: Engine,
  { image, id, to }: { readonly image: string; readonly id: string; readonly to: string },
): Promise<void> {
  if (image.includes('@') || image.startsWith('sha256:')) return;
  if ((await engine.image(image))?.id === id) await engine.command(['tag', to, image]);
}

/** A name that belongs to nobody else. */
function ownNameOf({ image, platform }: ImageWish): string {
  const hash = createHash('sha256').update(`${platform} ${image}`).digest('hex');
  return `hearth/platform:${hash.slice(0, 24)}`;
}

/**
 * What the FROM lines of a Dockerfile mean on this machine: the digest that the registry has now, or else the image that
 * lies here, by its id. Either way one build never mixes two contents of one moving tag.
 */
import type { Base } from '../core/image/dockerfile.ts';
import type { BaseRecord } from '../core/image/image-spec.ts';
import { isForAll } from '../core/image/image-names.ts';
import { byDigest, nameForPlatform, parseReference } from '../core/image/reference.ts';
import { failed, success, type Result } from '../core/result.ts';
import { shown } from '../core/shown.ts';
import type { Engine } from './engine.ts';
import type { Registry, RegistryTrouble } from './registry.ts';

export interface BaseImages {
  /** The problem is a sentence that says what to do. `ownPrefix`: images of this repository and class that jobs built. */
  resolve(base: Base, ownPrefix: string): Promise<Result<ResolvedBase, string>>;
}

export interface ResolvedBase extends BaseRecord {
  /** What BuildKit finds it by. */
  readonly reference: string;
}

/** A moving tag is looked at again after this time, and a registry that did not answer is asked again. */
const REMEMBER_MS = 10 * 60_000;

export function openBaseImages(engine: Engine, registry: Registry, monotonicMs: () => number): BaseImages {
  const digests = new Map<string, { readonly digest: string; readonly until: number }>();
  const silent = new Map<string, { readonly trouble: RegistryTrouble; readonly until: number }>();

  async function digestOf(name: string): Promise<Result<string, RegistryTrouble>> {
    const parsed = parseReference(name);
    if (parsed === undefined) return failed({ kind: 'absent', message: `${shown(name)} is not the name of an image` });
    const known = digests.get(name);
    if (known !== undefined && known.until > monotonicMs()) return success(known.digest);
    const quiet = silent.get(parsed.registry);
    if (quiet !== undefined && quiet.until > monotonicMs()) return failed(quiet.trouble);
    const found = await registry.manifest(parsed, null);
    const until = monotonicMs() + REMEMBER_MS;
    if (found.ok) digests.set(name, { digest: found.value.digest, until });
    else if (found.problem.kind === 'unreachable') silent.set(parsed.registry, { trouble: found.problem, until });
    return found.ok ? success(found.value.digest) : found;
  }

  async function local(base: Base, name: string): Promise<ResolvedBase | undefined> {
    const image = await engine.image(name);
    if (image === undefined || image.platform !== base.platform) return undefined;
    // BuildKit takes no id of an image, and a tag of its own cannot be moved by anybody else meanwhile.
    const reference = `hearth/base:${image.id.replace('sha256:', '').slice(0, 24)}`;
    await engine.command(['tag', image.id, reference]);
    return { ...base, reference, digest: null, imageId: image.id };
  }

  return {
    async resolve(base, ownPrefix) {
      const { name, platform } = base;
      const parsed = parseReference(name);
      if (parsed === undefined)
        return failed(`${shown(name)} is not the name of an image, such as debian:bookworm-slim`);
      if (!isForAll(name)) {
        const own = name.startsWith(ownPrefix) ? await local(base, name) : undefined;
        return own === undefined
          ? failed(
              `there is no image ${shown(name)} for ${platform} of this repository and trust class here; run the job that builds it again`,
            )
          : success(own);
      }
      if (parsed.digest !== null) return success({ ...base, reference: name, digest: parsed.digest, imageId: null });
      const digest = await digestOf(name);
      if (digest.ok)
        return success({ ...base, reference: byDigest(parsed, digest.value), digest: digest.value, imageId: null });
      const other = nameForPlatform(name, platform);
      const here = (await local(base, name)) ?? (other === undefined ? undefined : await local(base, other));
      if (here !== undefined) return success(here);
      const next = `correct the name, or pull it${other === undefined ? '' : `, or give one that is here the name ${other}`}`;
      return failed(
        `there is no image ${shown(name)} for ${platform} on this machine, and ${digest.problem.message}; ${next}`,
      );
    },
  };
}

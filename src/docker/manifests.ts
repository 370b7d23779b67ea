/** Manifests by the ids of their images, kept on disk: to make one the engine has to write the whole image out. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../core/errno.ts';
import { OCI_MANIFEST, type Descriptor } from '../core/image/oci.ts';
import type { Random } from '../core/ports.ts';
import type { Engine } from './engine.ts';
import { manifestOfImage } from './saved-image.ts';

export interface Manifests {
  /** Of an image of the engine, by its id (`sha256:…`). May be repeated, also at the same time. */
  of(id: string, signal: AbortSignal): Promise<Descriptor>;
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** An id names one content for ever, so what is known of it is never out of date. */
export function openManifests(folder: string, engine: Engine, random: Random): Manifests {
  async function known(path: string): Promise<Descriptor | undefined> {
    try {
      const read = JSON.parse(await readFile(path, 'utf8')) as Partial<Descriptor>;
      const { mediaType, digest = '', size } = read;
      return mediaType === OCI_MANIFEST && DIGEST.test(digest) && Number.isSafeInteger(size)
        ? (read as Descriptor)
        : undefined;
    } catch (cause) {
      // A power cut may leave an empty file; it is made again.
      if (isErrno(cause, 'ENOENT') || cause instanceof SyntaxError) return undefined;
      throw cause;
    }
  }

  return {
    async of(id, signal) {
      if (!DIGEST.test(id)) throw new Error(`Internal error: ${JSON.stringify(id)} is not the id of an image`);
      const path = join(folder, `${id.replace(':', '-')}.json`);
      const found = await known(path);
      if (found !== undefined) return found;
      const made = await manifestOfImage(engine, id, signal);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const draft = `${path}.${random.hex(4)}`;
      await writeFile(draft, JSON.stringify(made));
      await rename(draft, path);
      return made;
    },
  };
}

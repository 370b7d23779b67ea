/** The manifest of an image that lies in the engine: what its digest is where no registry has given it one. */
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { createTarDecoder } from 'modern-tar';
import { manifestText, OCI_MANIFEST, type Descriptor } from '../core/image/oci.ts';
import type { Engine } from './engine.ts';
import { digestOf } from './registry.ts';

/** Larger entries are layers, of which only the length counts. */
const MAX_JSON_BYTES = 8 * 1024 ** 2;

interface SavedManifest {
  readonly Config: string;
  readonly Layers: readonly string[];
}

/**
 * Reads the image once as `docker save` writes it. Layers are not compressed in it, so the digest is the same on every
 * machine. Rejects when the engine does not give it whole.
 */
export async function manifestOfImage(engine: Engine, id: string, signal: AbortSignal): Promise<Descriptor> {
  const sizes = new Map<string, number>();
  const texts = new Map<string, Buffer>();
  const { stdout, stderr, exitCode } = engine.start(['save', id], signal);
  const complaint = text(stderr);
  const archive = Readable.toWeb(stdout) as ReadableStream<Uint8Array>;
  for await (const { header, body } of archive.pipeThrough(createTarDecoder())) {
    sizes.set(header.name, header.size);
    // The engine writes a layer that occurs twice once, and a link to it.
    if (header.type === 'symlink' || header.type === 'link')
      sizes.set(
        header.name,
        sizes.get(new URL(header.linkname ?? '', `file:///${header.name}`).pathname.slice(1)) ?? -1,
      );
    if (header.type === 'file' && header.size <= MAX_JSON_BYTES && !/\/layer\.tar$/.test(header.name))
      texts.set(header.name, await buffer(body));
    else await body.cancel();
  }
  if ((await exitCode) !== 0) throw new Error(`docker save: ${(await complaint).trim()}`);
  const [saved] = JSON.parse(String(texts.get('manifest.json'))) as readonly SavedManifest[];
  const config = texts.get(saved?.Config ?? '');
  if (saved === undefined || config === undefined) throw new Error('docker save gave no configuration of the image');
  const { rootfs } = JSON.parse(String(config)) as { readonly rootfs: { readonly diff_ids: readonly string[] } };
  const layers = rootfs.diff_ids.map((digest, index) => {
    const size = sizes.get(saved.Layers[index] ?? '') ?? -1;
    if (size < 0) throw new Error(`docker save gave no layer ${digest}`);
    return { digest, size };
  });
  const manifest = manifestText({ digest: digestOf(config), size: config.length }, layers);
  return { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from(manifest)), size: Buffer.byteLength(manifest) };
}

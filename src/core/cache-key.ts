/**
 * Names of dependency layers and volumes. What goes in is all that may change the content; what stays out (branch, run,
 * time, machine) must not. The text that is hashed is JSON of a fixed shape, so no two inputs can look alike.
 */
import { normalPath } from './pipeline/pipeline-paths.ts';
import type { TrustClass } from './run.ts';
import { rightsOf } from './trust.ts';

/** Lower-case hex SHA-256 of a text in UTF-8. */
export type Sha256 = (text: string) => string;

/** Everything that a layer's content depends on. */
export interface LayerInputs {
  /** The install command as it stands in the file. */
  readonly install: string;
  /** The key files with their git object ids, so equal content gives an equal key; null = not in this commit. */
  readonly keyFiles: readonly { readonly path: string; readonly objectId: string | null }[];
  /** Id (digest) of the image that runs `install`, not its tag: a tag may move. */
  readonly imageId: string;
  /** As Docker writes it, e.g. `linux/arm64`. */
  readonly platform: string;
  /** What the layer holds. */
  readonly paths: readonly string[];
}

const LAYER_VERSION = 1;

/** The text whose hash is the layer's key; kept beside the layer, so a person can see why a key changed. */
export function layerKeyText(inputs: LayerInputs): string {
  const keyFiles = inputs.keyFiles.map(({ path, objectId }) => [normalPath(path), objectId] as const);
  return JSON.stringify({
    version: LAYER_VERSION,
    install: inputs.install,
    keyFiles: keyFiles.toSorted(([a], [b]) => compare(a, b)),
    imageId: inputs.imageId,
    platform: inputs.platform,
    paths: inputs.paths.map(normalPath).toSorted(compare),
  });
}

/** Key of a dependency layer. Repository and trust class are not part of it: they are folders above the layer. */
export function layerKey(inputs: LayerInputs, sha256: Sha256): string {
  return sha256(layerKeyText(inputs));
}

export interface VolumeInputs {
  /** The forge's id of the base repository, never a name. */
  readonly repoId: number;
  readonly trust: TrustClass;
  readonly cache: string;
}

/**
 * Name of a Docker volume: no text from outside stands in it, and a class never sees another's. null for the code of a
 * fork, which shares no volume: a fresh one ends with its container.
 */
export function volumeName(inputs: VolumeInputs, sha256: Sha256): string | null {
  if (!rightsOf(inputs.trust).sharesVolumes) return null;
  return `hearth-${sha256(JSON.stringify(['volume', inputs.repoId, inputs.trust, inputs.cache])).slice(0, 40)}`;
}

/** Code units, not the machine's language: the same on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

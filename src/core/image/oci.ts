/**
 * Manifests and indexes of images, as registries and other tools write them. Pure.
 * https://github.com/opencontainers/image-spec/blob/main/manifest.md, image-index.md
 */

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
}

export interface IndexEntry extends Descriptor {
  /** As Docker writes it. */
  readonly platform: string;
}

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** Of an image whose layers are plain tar archives, topmost last. Equal images give equal texts. */
export function manifestText(
  config: Omit<Descriptor, 'mediaType'>,
  layers: readonly Omit<Descriptor, 'mediaType'>[],
): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config.digest, size: config.size },
    layers: layers.map(({ digest, size }) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size })),
  });
}

/** One name for the images of several platforms. An index of Docker's own manifests is written as Docker writes it. */
export function indexOf(entries: readonly IndexEntry[]): { readonly mediaType: string; readonly text: string } {
  const mediaType = entries.every((entry) => entry.mediaType === OCI_MANIFEST) ? OCI_INDEX : DOCKER_LIST;
  const manifests = entries.map(({ platform, ...descriptor }) => {
    const [os = '', architecture = '', variant] = platform.split('/');
    return { ...descriptor, platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } };
  });
  return { mediaType, text: JSON.stringify({ schemaVersion: 2, mediaType, manifests }) };
}

import { describe, expect, it } from 'vitest';
import { indexOf, manifestText, OCI_MANIFEST } from '../../../src/core/image/oci.ts';

const entry = { mediaType: OCI_MANIFEST, digest: 'sha256:m', size: 5 };

describe('an index', () => {
  it('names a manifest for each platform', () => {
    const { mediaType, text } = indexOf([
      { ...entry, platform: 'linux/amd64' },
      { ...entry, platform: 'linux/arm/v7' },
    ]);
    expect(mediaType).toBe('application/vnd.oci.image.index.v1+json');
    expect(JSON.parse(text)).toEqual({
      schemaVersion: 2,
      mediaType,
      manifests: [
        { ...entry, platform: { os: 'linux', architecture: 'amd64' } },
        { ...entry, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
      ],
    });
  });

  it("of Docker's own manifests is a list as Docker writes it", () => {
    const docker = { ...entry, mediaType: 'application/vnd.docker.distribution.manifest.v2+json' };
    expect(indexOf([{ ...docker, platform: 'linux/amd64' }]).mediaType).toBe(
      'application/vnd.docker.distribution.manifest.list.v2+json',
    );
  });
});

it('a manifest names its configuration and its layers, lowest first', () => {
  const text = manifestText({ digest: 'sha256:c', size: 1 }, [{ digest: 'sha256:l', size: 2 }]);
  expect(JSON.parse(text)).toMatchObject({
    mediaType: OCI_MANIFEST,
    config: { digest: 'sha256:c', size: 1 },
    layers: [{ digest: 'sha256:l', size: 2, mediaType: 'application/vnd.oci.image.layer.v1.tar' }],
  });
});

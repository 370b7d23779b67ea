import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { layerKey, layerKeyText, volumeName, type LayerInputs } from '../../src/core/cache-key.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const inputs: LayerInputs = {
  install: 'npm ci',
  keyFiles: [
    { path: 'package-lock.json', objectId: 'a'.repeat(40) },
    { path: '.npmrc', objectId: null },
  ],
  imageId: 'sha256:1',
  platform: 'linux/amd64',
  paths: ['node_modules', 'web/node_modules'],
};

describe('layerKey', () => {
  it('is the same for the same inputs in another order and spelling', () => {
    const same: LayerInputs = {
      ...inputs,
      keyFiles: inputs.keyFiles.toReversed(),
      paths: ['./web//node_modules/', 'node_modules'],
    };
    expect(layerKey(same, sha256)).toBe(layerKey(inputs, sha256));
    expect(layerKey(inputs, sha256)).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each<[string, Partial<LayerInputs>]>([
    ['install command', { install: 'npm ci ' }],
    [
      'content of a key file',
      {
        keyFiles: [
          { path: 'package-lock.json', objectId: 'b'.repeat(40) },
          { path: '.npmrc', objectId: null },
        ],
      },
    ],
    [
      'name of a key file',
      {
        keyFiles: [
          { path: 'package-lock2.json', objectId: 'a'.repeat(40) },
          { path: '.npmrc', objectId: null },
        ],
      },
    ],
    ['absence of a key file', { keyFiles: [{ path: 'package-lock.json', objectId: 'a'.repeat(40) }] }],
    ['image', { imageId: 'sha256:2' }],
    ['platform', { platform: 'linux/arm64' }],
    ['paths', { paths: ['node_modules'] }],
  ])('changes with the %s', (_what, change) => {
    expect(layerKey({ ...inputs, ...change }, sha256)).not.toBe(layerKey(inputs, sha256));
  });

  it('cannot be made equal by moving text from one input to another', () => {
    const a = layerKeyText({ ...inputs, install: 'a', imageId: '","platform":"x' });
    const b = layerKeyText({ ...inputs, install: 'a","imageId":"', imageId: 'x' });
    expect(a).not.toBe(b);
  });
});

describe('volumeName', () => {
  it('differs by repository, trust class and cache, and holds no text from outside', () => {
    const names = [
      volumeName({ repoId: 1, trust: 'T1', cache: 'x' }, sha256),
      volumeName({ repoId: 2, trust: 'T1', cache: 'x' }, sha256),
      volumeName({ repoId: 1, trust: 'T2', cache: 'x' }, sha256),
      volumeName({ repoId: 1, trust: 'T1', cache: 'y' }, sha256),
    ];
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(name).toMatch(/^hearth-[0-9a-f]{40}$/);
  });

  it("is none for a fork's code, which shares no volume", () => {
    expect(volumeName({ repoId: 1, trust: 'T3', cache: 'x' }, sha256)).toBeNull();
  });
});

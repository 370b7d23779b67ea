import { describe, expect, it } from 'vitest';
import { byDigest, nameForPlatform, parseReference } from '../../../src/core/image/reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('the name of an image', () => {
  it.each([
    ['debian', { registry: 'docker.io', repository: 'library/debian', tag: null, digest: null }],
    [
      'debian:bookworm-slim',
      { registry: 'docker.io', repository: 'library/debian', tag: 'bookworm-slim', digest: null },
    ],
    ['docker.io/debian:12', { registry: 'docker.io', repository: 'library/debian', tag: '12', digest: null }],
    ['team/app', { registry: 'docker.io', repository: 'team/app', tag: null, digest: null }],
    ['localhost/app:1', { registry: 'localhost', repository: 'app', tag: '1', digest: null }],
    ['127.0.0.1:5000/a/b:1', { registry: '127.0.0.1:5000', repository: 'a/b', tag: '1', digest: null }],
    ['[::1]:5000/a:1', { registry: '[::1]:5000', repository: 'a', tag: '1', digest: null }],
    ['ghcr.io/a/b@' + digest, { registry: 'ghcr.io', repository: 'a/b', tag: null, digest }],
    ['ghcr.io/a/b:1@' + digest, { registry: 'ghcr.io', repository: 'a/b', tag: '1', digest }],
  ])('%s has a registry, a repository, a tag and a digest', (text, parts) => {
    expect(parseReference(text)).toEqual(parts);
  });

  it.each([
    '',
    'UPPER',
    'a b',
    'a//b',
    '-a',
    'a:',
    'a:b:c',
    'a@sha256:12',
    `a@${digest}@${digest}`,
    'evil.example/../a',
    'http://x/y',
    'x/y?z',
  ])('%j is none', (text) => {
    expect(parseReference(text)).toBeUndefined();
  });

  it('with a digest means the same on every machine', () => {
    const found = parseReference('debian:12');
    expect(found && byDigest(found, digest)).toBe(`docker.io/library/debian@${digest}`);
  });

  it('of an official image has a form for each kind of processor', () => {
    expect(nameForPlatform('debian:bookworm-slim', 'linux/arm64')).toBe('arm64v8/debian:bookworm-slim');
    expect(nameForPlatform('docker.io/library/debian', 'linux/amd64')).toBe('amd64/debian:latest');
    expect(nameForPlatform('team/app:1', 'linux/arm64')).toBeUndefined();
    expect(nameForPlatform(`debian@${digest}`, 'linux/arm64')).toBeUndefined();
    expect(nameForPlatform('debian', 'linux/riscv64')).toBeUndefined();
  });
});

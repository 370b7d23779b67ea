import { expect, it } from 'vitest';
import { cacheNamespaceOf, isForAll, ownImages } from '../../../src/core/image/image-names.ts';
import { makeRun } from '../../support/make.ts';

it('what builds share is kept apart by repository and trust class, and of a fork by its run', () => {
  const repo = { id: 11, owner: 'octo', name: 'other' };
  const runs = [makeRun(), makeRun({ repo }), makeRun({ trust: 'T2' }), makeRun({ trust: 'T3' })];
  for (const of of [cacheNamespaceOf, ownImages]) expect(new Set(runs.map(of)).size).toBe(runs.length);
  expect(cacheNamespaceOf(makeRun({ id: 2 }))).toBe(cacheNamespaceOf(makeRun()));
  expect(cacheNamespaceOf(makeRun({ id: 2, trust: 'T3' }))).not.toBe(cacheNamespaceOf(makeRun({ trust: 'T3' })));
});

it('what Hearth built is for its own repository alone, however its name is written', () => {
  const built = ['hearth/image:1-T1-abc', 'docker.io/hearth/image:1-T1-abc', 'index.docker.io/hearth/base:abc'];
  const ids = ['060119e35f87', 'sha256:060119e35f87', 'a', 'not a name'];
  expect([...built, ...ids].filter(isForAll)).toEqual([]);
  const others = ['debian:bookworm-slim', 'ghcr.io/hearth/image:1', 'hearthy/image', `debian@sha256:${'a'.repeat(64)}`];
  expect(others.filter(isForAll)).toEqual(others);
});

import { expect, it } from 'vitest';
import { cacheNamespaceOf, ownImages } from '../../../src/core/image/image-names.ts';
import { makeRun } from '../../support/make.ts';

it('what builds share is kept apart by repository and trust class, and of a fork by its run', () => {
  const repo = { id: 11, owner: 'octo', name: 'other' };
  const runs = [makeRun(), makeRun({ repo }), makeRun({ trust: 'T2' }), makeRun({ trust: 'T3' })];
  for (const of of [cacheNamespaceOf, ownImages]) expect(new Set(runs.map(of)).size).toBe(runs.length);
  expect(cacheNamespaceOf(makeRun({ id: 2 }))).toBe(cacheNamespaceOf(makeRun()));
  expect(cacheNamespaceOf(makeRun({ id: 2, trust: 'T3' }))).not.toBe(cacheNamespaceOf(makeRun({ trust: 'T3' })));
});

import { expect, it } from 'vitest';
import { layerAccess } from '../../src/core/layer-access.ts';
import type { TrustClass } from '../../src/core/run.ts';

const job = { id: 7, attempt: 2 };

it.each([
  ['T1', ['T1'], 'T1', false],
  ['T2', ['T1', 'T2'], 'T2', false],
  ['T3', ['T1', 'T3-7.2'], 'T3-7.2', true],
] as const)('%s reads layers of %j and builds into %s', (trust, reads, writes, isPrivate) => {
  expect(layerAccess(trust, job)).toEqual({ reads, writes, isPrivate });
});

it('of a fork is another one for every attempt of every job', () => {
  const of = (id: number, attempt: number) => layerAccess('T3', { id, attempt }).writes;
  expect(new Set([of(1, 1), of(1, 2), of(11, 1), of(1, 11)]).size).toBe(4);
});

it('is never built into by one class and read by a class that is trusted more', () => {
  const classes = ['T1', 'T2', 'T3'] as const satisfies readonly TrustClass[];
  for (const [at, more] of classes.entries())
    for (const less of classes.slice(at + 1))
      expect(layerAccess(more, job).reads).not.toContain(layerAccess(less, job).writes);
});

it('is not for a run that nobody approved', () => {
  expect(() => layerAccess('T4', job)).toThrow('nobody approved');
});

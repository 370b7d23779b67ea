import { expect, it } from 'vitest';
import { timeLimit } from '../../../src/core/pool/emulated-limits.ts';

it('a native container has the time that was allowed', () => {
  expect(timeLimit({ ms: 90_000, for: 'start', isEmulated: false })).toBe(90_000);
  expect(timeLimit({ ms: 90_000, for: 'work', isEmulated: false })).toBe(90_000);
});

it('an emulated one has several times as much, and for work more than for its start', () => {
  expect(timeLimit({ ms: 1000, for: 'start', isEmulated: true })).toBe(8000);
  expect(timeLimit({ ms: 1000, for: 'work', isEmulated: true })).toBe(16_000);
});

import { expect, test } from 'vitest';
import { hostedCost } from '../../../src/core/pool/cost.ts';
import { billedMinutes } from '../../../src/core/pool/usage.ts';
import { GIB } from '../../support/make-pool.ts';

const seen = (platform: string, cpus: number) => ({
  platform,
  size: { cpus, memoryBytes: 6 * GIB, diskBytes: 30 * GIB },
});

test.each([
  ['linux/amd64', 4, 4, 12],
  ['linux/amd64', 10, 16, 42],
  ['linux/amd64', 0.5, 1, 2],
  ['linux/amd64', 200, 96, 252],
  ['linux/arm64', 1, 2, 5],
  ['linux/arm64', 4, 4, 8],
])('1000 minutes on %s with %d cores are those of a machine with %d: %d dollars', (platform, cpus, machine, usd) => {
  expect(hostedCost(seen(platform, cpus), { minutes: 1000 })).toMatchObject({
    ...{ minutes: 1000, machine: { cpus: machine }, usd, pricesOf: '2026-01-01' },
  });
});

test('what GitHub has no machine for, and what was never seen, has no price', () => {
  expect(hostedCost(seen('linux/riscv64', 4), { minutes: 10 })).toBeNull();
  expect(hostedCost(null, { minutes: 10 })).toBeNull();
});

test('each job is rounded up to a minute', () => {
  expect([0, 1, 60_000, 60_001].map(billedMinutes)).toEqual([0, 1, 1, 2]);
});

/** The real clock and the real randomness. */
import { randomBytes, randomInt } from 'node:crypto';
import type { Clock, Random } from './core/ports.ts';

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
};

export const systemRandom: Random = {
  hex: (bytes) => randomBytes(bytes).toString('hex'),
  fraction: () => randomInt(2 ** 32) / 2 ** 32,
};

/** How many runners of a pool a box has room for, and what is kept back for the box itself. Pure. */
import { failed, success, type Result } from '../result.ts';
import type { Amounts, Capacity } from '../resources.ts';
import { sizeText } from '../size.ts';
import { SIZES, type Pool } from './pool.ts';

const GIB = 1024 ** 3;

/**
 * What runners leave to the system, the engine and Hearth: the origin's figures, and on a small box never more than half
 * of it. It is enforced: what all runners may take together never exceeds the rest, and the kernel holds each to its part.
 */
export function hostReserve(box: Amounts): Amounts {
  const keep = (least: number, share: number, all: number) => Math.min(Math.max(least, share * all), all / 2);
  return {
    cpus: keep(2, 0.2, box.cpus),
    memoryBytes: Math.floor(keep(2 * GIB, 0.15, box.memoryBytes)),
    diskBytes: Math.floor(keep(10 * GIB, 0, box.diskBytes)),
  };
}

/** What all runners of a box may take together. */
export function roomForRunners(capacity: Capacity): Amounts {
  const box = capacity.total ?? capacity;
  const kept = hostReserve(box);
  return {
    cpus: Math.min(box.cpus - kept.cpus, capacity.cpus),
    memoryBytes: Math.min(box.memoryBytes - kept.memoryBytes, capacity.memoryBytes),
    diskBytes: Math.max(0, Math.min(box.diskBytes - kept.diskBytes, capacity.diskBytes)),
  };
}

export interface Fit {
  /** Runners at once. */
  readonly most: number;
  /** What each gets. */
  readonly size: Amounts;
  /** Less than the named size says, because the box has no more. */
  readonly isClamped: boolean;
}

const words: Readonly<Record<keyof Amounts, string>> = { cpus: 'cpus', memoryBytes: 'memory', diskBytes: 'disk' };
const keys = ['cpus', 'memoryBytes', 'diskBytes'] as const;

/** A named size is made smaller where it has to be; what was given as a number is refused when it is too much. */
export function fitPool(pool: Pick<Pool, 'size' | 'max'>, room: Amounts): Result<Fit, readonly string[]> {
  const named = typeof pool.size === 'string';
  const wanted: Amounts = typeof pool.size === 'string' ? SIZES[pool.size] : pool.size;
  const text = (key: keyof Amounts, amount: number) => (key === 'cpus' ? String(round(amount)) : sizeText(amount));
  if (!named) {
    const faults = keys
      .filter((key) => wanted[key] > room[key])
      .map(
        (key) =>
          `\`size.${words[key]}\` is ${text(key, wanted[key])}, and this box has ${text(key, room[key])} for runners; ask for less`,
      );
    if (faults.length > 0) return failed(faults);
  }
  const size: Amounts = {
    cpus: round(Math.min(wanted.cpus, room.cpus)),
    memoryBytes: Math.min(wanted.memoryBytes, room.memoryBytes),
    diskBytes: Math.min(wanted.diskBytes, room.diskBytes),
  };
  const fitting = Math.max(1, Math.min(...keys.map((key) => Math.floor((room[key] + 0.0005) / size[key]) || 0)));
  if (pool.max !== null && pool.max > fitting) {
    const short = keys.filter((key) => size[key] * (pool.max ?? 0) > room[key] + 0.0005);
    const why = short.map(
      (key) =>
        `${pool.max} × ${text(key, size[key])} ${words[key]}, and this box has ${text(key, room[key])} for runners`,
    );
    return failed([
      `${pool.max} runners are more than the box has room for: ${why.join('; ')}. At most ${fitting} fit`,
    ]);
  }
  return success({ most: pool.max ?? fitting, size, isClamped: keys.some((key) => size[key] < wanted[key]) });
}

/** Docker takes thousandths of a core. */
function round(cpus: number): number {
  return Math.floor(cpus * 1000) / 1000;
}

/** `resources` of a job, and what a worker has of them. Pure. */
import { sizeText } from './size.ts';

/** What a job says that it needs; null = it does not say. */
export interface Resources {
  /** May be a fraction. */
  readonly cpus: number | null;
  readonly memoryBytes: number | null;
  /** Room on the disk of the data folder. */
  readonly diskBytes: number | null;
  /** Most processes and threads at once. */
  readonly pids: number | null;
}

/** What a worker can give to all of its jobs together. */
export interface Capacity {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** What is free now. */
  readonly diskBytes: number;
  /** Before anything was kept back for the machine itself; absent = not measured. */
  readonly total?: Amounts;
}

/** The amounts that are shared out; `pids` is a limit alone. */
const shared = ['cpus', 'memoryBytes', 'diskBytes'] as const;
type Shared = (typeof shared)[number];

const keys: Readonly<Record<Shared, string>> = { cpus: 'cpus', memoryBytes: 'memory', diskBytes: 'disk' };

export type Amounts = Readonly<Record<Shared, number>>;

export const NOTHING: Amounts = { cpus: 0, memoryBytes: 0, diskBytes: 0 };

/** What a job takes away from others. A job that does not say takes a slot and nothing else. */
export function amountsOf(resources: Resources | null): Amounts {
  const { cpus, memoryBytes, diskBytes } = resources ?? {};
  return { cpus: cpus ?? 0, memoryBytes: memoryBytes ?? 0, diskBytes: diskBytes ?? 0 };
}

export function plus(a: Amounts, b: Amounts): Amounts {
  return combine(a, b, (x, y) => x + y);
}

export function minus(a: Amounts, b: Amounts): Amounts {
  return combine(a, b, (x, y) => x - y);
}

/** Half a thousandth is lost in adding fractions of cores, and nobody asks for so little. */
const ROUNDING = 0.0005;

export function fits(wanted: Amounts, free: Amounts): boolean {
  return shared.every((key) => wanted[key] === 0 || wanted[key] <= free[key] + ROUNDING);
}

export function asksForNothing(wanted: Amounts): boolean {
  return shared.every((key) => wanted[key] === 0);
}

/** A worker as a whole, for the question whether a job could ever run on it. */
export interface Box {
  readonly capacity: Capacity;
  /** Nothing of ours runs there, so what the disk has is all that it will have. */
  readonly isIdle: boolean;
}

/**
 * Why the job can run on none of these workers, however long it waits; undefined when it can on one of them. `boxes` holds
 * at least one.
 */
export function neverFits(resources: Resources, boxes: readonly Box[]): string | undefined {
  const wanted = amountsOf(resources);
  const tooMuch = (box: Box): readonly Shared[] =>
    shared.filter((key) => {
      const mayChange = key === 'diskBytes' && !box.isIdle;
      return !mayChange && wanted[key] > box.capacity[key] + ROUNDING;
    });
  const found = boxes.map(tooMuch);
  if (found.some((some) => some.length === 0)) return undefined;
  const nowhere = shared.filter((key) => found.every((some) => some.includes(key)));
  const asked = (key: Shared): string => `resources.${keys[key]}: ${amountText(key, wanted[key])}`;
  if (nowhere.length === 0)
    return `${shared
      .filter((key) => wanted[key] > 0)
      .map(asked)
      .join(', ')}: no worker has all of it; ask for less`;
  const most = (key: Shared): string => amountText(key, Math.max(...boxes.map(({ capacity }) => capacity[key])));
  return `${nowhere.map((key) => `${asked(key)}, the largest worker has ${most(key)}`).join('; ')}; ask for less`;
}

function amountText(key: Shared, amount: number): string {
  return key === 'cpus' ? String(amount) : sizeText(amount);
}

function combine(a: Amounts, b: Amounts, each: (x: number, y: number) => number): Amounts {
  return {
    cpus: each(a.cpus, b.cpus),
    memoryBytes: each(a.memoryBytes, b.memoryBytes),
    diskBytes: each(a.diskBytes, b.diskBytes),
  };
}

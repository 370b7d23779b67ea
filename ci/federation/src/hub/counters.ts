/** Counts since the start of the hub. */

const names = [
  'connected',
  'lost',
  'turnedAway',
  'unauthorized',
  'heldBack',
  'cutForSlowness',
  'cutForSilence',
  'brokenFrames',
  'errors',
  'failures',
  'pushes',
  'repeatedPushes',
  'pulls',
  'reports',
  'goodbyes',
] as const;

export type Count = (typeof names)[number];

export interface Counters {
  add(count: Count): void;
  all(): Readonly<Record<Count, number>>;
}

export function createCounters(): Counters {
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<Count, number>;
  return {
    add(count) {
      counts[count] += 1;
    },
    all: () => ({ ...counts }),
  };
}

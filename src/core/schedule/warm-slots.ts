/** How many slots are to be started in advance. Pure: the pool says what it has, and starts what this tells it. */

/** Slots of one kind that jobs will need which cannot start yet. */
export interface WantedSlots {
  /** Equal for slots that can stand for each other. */
  readonly key: string;
  /** How many of these jobs may start at once. */
  readonly count: number;
  /** A slot in use serves the next job when its own is over. */
  readonly comesBack: boolean;
}

/** Slots of one kind in the pool. */
export interface SlotCounts {
  readonly idle: number;
  /** Being started, and promised to nobody. */
  readonly arriving: number;
  readonly held: number;
}

export interface WarmLimits {
  /** Most idle slots over all kinds. What is wanted may push out idle slots that are not, and never one another. */
  readonly maxIdle: number;
  /** How many more may be started now: starting a container takes a core from the jobs that run. */
  readonly starts: number;
}

const NONE: SlotCounts = { idle: 0, arriving: 0, held: 0 };

/** Keys of the slots to start, in order of what is wanted; one entry for each slot. */
export function slotsToStart(
  wanted: readonly WantedSlots[],
  have: ReadonlyMap<string, SlotCounts>,
  { maxIdle, starts }: WarmLimits,
): readonly string[] {
  const missing: string[] = [];
  let ready = 0;
  for (const { key, count, comesBack } of wanted) {
    const { idle, arriving, held } = have.get(key) ?? NONE;
    const there = idle + arriving;
    const needed = count - (comesBack ? held : 0);
    ready += Math.min(Math.max(needed, 0), there);
    for (let nth = there; nth < needed; nth++) missing.push(key);
  }
  return missing.slice(0, Math.max(0, Math.min(starts, maxIdle - ready)));
}

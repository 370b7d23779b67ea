/** How often what a job needs was there already, counted since this process started. */

/** How a job came to its slot: it was ready, or being started in advance, or had to be started for it. */
export interface SlotStart {
  readonly kind: 'warm' | 'ahead' | 'cold';
  /** What the job waited for it, in ms. */
  readonly ms: number;
}

interface Found {
  hit: number;
  miss: number;
}

/** For `/health`. Slots, checkouts and layers as jobs found them; `prepared` is what was done in advance for jobs. */
export interface Warmth {
  readonly slots: Record<SlotStart['kind'], number>;
  readonly checkouts: Found;
  readonly layers: Found;
  readonly prepared: { begun: number; failed: number };
}

export function createWarmth(): Warmth {
  return {
    slots: { warm: 0, ahead: 0, cold: 0 },
    checkouts: { hit: 0, miss: 0 },
    layers: { hit: 0, miss: 0 },
    prepared: { begun: 0, failed: 0 },
  };
}

export function count(found: Found, { hit }: { readonly hit: boolean }): void {
  if (hit) found.hit += 1;
  else found.miss += 1;
}

/** A line for the job's log. */
export function slotLine({ kind, ms }: SlotStart): string {
  const seconds = `${(ms / 1000).toFixed(1)} s`;
  if (kind === 'warm') return 'slot: warm\n';
  return kind === 'ahead' ? `slot: started in advance, ready after ${seconds}\n` : `slot: started in ${seconds}\n`;
}

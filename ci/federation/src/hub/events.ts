/** The newest things that happened in the hub, for whoever draws them: numbered, with a gap-free follow-up. */
import type { EventKind } from '../debug/debug.ts';

export interface HubEvent {
  /** 1, 2, 3 … since the start of the hub. */
  readonly number: number;
  readonly atMs: number;
  readonly kind: EventKind;
  readonly name: string;
  readonly tenant: string;
  readonly agent: string;
  readonly detail: string;
}

export interface EventLog {
  add(event: Omit<HubEvent, 'number' | 'atMs'>): void;
  /** Kept events after that number, oldest first. */
  after(number: number): readonly HubEvent[];
  /** Calls `listener` for every event from now on; returns what ends that. */
  follow(listener: (event: HubEvent) => void): () => void;
}

const KEPT = 1000;

export function createEventLog(nowMs: () => number): EventLog {
  const kept: HubEvent[] = [];
  const listeners = new Set<(event: HubEvent) => void>();
  let last = 0;
  return {
    add(event) {
      const numbered = { number: ++last, atMs: nowMs(), ...event };
      if (kept.push(numbered) > KEPT) kept.shift();
      for (const listener of listeners) listener(numbered);
    },
    after: (number) => kept.filter((event) => event.number > number),
    follow(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

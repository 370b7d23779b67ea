/** Vector clocks: for each agent of one tenant the last sequence of it that was seen. */
import { z } from 'zod';
import { nameSchema } from './names.ts';

export type Clock = Readonly<Record<string, number>>;

const MOST_AGENTS = 1000;

export const clockSchema = z
  .record(nameSchema, z.int().min(0))
  .refine((clock) => Object.keys(clock).length <= MOST_AGENTS, `at most ${MOST_AGENTS} agents`);

/** The last sequence of an agent that the clock has seen; 0 = none. */
export function seenOf(clock: Clock, agent: string): number {
  // "constructor" is a good name for an agent.
  return Object.hasOwn(clock, agent) ? (clock[agent] ?? 0) : 0;
}

/** The clock that has seen this as well. A clock never goes back. */
export function advanced(clock: Clock, agent: string, sequence: number): Clock {
  return sequence > seenOf(clock, agent) ? { ...clock, [agent]: sequence } : clock;
}

/** The clock that has seen what either has. */
export function merged(one: Clock, other: Clock): Clock {
  return Object.entries(other).reduce((clock, [agent, sequence]) => advanced(clock, agent, sequence), one);
}

/** Agents of which `there` has more than `here`, in the order of their names. */
export function behind(here: Clock, there: Clock): readonly string[] {
  return Object.keys(there)
    .filter((agent) => seenOf(there, agent) > seenOf(here, agent))
    .toSorted();
}

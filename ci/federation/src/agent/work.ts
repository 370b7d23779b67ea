/** The work that agents pretend to do: the same for the same seed, so that a run can be compared with another. */
import type { EpisodeContent } from '../protocol/episode.ts';
import { identityText, type Identity } from '../protocol/names.ts';

export const roles = ['researcher', 'coder', 'tester', 'reviewer'] as const;
export type Role = (typeof roles)[number];

interface Manner {
  /** Rewards lie between `least` and `least + range`. */
  readonly least: number;
  readonly range: number;
  readonly tasks: readonly string[];
}

const manners: Readonly<Record<Role, Manner>> = {
  researcher: {
    least: 0.75,
    range: 0.2,
    tasks: ['compare retry strategies', 'collect reports of lost writes', 'read the change log of a dependency'],
  },
  coder: {
    least: 0.8,
    range: 0.15,
    tasks: ['add a limit to an upload', 'split a module in two', 'replace a poll with a notification'],
  },
  tester: {
    least: 0.85,
    range: 0.1,
    tasks: ['cut a connection while it writes', 'send a frame that is too long', 'start two of the same name'],
  },
  reviewer: {
    least: 0.9,
    range: 0.05,
    tasks: ['look for a swallowed error', 'check an error text for its advice', 'follow a value to where it came from'],
  },
};

/** Below this part of its range a role's work did not succeed. */
const SUCCESS_FROM = 0.2;

export interface Iteration {
  readonly identity: Identity;
  readonly role: Role;
  readonly seed: number;
  /** 1, 2, 3 … */
  readonly iteration: number;
}

/** What one iteration comes to; only its sequence and time are left to whoever stores it. */
export function workOf({ identity, role, seed, iteration }: Iteration): Omit<EpisodeContent, 'sequence' | 'at'> {
  const { least, range, tasks } = manners[role];
  const random = randomFrom(`${seed} ${identityText(identity)} ${iteration}`);
  const task = tasks[Math.floor(random() * tasks.length)] ?? role;
  const r = random();
  const success = r >= SUCCESS_FROM;
  return {
    task,
    input: `iteration ${iteration} of ${identity.agent}`,
    output: success ? `done: ${task}` : `given up: ${task}`,
    critique: success ? 'good enough to share' : 'share it as a warning',
    reward: Math.round((least + range * r) * 10_000) / 10_000,
    success,
  };
}

/** Numbers from 0 to below 1, the same for the same text (FNV-1a into mulberry32). */
function randomFrom(text: string): () => number {
  let state = 0x811c9dc5;
  for (const char of text) state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

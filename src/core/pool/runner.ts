/** One runner of a pool: its row, and the states it goes through. Pure. */
import type { Amounts } from '../resources.ts';
import type { Scope } from './pool.ts';

export type RunnerId = number;

/**
 * `planned`: on record, nothing else. `registered`: GitHub knows it. `starting`: its container runs. `idle`, `busy`: GitHub
 * said so. `leaving`: it is taken away, on both sides. `gone`: it is on neither.
 */
export const runnerStates = ['planned', 'registered', 'starting', 'idle', 'busy', 'leaving', 'gone'] as const;
export type RunnerState = (typeof runnerStates)[number];

/** The only ways to go. */
export const runnerEdges: Readonly<Record<RunnerState, readonly RunnerState[]>> = {
  planned: ['registered', 'leaving'],
  registered: ['starting', 'leaving'],
  starting: ['idle', 'busy', 'leaving'],
  idle: ['busy', 'leaving'],
  // GitHub refuses to let go of a runner that got a job in the very moment, and then it is busy and no longer leaves.
  busy: ['leaving'],
  leaving: ['busy', 'gone'],
  gone: [],
};

export interface Runner {
  readonly id: RunnerId;
  /** Unique for ever. */
  readonly name: string;
  readonly pool: string;
  /** Whose box it is on. */
  readonly worker: string;
  /** Of the pool's definition that it was made by. */
  readonly fingerprint: string;
  readonly scope: Scope;
  readonly platform: string;
  readonly size: Amounts;
  readonly isEmulated: boolean;
  readonly state: RunnerState;
  /** GitHub's number of it. */
  readonly githubId: number | null;
  /** Id of its container. */
  readonly container: string | null;
  /** Why it leaves or is gone: the name of a rule. */
  readonly reason: string | null;
  /** What is not as it should be right now, and since when; see reconcile.ts. */
  readonly odd: string | null;
  readonly oddAt: Date | null;
  /** GitHub does not have it any more: it said so when it was asked to let it go. */
  readonly isReleased: boolean;
  readonly plannedAt: Date;
  /** When its state changed the last time. */
  readonly changedAt: Date;
  readonly startedAt: Date | null;
  readonly onlineAt: Date | null;
  readonly busyAt: Date | null;
  readonly goneAt: Date | null;
}

/** What may change together with the state. */
export interface RunnerChange {
  readonly state?: RunnerState;
  readonly githubId?: number;
  readonly container?: string;
  readonly reason?: string;
  readonly odd?: string | null;
  readonly oddAt?: Date | null;
  readonly isReleased?: true;
  readonly startedAt?: Date;
  readonly onlineAt?: Date;
  readonly busyAt?: Date;
  readonly goneAt?: Date;
}

export function mayGo(from: RunnerState, to: RunnerState): boolean {
  return runnerEdges[from].includes(to);
}

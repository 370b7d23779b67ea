/**
 * Decides which commit status may be sent now. GitHub allows 80 content-creating requests a minute and 500 an hour and
 * asks for a second between them; who calls inside a `retry-after` may be banned. Pure: all times are arguments, in ms
 * of the monotonic clock, so a step of the wall clock neither opens nor blocks the budget.
 */
import type { OutgoingStatus } from './ports.ts';

export interface WriteBudget {
  /** When the writes of the last hour began, oldest first. Failed ones count, since GitHub counts them. */
  readonly writes: readonly number[];
  /** Nothing is sent before. */
  readonly pausedUntil: number;
  /** Failures in a row that may pass. */
  readonly failures: number;
}

export const freshBudget: WriteBudget = { writes: [], pausedUntil: 0, failures: 0 };

/** From GitHub's "Rate limits for the REST API", secondary limits, and "Best practices", pause between mutative requests. */
export const WRITE_GAP_MS = 1000;
export const WRITES_PER_MINUTE = 80;
export const WRITES_PER_HOUR = 500;
/** With fewer left, only what people wait for goes out. */
export const RESERVE = 100;
const LAST_RESERVED_RANK = 2;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export type WritePlan =
  | { readonly action: 'send'; readonly status: OutgoingStatus }
  /** Something may go out then; ask again with what is there then. */
  | { readonly action: 'wait'; readonly ms: number }
  | { readonly action: 'idle' };

/** `unsent` in any order. The lowest rank goes first, then what is wanted for longest. */
export function planWrite(budget: WriteBudget, unsent: readonly OutgoingStatus[], now: number): WritePlan {
  const next = unsent.reduce<OutgoingStatus | undefined>(
    (a, b) => (a === undefined || goesBefore(b, a) ? b : a),
    undefined,
  );
  if (next === undefined) return { action: 'idle' };
  const usable = next.rank <= LAST_RESERVED_RANK ? WRITES_PER_HOUR : WRITES_PER_HOUR - RESERVE;
  const last = budget.writes.at(-1);
  const at = Math.max(
    budget.pausedUntil,
    last === undefined ? 0 : last + WRITE_GAP_MS,
    windowOpensAt(budget.writes, WRITES_PER_MINUTE, MINUTE_MS),
    windowOpensAt(budget.writes, usable, HOUR_MS),
  );
  return at <= now ? { action: 'send', status: next } : { action: 'wait', ms: at - now };
}

function goesBefore(a: OutgoingStatus, b: OutgoingStatus): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.desiredAt.getTime() !== b.desiredAt.getTime()) return a.desiredAt < b.desiredAt;
  return a.id < b.id;
}

/** When fewer than `most` of the writes are younger than `windowMs`. */
function windowOpensAt(writes: readonly number[], most: number, windowMs: number): number {
  const oldest = writes[writes.length - most];
  return oldest === undefined ? 0 : oldest + windowMs;
}

/** A request is about to leave. */
export function recordWrite(budget: WriteBudget, now: number): WriteBudget {
  return { ...budget, writes: [...budget.writes.filter((at) => at > now - HOUR_MS), now] };
}

/** The forge answered: whatever it said about this status, it is there. */
export function recordAnswer(budget: WriteBudget): WriteBudget {
  return { ...budget, failures: 0 };
}

const FIRST_PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 10 * MINUTE_MS;

/**
 * The request failed for a reason that may pass. The pause is for all statuses, since they share the forge: it doubles
 * with every failure in a row up to 10 minutes, less up to half by `fraction` (0 to 1, random), and is never shorter
 * than what the forge asked for (`askedMs`).
 */
export function recordFailure(budget: WriteBudget, now: number, fraction: number, askedMs: number): WriteBudget {
  const failures = budget.failures + 1;
  const full = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 30), LONGEST_PAUSE_MS);
  const pauseMs = Math.max(full * (1 - fraction / 2), askedMs);
  return { ...budget, failures, pausedUntil: Math.max(budget.pausedUntil, now + pauseMs) };
}

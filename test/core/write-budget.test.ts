import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OutgoingStatus } from '../../src/core/ports.ts';
import {
  freshBudget,
  planWrite,
  recordAnswer,
  recordFailure,
  recordWrite,
  RESERVE,
  WRITE_GAP_MS,
  WRITES_PER_HOUR,
  WRITES_PER_MINUTE,
  type WriteBudget,
} from '../../src/core/write-budget.ts';
import { makeStatus } from '../support/make-status.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A budget after writes at these times. */
function after(...times: readonly number[]): WriteBudget {
  return times.reduce(recordWrite, freshBudget);
}

function spread(count: number, everyMs: number): number[] {
  return Array.from({ length: count }, (_, index) => index * everyMs);
}

const final = makeStatus({ id: 1, rank: 0, state: 'success' });
const jobFinal = makeStatus({ id: 2, rank: 3, state: 'success' });

test('has nothing to do when nothing is unsent', () => {
  expect(planWrite(freshBudget, [], 0)).toEqual({ action: 'idle' });
});

test('sends at once when nothing was sent before', () => {
  expect(planWrite(freshBudget, [final], 0)).toEqual({ action: 'send', status: final });
});

test('the lowest rank goes first, then what is wanted for longest, then what came first', () => {
  const all: OutgoingStatus[] = [
    makeStatus({ id: 5, rank: 4, desiredAt: new Date(1) }),
    makeStatus({ id: 4, rank: 1, desiredAt: new Date(9) }),
    makeStatus({ id: 3, rank: 1, desiredAt: new Date(2) }),
    makeStatus({ id: 2, rank: 1, desiredAt: new Date(2) }),
  ];
  expect(planWrite(freshBudget, all, 0)).toMatchObject({ action: 'send', status: { id: 2 } });
});

test('waits a second between writes', () => {
  expect(planWrite(after(5000), [final], 5400)).toEqual({ action: 'wait', ms: WRITE_GAP_MS - 400 });
  expect(planWrite(after(5000), [final], 6000)).toMatchObject({ action: 'send' });
});

test('sends no more than 80 in any minute', () => {
  const budget = after(...spread(WRITES_PER_MINUTE, 700));
  const last = 700 * (WRITES_PER_MINUTE - 1);
  expect(planWrite(budget, [final], last + WRITE_GAP_MS)).toEqual({ action: 'wait', ms: MINUTE - last - WRITE_GAP_MS });
  expect(planWrite(budget, [final], MINUTE)).toMatchObject({ action: 'send' });
});

test('sends no more than 500 in any hour', () => {
  const budget = after(...spread(WRITES_PER_HOUR, 2000));
  expect(planWrite(budget, [final], 2000 * WRITES_PER_HOUR)).toEqual({
    action: 'wait',
    ms: HOUR - 2000 * WRITES_PER_HOUR,
  });
  expect(planWrite(budget, [final], HOUR)).toMatchObject({ action: 'send' });
});

test('with less than a hundred writes left in the hour only run contexts and failures go out', () => {
  const budget = after(...spread(WRITES_PER_HOUR - RESERVE, 2000));
  const now = 2000 * (WRITES_PER_HOUR - RESERVE);
  expect(planWrite(budget, [jobFinal], now)).toEqual({ action: 'wait', ms: HOUR - now });
  for (const rank of [0, 1, 2] as const) {
    expect(planWrite(budget, [jobFinal, makeStatus({ id: 7, rank })], now)).toMatchObject({
      action: 'send',
      status: { id: 7 },
    });
  }
});

test('after a failure nothing is sent for a while that doubles each time, up to ten minutes', () => {
  let budget = freshBudget;
  const pauses: number[] = [];
  for (let failure = 0; failure < 12; failure++) {
    budget = recordFailure(budget, budget.pausedUntil, 0, 0);
    pauses.push(budget.pausedUntil - pauses.reduce((sum, pause) => sum + pause, 0));
  }
  expect(pauses.map((pause) => pause / 1000)).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
  expect(planWrite(budget, [final], budget.pausedUntil - 1)).toEqual({ action: 'wait', ms: 1 });
});

test('jitter takes away up to half', () => {
  expect(recordFailure(freshBudget, 1000, 0.999, 0).pausedUntil).toBeCloseTo(2001, -1);
});

test('never calls before the forge wants to be called', () => {
  const budget = recordFailure(freshBudget, 1000, 0.5, 3 * HOUR);
  expect(planWrite(budget, [final], 1000)).toEqual({ action: 'wait', ms: 3 * HOUR });
  const second = recordFailure(budget, 2000, 0, 10);
  expect(second.pausedUntil).toBe(budget.pausedUntil);
});

test('an answer ends the row of failures', () => {
  const failed = recordFailure(recordFailure(freshBudget, 0, 0, 0), 10_000, 0, 0);
  expect(recordFailure(recordAnswer(failed), 60_000, 0, 0).pausedUntil).toBe(62_000);
});

test('forgets what is older than an hour, so that it does not grow', () => {
  expect(recordWrite(after(0, 1000, HOUR), HOUR + 1000).writes).toEqual([HOUR, HOUR + 1000]);
});

test('whenever it is asked and whatever is unsent, the limits hold', () => {
  const step = fc.record({ pause: fc.integer({ min: 0, max: 20_000 }), rank: fc.constantFrom(0, 1, 2, 3, 4) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 600, maxLength: 900 }), (steps) => {
      let budget = freshBudget;
      let now = 0;
      const sent: { readonly at: number; readonly rank: number }[] = [];
      for (const { pause, rank } of steps) {
        now += pause % 1500;
        const plan = planWrite(budget, [makeStatus({ rank })], now);
        if (plan.action === 'wait' && pause % 3 === 0) now += plan.ms;
        if (plan.action !== 'send') continue;
        budget = recordWrite(budget, now);
        sent.push({ at: now, rank });
      }
      for (const [index, { at, rank }] of sent.entries()) {
        const inLast = (ms: number): number => sent.slice(0, index).filter((other) => other.at > at - ms).length;
        expect(inLast(1000)).toBe(0);
        expect(inLast(MINUTE)).toBeLessThan(80);
        expect(inLast(HOUR)).toBeLessThan(rank > 2 ? 400 : 500);
      }
    }),
    { numRuns: 20 },
  );
});

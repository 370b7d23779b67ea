import { describe, expect, it } from 'vitest';
import { cancelledBy, error, type ErrorReason, type Outcome } from '../../src/core/outcome.ts';
import { mayRetry, type PastAttempt, type Retry } from '../../src/core/schedule/retry.ts';

const exit = (exitCode: number): Outcome => ({ result: 'failure', reason: 'exit', message: 'x', exitCode });
const timeout: Outcome = { result: 'failure', reason: 'timeout', message: 'x' };
const oom: Outcome = { result: 'failure', reason: 'oom', message: 'x' };
const passed: Outcome = { result: 'success', reason: 'exit', message: 'x' };
const past = (count: number): PastAttempt[] =>
  Array.from({ length: count }, (_, index) => ({ attempt: index + 1, outcome: timeout }));

describe('without a word in the file', () => {
  it.each([
    ['checkout', true],
    ['disk', true],
    ['lost_slot', true],
    ['lost_worker', true],
    ['config', false],
    ['image', false],
    ['forge', false],
  ] satisfies [ErrorReason, boolean][])('the machine is given one more chance: %s', (reason, expected) => {
    expect(mayRetry(null, [], error(reason, 'x'), false)).toBe(expected);
    expect(mayRetry(null, past(1), error(reason, 'x'), false)).toBe(false);
  });

  it('nothing is done twice once a command has begun', () => {
    expect(mayRetry(null, [], error('lost_slot', 'x'), true)).toBe(false);
  });

  it.each([exit(1), timeout, oom, passed, cancelledBy('ada')])('%j stands', (outcome) => {
    expect(mayRetry(null, [], outcome, false)).toBe(false);
  });
});

describe('as the file says', () => {
  it.each([
    [['infra'], error('lost_slot', 'x'), true],
    [['infra'], exit(1), false],
    [['exit'], exit(1), true],
    [['exit:75'], exit(75), true],
    [['exit:75'], exit(1), false],
    [['timeout', 'oom'], timeout, true],
    [['timeout', 'oom'], oom, true],
    [['timeout'], oom, false],
    [['infra', 'exit', 'timeout', 'oom'], cancelledBy('ada'), false],
    [['infra', 'exit', 'timeout', 'oom'], error('config', 'x'), false],
  ] satisfies [Retry['when'], Outcome, boolean][])('%j: %j', (when, outcome, expected) => {
    expect(mayRetry({ max: 1, when }, [], outcome, true)).toBe(expected);
  });

  it('as often as it says and no more', () => {
    const retry: Retry = { max: 2, when: ['exit'] };
    expect([0, 1, 2, 3].map((count) => mayRetry(retry, past(count), exit(1), true))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(mayRetry({ max: 0, when: ['infra'] }, [], error('checkout', 'x'), false)).toBe(false);
  });
});

it('what may go on at the forge is never begun again, whatever the file says', () => {
  expect(mayRetry({ max: 3, when: ['infra', 'exit', 'timeout'] }, [], error('forge', 'x'), false)).toBe(false);
});

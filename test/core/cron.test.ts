import { describe, expect, it } from 'vitest';
import { cronFault, newestTime, nextTime } from '../../src/core/cron.ts';

const next = (cron: string, after: string, timezone = 'UTC') =>
  nextTime({ cron, timezone }, new Date(after))?.toISOString() ?? null;
const newest = (cron: string, from: string, now: string) =>
  newestTime({ cron, timezone: 'UTC' }, new Date(from), new Date(now))?.toISOString() ?? null;

describe('the next time', () => {
  it.each([
    ['30 2 * * *', '2026-01-01T02:30:00Z', '2026-01-02T02:30:00.000Z'],
    ['* * * * *', '2026-01-01T00:00:30Z', '2026-01-01T00:01:00.000Z'],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    // As GitHub's own table has it: from minute 20 to the end of the hour.
    ['20/15 * * * *', '2026-01-01T00:50:00Z', '2026-01-01T01:20:00.000Z'],
    ['20/15 * * * *', '2026-01-01T00:20:00Z', '2026-01-01T00:35:00.000Z'],
    ['0 0 * * WED/2', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00.000Z'],
    // As everywhere with cron: both days count when both are given.
    ['0 0 13 * FRI', '2026-01-03T00:00:00Z', '2026-01-09T00:00:00.000Z'],
    ['0 0 13 * FRI', '2026-01-09T00:00:00Z', '2026-01-13T00:00:00.000Z'],
  ])('of %s after %s is %s', (cron, after, expected) => {
    expect(next(cron, after)).toBe(expected);
  });

  it('that the change to summer time leaves out comes when the clocks have changed', () => {
    expect(next('30 2 * * *', '2026-03-28T12:00:00Z', 'Europe/Berlin')).toBe('2026-03-29T01:00:00.000Z');
  });

  it('that happens twice in autumn comes once', () => {
    expect(next('30 2 * * *', '2026-10-24T12:00:00Z', 'Europe/Berlin')).toBe('2026-10-25T00:30:00.000Z');
    expect(next('30 2 * * *', '2026-10-25T00:30:00Z', 'Europe/Berlin')).toBe('2026-10-26T01:30:00.000Z');
  });

  it.each([
    ['0 2,12 * * *', ['10-25T00:00', '10-25T11:00', '10-26T01:00']],
    ['15,45 2 * * *', ['10-25T00:15', '10-25T00:45', '10-26T01:15']],
    ['0 */2 * * *', ['10-24T22:00', '10-25T00:00', '10-25T03:00']],
    ['30 1-3 * * *', ['10-24T23:30', '10-25T00:30', '10-25T02:30']],
    [
      '*/30 * * * *',
      ['10-24T22:00', '10-24T22:30', '10-24T23:00', '10-24T23:30', '10-25T00:00', '10-25T00:30', '10-25T01:00'],
    ],
  ])('that happens twice in autumn comes once among others, unless its hour is any: %s', (cron, expected) => {
    const times: string[] = [];
    for (let at = '2026-10-24T21:59:00Z'; times.length < expected.length; at = times.at(-1) ?? '')
      times.push(next(cron, at, 'Europe/Berlin') ?? 'never');
    expect(times).toEqual(expected.map((time) => `2026-${time}:00.000Z`));
  });

  it('knows a change by half an hour as well', () => {
    const zone = 'Australia/Lord_Howe';
    expect(next('40,50 1 * * *', '2026-04-04T14:45:00Z', zone)).toBe('2026-04-04T14:50:00.000Z');
    expect(next('40,50 1 * * *', '2026-04-04T14:50:00Z', zone)).toBe('2026-04-05T15:10:00.000Z');
  });

  it('is null when it never comes, and that is a fault of the text', () => {
    expect(next('30 2 31 2 *', '2026-01-01T00:00:00Z')).toBeNull();
    expect(cronFault('30 2 31 2 *')).toContain('never comes');
    expect(cronFault('30 2 29 2 *')).toBeUndefined();
  });
});

describe('the newest time that has passed', () => {
  it.each([
    ['* * * * *', '2025-01-01T00:00:00Z', '2026-01-01T00:00:30Z', '2026-01-01T00:00:00.000Z'],
    ['0 3 * * *', '2025-01-01T03:00:00Z', '2026-01-01T02:59:59Z', '2025-12-31T03:00:00.000Z'],
    ['0 0 29 2 *', '2020-02-29T00:00:00Z', '2026-01-01T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['0 3 * * *', '2026-01-01T03:00:00Z', '2026-01-01T03:00:00Z', '2026-01-01T03:00:00.000Z'],
    ['0 3 * * *', '2026-01-02T03:00:00Z', '2026-01-02T02:00:00Z', null],
  ])('of %s from %s to %s is %s', (cron, from, now, expected) => {
    expect(newest(cron, from, now)).toBe(expected);
  });
});

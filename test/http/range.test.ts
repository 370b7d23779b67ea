import { expect, test } from 'vitest';
import { parseRange } from '../../src/http/range.ts';

const whole = { kind: 'whole' };
const none = { kind: 'unsatisfiable' };

test.each([
  [undefined, 10, whole],
  ['bytes=0-3', 10, { kind: 'part', start: 0, end: 4 }],
  ['bytes=4-', 10, { kind: 'part', start: 4, end: 10 }],
  ['bytes=-3', 10, { kind: 'part', start: 7, end: 10 }],
  ['bytes=-30', 10, { kind: 'part', start: 0, end: 10 }],
  ['bytes=8-99', 10, { kind: 'part', start: 8, end: 10 }],
  ['bytes=9-9', 10, { kind: 'part', start: 9, end: 10 }],
  ['bytes=10-', 10, none],
  ['bytes=-0', 10, none],
  ['bytes=0-', 0, none],
  ['bytes=-1', 0, none],
  ['bytes=5-4', 10, whole],
  ['bytes=-', 10, whole],
  ['bytes=0-1,4-5', 10, whole],
  ['lines=0-1', 10, whole],
  ['bytes=a-b', 10, whole],
  ['bytes=-1-2', 10, whole],
  ['bytes=99999999999999999999-', 10, whole],
])('%s of %i bytes', (header, size, expected) => {
  expect(parseRange(header, size)).toEqual(expected);
});

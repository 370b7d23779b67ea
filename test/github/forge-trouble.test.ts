import { expect, test } from 'vitest';
import { troubleOf } from '../../src/github/forge-trouble.ts';

const cures = { forbidden: 'Give the credential write access.', unprocessable: 'The commit is unknown there.' };
const now = new Date('2026-03-01T12:00:00Z');
const inSeconds = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);
const epoch = (date: Date): number => date.getTime() / 1000;

test.each([
  ['a server error', 502, {}, 'Bad Gateway', { kind: 'retry' }],
  ['a server error that says when', 503, { 'retry-after': '120' }, '', { kind: 'retry', retryAt: inSeconds(120) }],
  [
    'a secondary limit that says when',
    403,
    { 'retry-after': 30 },
    'You have exceeded a secondary rate limit',
    { kind: 'retry', retryAt: inSeconds(30) },
  ],
  [
    'a secondary limit that does not',
    403,
    {},
    'You have exceeded a secondary rate limit',
    { kind: 'retry', retryAt: inSeconds(60) },
  ],
  [
    'the primary limit',
    403,
    { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': epoch(inSeconds(1800)) },
    'API rate limit exceeded',
    { kind: 'retry', retryAt: inSeconds(1801) },
  ],
  [
    'both: retry-after comes first',
    429,
    { 'retry-after': '5', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': epoch(inSeconds(1800)) },
    '',
    { kind: 'retry', retryAt: inSeconds(5) },
  ],
  [
    'a reset by a clock that is an hour ahead',
    429,
    { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': epoch(inSeconds(3660)), date: inSeconds(3600).toUTCString() },
    '',
    { kind: 'retry', retryAt: inSeconds(61) },
  ],
  [
    'a retry-after that is a date',
    429,
    { 'retry-after': inSeconds(90).toUTCString() },
    '',
    { kind: 'retry', retryAt: inSeconds(90) },
  ],
  ['a wait of a year', 429, { 'retry-after': '31536000' }, '', { kind: 'retry', retryAt: inSeconds(86_400) }],
  ['too many requests without a word', 429, {}, '', { kind: 'retry', retryAt: inSeconds(60) }],
  ['a bad credential', 401, {}, 'Bad credentials', { kind: 'retry' }],
  [
    'a missing permission',
    403,
    { 'x-ratelimit-remaining': '4999' },
    'Resource not accessible by integration',
    { kind: 'refused' },
  ],
  ['an unknown repository', 404, {}, 'Not Found', { kind: 'refused' }],
  ['an unknown commit', 422, {}, 'No commit found for SHA', { kind: 'refused' }],
  ['a request that took too long', 408, {}, '', { kind: 'retry' }],
  ['any other refusal', 451, {}, '', { kind: 'refused' }],
])('%s', (_name, status, headers, message, expected) => {
  const { message: said, ...rest } = troubleOf({ status, headers, message }, now, cures);
  expect(rest).toEqual(expected);
  expect(said).toContain(String(status));
});

test('what GitHub said is shown on one line and not without end', () => {
  expect(troubleOf({ status: 500, headers: {}, message: `a\n\nb ${'x'.repeat(500)}` }, now, cures).message).toMatch(
    /^GitHub answered 500: a b x{190,}…$/,
  );
});

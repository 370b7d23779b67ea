import { expect, test } from 'vitest';
import { createLinks } from '../../src/http/links.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const DAY = 86_400_000;
const sha = 'a'.repeat(40);

function setUp(publicUrl: string | null = 'https://ci.example.com') {
  const clock = virtualClock();
  return { clock, links: createLinks({ publicUrl, key: Buffer.alloc(32, 1), clock }) };
}

const tokenOf = (url: string): string => new URL(url, 'http://x').searchParams.get('t') ?? '';

test('a status leads to the log of its job, or to all logs of its run', () => {
  const { links } = setUp();
  expect(links.statusTarget({ runId: 7, sha, job: 'build (amd64, a/b)', workflowUrl: null })).toMatch(
    new RegExp(`^https://ci\\.example\\.com/logs/${sha}/build%20\\(amd64%2C%20a%2Fb\\)\\?t=7\\.`),
  );
  expect(links.statusTarget({ runId: 7, sha, job: null, workflowUrl: null })).toMatch(
    new RegExp(`^https://ci\\.example\\.com/logs/${sha}\\?t=7\\.`),
  );
});

test('without a public address a status leads nowhere and links are paths', () => {
  const { links } = setUp(null);
  expect(links.statusTarget({ runId: 7, sha, job: null, workflowUrl: null })).toBeNull();
  expect(links.jobLog({ id: 7, sha }, 'build')).toMatch(/^\/logs\//);
});

test('a link opens its run for thirty days', () => {
  const { links, clock } = setUp();
  const token = tokenOf(links.runLog({ id: 7, sha }));
  expect(links.runOfToken(token)).toBe(7);
  clock.advance(30 * DAY - 1000);
  expect(links.runOfToken(token)).toBe(7);
  clock.advance(2000);
  expect(links.runOfToken(token)).toBeUndefined();
});

test('a link cannot be changed into one for another run or a longer time, or made with another key', () => {
  const { links, clock } = setUp();
  const [run = '', until = '', mac = ''] = tokenOf(links.runLog({ id: 7, sha })).split('.');
  const other = createLinks({ publicUrl: null, key: Buffer.alloc(32, 2), clock });
  for (const token of [
    `8.${until}.${mac}`,
    `${run}.${Number(until) + 1}.${mac}`,
    `${run}.${until}.${mac.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))}`,
    `${run}.${until}.`,
    `0${run}.${until}.${mac}`,
    `${run}.${until}.${mac}x`,
    '',
    tokenOf(other.runLog({ id: 7, sha })),
  ]) {
    expect(links.runOfToken(token), token).toBeUndefined();
  }
});

import { describe, expect, it } from 'vitest';
import { matchesBranches, matchesPattern } from '../../src/core/branch-pattern.ts';
import { judgeTrigger } from '../../src/core/trigger.ts';

const push = (headRef: string) => ({ eventName: 'push' as const, headRef, baseRef: null });
const pullRequest = (baseRef: string) => ({ eventName: 'pull_request' as const, headRef: 'refs/heads/topic', baseRef });

describe('judgeTrigger', () => {
  it('wants branches and tags of a push without branches', () => {
    expect(judgeTrigger({ push: {} }, push('refs/heads/x'))).toEqual({ wanted: true });
    expect(judgeTrigger({ push: {} }, push('refs/tags/v1'))).toEqual({ wanted: true });
  });

  it('wants only matching branches, and no tag, of a push with branches', () => {
    const on = { push: { branches: ['main'] } };
    expect(judgeTrigger(on, push('refs/heads/main'))).toEqual({ wanted: true });
    expect(judgeTrigger(on, push('refs/heads/x'))).toEqual({
      wanted: false,
      why: 'branch x does not match its branches',
    });
    expect(judgeTrigger(on, push('refs/tags/main'))).toEqual({ wanted: false, why: 'refs/tags/main is no branch' });
  });

  it('matches the base of a pull request, not its head', () => {
    const on = { pull_request: { branches: ['main'] } };
    expect(judgeTrigger(on, pullRequest('main'))).toEqual({ wanted: true });
    expect(judgeTrigger(on, { ...pullRequest('release'), headRef: 'refs/heads/main' })).toMatchObject({
      wanted: false,
    });
  });

  it('does not want an event that the file does not name', () => {
    expect(judgeTrigger({ push: {} }, pullRequest('main'))).toEqual({
      wanted: false,
      why: 'it does not run on pull_request',
    });
    expect(judgeTrigger({ pull_request: {} }, push('refs/heads/main'))).toEqual({
      wanted: false,
      why: 'it does not run on push',
    });
  });

  it('always wants a run that was asked for by hand', () => {
    expect(judgeTrigger({}, { eventName: 'manual', headRef: 'refs/heads/x', baseRef: null })).toEqual({ wanted: true });
  });
});

describe('branch patterns', () => {
  it.each([
    ['main', 'main', true],
    ['main', 'maint', false],
    ['*', 'main', true],
    ['*', 'a/b', false],
    ['**', 'a/b', true],
    ['release/*', 'release/1', true],
    ['release/*', 'release/1/2', false],
    ['release/**', 'release/1/2', true],
    ['**-next', 'a/b-next', true],
    ['mona/octocat', 'mona/octocat', true],
    ['v1.*', 'v1.2', true],
    ['v1.*', 'v12', false],
    ['v[12].[0-9]+', 'v1.10', true],
    ['v[12].[0-9]+', 'v3.1', false],
    ['feature-?', 'feature', true],
    ['colou?r', 'color', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'axb', false],
    ['[', '[', true],
    ['+x', '+x', true],
    ['', '', true],
    ['*', '', true],
    ['😀*', '😀x', true],
  ])('%s against %s: %s', (pattern, name, expected) => {
    expect(matchesPattern(pattern, name)).toBe(expected);
  });

  it('lets the last pattern that matches decide', () => {
    const patterns = ['**', '!release/**', 'release/1'];
    expect(['main', 'release/2', 'release/1'].map((name) => matchesBranches(patterns, name))).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('takes time by length, whatever the pattern is', () => {
    const started = performance.now();
    expect(matchesPattern('*a'.repeat(100), `${'a'.repeat(250)}b`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

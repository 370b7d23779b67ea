import { describe, expect, it } from 'vitest';
import { matchesAny, matchesPattern } from '../../src/core/pattern.ts';
import { asksForPaths, asksToSkip, judgeTrigger as judge, type TriggerEvent } from '../../src/core/plan/trigger.ts';
import type { Triggers } from '../../src/core/pipeline/pipeline.ts';

const push = (headRef: string) => ({ eventName: 'push' as const, headRef, baseRef: null });
const pullRequest = (baseRef: string) => ({ eventName: 'pull_request' as const, headRef: 'refs/heads/topic', baseRef });

const judgeTrigger = (on: Triggers, event: TriggerEvent, changed: readonly string[] | null = null) =>
  judge(on, event, changed);

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
      by: 'event',
      why: 'branch x does not match its branches',
    });
    expect(judgeTrigger(on, push('refs/tags/main'))).toEqual({
      wanted: false,
      by: 'event',
      why: 'refs/tags/main is no branch',
    });
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
      by: 'event',
      why: 'it does not run on pull_request',
    });
    expect(judgeTrigger({ pull_request: {} }, push('refs/heads/main'))).toEqual({
      wanted: false,
      by: 'event',
      why: 'it does not run on push',
    });
  });

  it('always wants a run that was asked for by hand', () => {
    expect(judgeTrigger({}, { eventName: 'manual', headRef: 'refs/heads/x', baseRef: null })).toEqual({ wanted: true });
  });
});

/** https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#patterns-to-match-file-paths */
describe("GitHub's own examples of path patterns", () => {
  it.each([
    ['*', ['README.md', 'server.rb'], ['js/app.js']],
    ['*.jsx?', ['page.js', 'page.jsx'], ['page.jsxx']],
    ['**', ['all/the/files.md'], []],
    ['*.js', ['app.js', 'index.js'], ['js/app.js']],
    ['**.js', ['index.js', 'js/index.js', 'src/js/app.js'], ['js/index.ts']],
    ['docs/*', ['docs/README.md', 'docs/file.txt'], ['docs/mona/octocat.txt']],
    ['docs/**', ['docs/README.md', 'docs/mona/octocat.txt'], ['doc/README.md']],
    ['docs/**/*.md', ['docs/README.md', 'docs/mona/hello-world.md', 'docs/a/markdown/file.md'], ['docsREADME.md']],
    ['**/docs/**', ['docs/hello.md', 'dir/docs/my-file.txt', 'space/docs/plan/space.doc'], ['mydocs/a']],
    ['**/README.md', ['README.md', 'js/README.md'], ['js/MYREADME.md']],
    ['**/*src/**', ['a/src/app.js', 'my-src/code/js/app.js'], ['srcs/app.js']],
    ['**/*-post.md', ['my-post.md', 'path/their-post.md'], ['my-post.mdx']],
    ['**/migrate-*.sql', ['migrate-10909.sql', 'db/migrate-v1.0.sql', 'db/sept/migrate-v1.sql'], ['xmigrate-1.sql']],
  ])('%s', (pattern, matching, others) => {
    for (const path of matching) expect([path, matchesPattern(pattern, path)]).toEqual([path, true]);
    for (const path of others) expect([path, matchesPattern(pattern, path)]).toEqual([path, false]);
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
    expect(['main', 'release/2', 'release/1'].map((name) => matchesAny(patterns, name))).toEqual([true, false, true]);
  });

  it('takes time by length, whatever the pattern is', () => {
    const started = performance.now();
    expect(matchesPattern('*a'.repeat(100), `${'a'.repeat(250)}b`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('filters of a push', () => {
  it.each([
    [{ branches: ['main'], tags: ['v*'] }, 'refs/tags/v1', true],
    [{ branches: ['main'], tags: ['v*'] }, 'refs/tags/x1', false],
    [{ branches: ['main'], tags: ['v*'] }, 'refs/heads/main', true],
    [{ tags: ['v*'] }, 'refs/heads/main', false],
    [{ tags: ['v*', '!v0*'] }, 'refs/tags/v0.1', false],
    [{ tagsIgnore: ['x*'] }, 'refs/tags/v1', true],
    [{ tagsIgnore: ['x*'] }, 'refs/tags/x1', false],
    [{ tagsIgnore: ['x*'] }, 'refs/heads/main', false],
    [{ branchesIgnore: ['wip/**'] }, 'refs/heads/wip/a/b', false],
    [{ branchesIgnore: ['wip/**'] }, 'refs/heads/main', true],
    [{ branchesIgnore: ['wip/**'] }, 'refs/tags/v1', false],
  ])('%j: %s', (filter, ref, wanted) => {
    expect(judgeTrigger({ push: filter }, push(ref)).wanted).toBe(wanted);
  });

  it.each([
    [{ paths: ['src/**'] }, ['src/a/b.ts', 'docs/x.md'], true],
    [{ paths: ['src/**'] }, ['docs/x.md'], false],
    [{ paths: ['src/**', '!src/**.md'] }, ['src/a.md'], false],
    [{ paths: ['*.md'] }, ['docs/x.md'], false],
    [{ paths: ['src/**'] }, [], false],
    [{ pathsIgnore: ['docs/**'] }, ['docs/x.md'], false],
    [{ pathsIgnore: ['docs/**'] }, ['docs/x.md', 'a'], true],
    [{ paths: ['src/**'] }, null, true],
    [{ pathsIgnore: ['docs/**'] }, null, true],
  ])('%j with %j', (filter, changed, wanted) => {
    const verdict = judgeTrigger({ push: filter }, push('refs/heads/x'), changed);
    expect(verdict).toMatchObject(wanted ? { wanted } : { wanted, by: 'paths' });
  });

  it('look at files for branches only, and only where a filter asks', () => {
    const on = { push: { paths: ['src/**'] }, pull_request: {} };
    expect(asksForPaths(on, push('refs/heads/x'))).toBe(true);
    expect(asksForPaths(on, push('refs/tags/v1'))).toBe(false);
    expect(judgeTrigger(on, push('refs/tags/v1'), [])).toEqual({ wanted: true });
    expect(asksForPaths(on, pullRequest('main'))).toBe(false);
  });
});

it('a merge group is matched by its base', () => {
  const group = (baseRef: string) => ({ eventName: 'merge_group' as const, headRef: 'refs/heads/q/1', baseRef });
  expect(judgeTrigger({ merge_group: { branches: ['main'] } }, group('main')).wanted).toBe(true);
  expect(judgeTrigger({ merge_group: { branches: ['main'] } }, group('x')).wanted).toBe(false);
  expect(judgeTrigger({ push: {} }, group('main')).wanted).toBe(false);
});

it.each([
  ['fix [skip ci]', true],
  ['[CI SKIP] x', true],
  ['x\n\nbody [no ci] more', true],
  ['[skip actions]', true],
  ['x\n\n\nskip-checks: true\n', true],
  ['skip ci', false],
  ['[skip  ci]', false],
  ['x\n\nskip-checks: true\nmore', false],
])('%j asks to be skipped: %s', (message, expected) => {
  expect(asksToSkip(message)).toBe(expected);
});

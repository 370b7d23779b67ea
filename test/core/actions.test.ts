import { describe, expect, it } from 'vitest';
import { whenOf } from '../../src/core/actions/action-step.ts';
import { expectedFolder, topOf } from '../../src/core/actions/artifact-top.ts';
import { parsePipeline } from '../../src/core/pipeline/pipeline-file.ts';

describe('expectedFolder', () => {
  it.each([
    [['dist'], 'dist'],
    [['./dist/'], 'dist'],
    [['.'], '.'],
    [['dist/app.tar.gz'], 'dist'],
    [['app.tar.gz'], '.'],
    [['bundle.app/'], 'bundle.app'],
    [['.next'], '.next'],
    [['dist/*.js'], 'dist'],
    [['dist/**'], 'dist'],
    [['**/*.xml'], '.'],
    [['a/b*/c'], 'a'],
    [['dist/a.js', 'dist/b.js'], 'dist'],
    [['dist', 'README.md'], '.'],
    [['a/b/c', 'a/b/d/e', 'a/bc'], 'a'],
    [['dist', 'dist/x.js'], 'dist'],
    [['out.d', 'out.d'], '.'],
    [['dist', '!dist/*.map'], 'dist'],
  ])('of %j is the top below which GitHub keeps paths: %s', (paths, folder) => {
    expect(expectedFolder(topOf(paths))).toBe(folder);
  });

  it('knows the patterns of the key artifacts', () => {
    expect(expectedFolder(topOf(['lib/c+/x'], /[*?+[\\]/))).toBe('lib');
    expect(expectedFolder(topOf(['lib/c+/x']))).toBe('lib/c+/x');
  });
});

describe('whenOf', () => {
  it.each([
    [undefined, 'success'],
    ['true', 'success'],
    ['${{ success() }}', 'success'],
    ['always()', 'always'],
    ['!cancelled()', 'always'],
    ['${{ success() || failure() }}', 'always'],
    ['failure()', 'failure'],
    ['false', undefined],
    ['cancelled()', undefined],
    ["always() && github.ref == 'x'", undefined],
  ])('%s is %s', (condition, when) => {
    expect(whenOf(condition)).toBe(when);
  });
});

describe('a hostile file with actions', () => {
  // Without limits the first of them takes many minutes.
  it('is refused soon, and with no more problems than anybody reads', { timeout: 60_000 }, () => {
    const paths = Array.from({ length: 50 }, (_, index) => `a/b/c${index}`).join('\\n');
    for (const path of ['a/b\\n'.repeat(100_000), paths]) {
      const step = `{uses: actions/cache@v4, id: q, with: {path: "${path}"}, if: "${' '.repeat(100_000)}x"}`;
      const text = `jobs: {a: {steps: [{run: x}, &s ${step}, ${'*s, '.repeat(5_000)}{run: x}]}}`;
      const parsed = parsePipeline(text, 'x.yml');
      expect(parsed.ok ? Infinity : parsed.problem.length).toBeLessThanOrEqual(600);
    }
  });
});

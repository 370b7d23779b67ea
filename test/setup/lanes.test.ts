import { globSync } from 'node:fs';
import { matchesGlob } from 'node:path';
import { expect, it } from 'vitest';
import { EVERYDAY_LANES, LANES } from '../../provision/testing/lanes.ts';

function lanesOf(file: string): readonly string[] {
  const matches = (globs: readonly string[]): boolean => globs.some((glob) => matchesGlob(file, glob));
  return LANES.filter((lane) => matches(lane.include) && !matches(lane.exclude)).map((lane) => lane.name);
}

it('every test file of the repository runs in exactly one lane', () => {
  const files = globSync('test/**/*.test.ts');
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((file) => lanesOf(file).length !== 1)).toEqual([]);
});

it('a test that needs containers is kept out of the unit lane by its folder', () => {
  expect(lanesOf('test/docker/slot.test.ts')).toEqual(['docker']);
  expect(lanesOf('test/e2e/push.test.ts')).toEqual(['docker']);
  expect(lanesOf('test/core/job.test.ts')).toEqual(['unit']);
});

it('every everyday lane exists', () => {
  const names = LANES.map((lane) => lane.name);
  expect(names).toEqual(expect.arrayContaining([...EVERYDAY_LANES]));
});

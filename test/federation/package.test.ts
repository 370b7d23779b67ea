/** The image's own package and the repository's agree. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesUnder, root } from '../support/repository.ts';

type Packages = Readonly<Record<string, { readonly version?: string }>>;

function lockOf(folder: string): Packages {
  const lock = JSON.parse(readFileSync(join(root, folder, 'package-lock.json'), 'utf8')) as { packages: Packages };
  return lock.packages;
}

test('the federation is tested with the versions that its images contain', () => {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(join(root, 'ci/federation/package.json'), 'utf8'),
  ) as Record<string, Record<string, string>>;
  const [image, repository] = [lockOf('ci/federation'), lockOf('.')];
  const names = Object.keys({ ...dependencies, ...devDependencies });
  expect(names).toContain('ws');
  const versionsIn = (packages: Packages) => names.map((name) => [name, packages[`node_modules/${name}`]?.version]);
  expect(versionsIn(image)).toEqual(versionsIn(repository));
  expect(Object.values({ ...dependencies, ...devDependencies })).toEqual(
    versionsIn(image).map(([, version]) => version),
  );
});

test('no file of the federation is longer than 300 lines', () => {
  const sources = ['.ts', '.mjs', '.css', '.html'].flatMap((ending) => filesUnder('ci/federation', ending));
  const own = sources.filter((path) => !path.includes('node_modules'));
  expect(own.length).toBeGreaterThan(40);
  const lines = (path: string): number => readFileSync(join(root, path), 'utf8').split('\n').length;
  expect(own.filter((path) => lines(path) > 300)).toEqual([]);
});

/** What is left when lines are missing from a file: people migrate files that are broken, too. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { migrate, type Source } from '../../../src/core/migrate/migrate.ts';
import { parsePipeline } from '../../../src/core/pipeline/pipeline-file.ts';

const root = join(import.meta.dirname, '../../fixtures/migrate');
const files: Readonly<Record<Source, string>> = { github: '.github/workflows/ci.yml', gitlab: '.gitlab-ci.yml' };
const cases = (['github', 'gitlab'] as const).flatMap((from) =>
  readdirSync(join(root, from)).map((name) => ({ from, name, folder: join(root, from, name) })),
);

describe.each(cases)('$from/$name', ({ from, folder }) => {
  const text = readFileSync(join(folder, 'original.yml'), 'utf8');

  it('survives whatever is cut out of it: a sound file comes of it, or problems', () => {
    const lines = text.split('\n');
    for (let first = 0; first < lines.length; first++) {
      const cut = lines.filter((_line, index) => index < first || index > first + (first % 3)).join('\n');
      const result = migrate({ text: cut, file: files[from], target: '.hearth/ci.yml', from });
      const parsed = parsePipeline(result.ok ? result.value.pipeline : '', '.hearth/ci.yml');
      if (result.ok) expect(parsed.ok ? [] : parsed.problem, cut).toEqual([]);
      else expect(result.problem.length).toBeGreaterThan(0);
    }
  }, 120_000);
});

/**
 * One folder per case under test/fixtures/migrate: `original.yml`, and what must come of it, `expected.yml` and `notes.txt`.
 * `npx vitest run test/core/migrate -u` writes both for a new case; read them.
 */
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
  const migrated = migrate({ text, file: files[from], target: '.hearth/ci.yml', from: undefined });

  it('becomes the expected file, with these notes', async () => {
    const { pipeline, notes } = migrated.ok
      ? migrated.value
      : { pipeline: JSON.stringify(migrated.problem), notes: [] };
    await expect(pipeline).toMatchFileSnapshot(join(folder, 'expected.yml'));
    const lines = notes.map(({ line, key, kind, text: said }) => `${line ?? '-'} ${kind} ${key}: ${said}\n`);
    await expect(lines.join('')).toMatchFileSnapshot(join(folder, 'notes.txt'));
  });

  it('is known for what it is, and its result has no problem', () => {
    expect(migrated).toMatchObject({ ok: true, value: { from } });
    const parsed = parsePipeline(migrated.ok ? migrated.value.pipeline : '', '.hearth/ci.yml');
    expect(parsed.ok ? [] : parsed.problem).toEqual([]);
  });

  it('holds a comment for every note that something needs a hand', () => {
    if (!migrated.ok) throw new Error('not migrated');
    const { pipeline, notes } = migrated.value;
    const placed = notes.filter(({ kind, line }) => kind === 'todo' && line !== null).length;
    expect(pipeline.match(/^ *# by hand: /gm)?.length ?? 0).toBeGreaterThanOrEqual(placed);
    expect(pipeline).not.toContain('hearth-mark');
  });
});

it('there are at least 25 cases', () => {
  expect(cases.length).toBeGreaterThanOrEqual(25);
});

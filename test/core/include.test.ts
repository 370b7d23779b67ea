import { describe, expect, it } from 'vitest';
import { loadPipeline, parsePipeline } from '../../src/core/pipeline/pipeline-file.ts';
import { formatProblem } from '../../src/core/problem.ts';
import { failed, success } from '../../src/core/result.ts';

async function load(main: string, files: Readonly<Record<string, string>>) {
  const reads: string[] = [];
  const parsed = await loadPipeline(main, '.hearth/ci.yml', async (path) => {
    reads.push(path);
    const text = files[path];
    return text === undefined ? failed('is not there') : success(text);
  });
  return {
    reads,
    problems: parsed.ok ? [] : parsed.problem.map(formatProblem),
    pipeline: parsed.ok ? parsed.value : null,
  };
}

const jobs = 'jobs: {x: {run: x}}\n';

describe('included files', () => {
  it('are read once each, also when two of them include the same one', async () => {
    const { reads, problems, pipeline } = await load('include: [a.yml, b.yml]\n', {
      'a.yml': 'include: c.yml\n',
      'b.yml': 'include: c.yml\n',
      'c.yml': jobs,
    });
    expect(problems).toEqual([]);
    expect(reads).toEqual(['a.yml', 'c.yml', 'b.yml']);
    expect(pipeline?.jobs.map(({ name }) => name)).toEqual(['x']);
  });

  it('are at most twenty', async () => {
    const names = Array.from({ length: 21 }, (_, index) => `f${index}.yml`);
    const files = Object.fromEntries(names.map((name) => [name, 'env: {A: x}\n']));
    const { reads, problems } = await load(`${jobs}include:\n${names.map((name) => `- ${name}\n`).join('')}`, files);
    expect(reads).toHaveLength(20);
    expect(problems).toEqual([
      '.hearth/ci.yml:23:3: A pipeline includes at most 20 files. Join some of them. [bad-include]',
    ]);
  });

  it('share the limits of one file, so that they cannot multiply them', async () => {
    const half = `env: {A: ${'x'.repeat(600 * 1024)}}\n`;
    const large = await load(`include: [a.yml, b.yml]\n${jobs}`, { 'a.yml': half, 'b.yml': half });
    expect(large.problems).toEqual([
      'b.yml:1:1: The pipeline, with all that it includes, is larger than 1 MiB. Move long scripts into files of their own. [bad-value]',
    ]);
    const tokens = `env: {${Array.from({ length: 12_000 }, (_, index) => `A${index}: x`).join(', ')}}\n`;
    const many = await load(`include: [a.yml, b.yml]\n${jobs}`, { 'a.yml': tokens, 'b.yml': tokens });
    expect(many.problems).toEqual([expect.stringMatching(/^b\.yml:1:1: .* more than 100000 YAML tokens/)]);
    const values = `env: &e {${Array.from({ length: 2_000 }, (_, index) => `A${index}: x`).join(', ')}}\nvars: {a: [${'*e, '.repeat(14)}]}\n`;
    const aliased = await load(`include: [a.yml, b.yml]\n${jobs}`, { 'a.yml': values, 'b.yml': values });
    expect(aliased.problems).toContainEqual(expect.stringMatching(/^b\.yml:\d+:\d+: .* more than 50000 values/));
  });

  it('are a problem where only one text is known', () => {
    const parsed = parsePipeline(`include: a.yml\n${jobs}`, '.hearth/ci.yml');
    expect(parsed.ok ? [] : parsed.problem.map(formatProblem)).toEqual([
      '.hearth/ci.yml:1:10: Included files cannot be read here. Check the file where it lies in its repository. [bad-include]',
    ]);
  });
});

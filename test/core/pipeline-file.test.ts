import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPipelineFile, parsePipeline, pipelineNameOf } from '../../src/core/pipeline/pipeline-file.ts';
import { parseSize } from '../../src/core/size.ts';

const messagesOf = (text: string, file = '.hearth/ci.yml'): readonly string[] => {
  const parsed = parsePipeline(text, file);
  return parsed.ok ? [] : parsed.problem.map((problem) => problem.message);
};

describe('parsePipeline', () => {
  it('never throws and never changes its answer, whatever the text is', () => {
    const words = fc.constantFrom(
      'jobs',
      ':',
      ' ',
      '\n',
      '  ',
      '- ',
      '&a',
      '*a',
      '<<',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '|',
      '>',
      '#',
      '!!str',
      '?',
      'run',
      'a',
      '\t',
      '---',
      '%',
      '__proto__',
      '\u0000',
      '😀',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 200 }),
          fc.array(words, { maxLength: 60 }).map((parts) => parts.join('')),
        ),
        (text) => {
          const first = parsePipeline(text, '.hearth/ci.yml');
          expect(parsePipeline(text, '.hearth/ci.yml')).toEqual(first);
          if (!first.ok) expect(first.problem.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('points inside the text with every problem', () => {
    const text = 'jobs:\n  a: {rnu: x, needs: [b, a]}\n';
    const parsed = parsePipeline(text, 'x.yml');
    const lines = text.split('\n');
    expect(parsed.ok).toBe(false);
    for (const { position } of parsed.ok ? [] : parsed.problem) {
      expect(position?.line).toBeLessThanOrEqual(lines.length);
      expect(position?.column).toBeLessThanOrEqual((lines[(position?.line ?? 1) - 1] ?? '').length + 1);
    }
  });

  it.each([
    ['brackets', '['.repeat(1_000_000)],
    ['quotes', '"'.repeat(1_000_000)],
    ['anchors', '&a '.repeat(300_000)],
    ['a long list', `[${'a,'.repeat(500_000)}]`],
    ['many keys', Array.from({ length: 60_000 }, (_, index) => `k${index}: 1`).join('\n')],
    ['dashes', '- '.repeat(400_000)],
    [
      'merges of merges',
      `a0: &a0 {x: 1}\n${Array.from({ length: 30 }, (_, index) => `a${index + 1}: &a${index + 1} {<<: [*a${index}, *a${index}, *a${index}]}`).join('\n')}`,
    ],
    ['deep nesting', Array.from({ length: 400 }, (_, index) => `${' '.repeat(index)}a:`).join('\n')],
  ])('refuses a file made to be slow: %s', (_name, text) => {
    const started = performance.now();
    expect(messagesOf(text)).not.toEqual([]);
    // Seconds to minutes without the budgets; wide because other tests run beside this one.
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  it('refuses more than 1 MiB', () => {
    expect(messagesOf(`jobs: {a: {run: x}}\n#${'x'.repeat(1024 * 1024)}`)).toEqual([
      'The file is larger than 1 MiB. Move long scripts into files of their own.',
    ]);
  });

  it('takes a long script as it is', () => {
    const script = Array.from({ length: 5_000 }, (_, index) => `echo line ${index} "[{*&!"`).join('\n');
    const parsed = parsePipeline(`jobs:\n  a:\n    run: |\n${script.replace(/^/gm, '      ')}\n`, 'ci.yml');
    expect(parsed.ok && parsed.value.jobs[0]?.steps[0]?.run).toBe(`${script}\n`);
  });

  it('keeps env values as they were typed, not as YAML reads them', () => {
    const parsed = parsePipeline(
      'env: {A: 1.10, B: 0o17, C: 1e3, D: True, E: "quoted", F: ~, G: 007}\njobs: {a: {run: x}}',
      'ci.yml',
    );
    expect(parsed.ok && parsed.value.jobs[0]?.env).toEqual({
      A: '1.10',
      B: '0o17',
      C: '1e3',
      D: 'True',
      E: 'quoted',
      F: '',
      G: '007',
    });
  });
});

describe('the name of a pipeline', () => {
  it('is its name, else the name of its file', () => {
    expect(pipelineNameOf('name: Nightly build\njobs: {', '.hearth/ci.yml')).toBe('ci');
    expect(pipelineNameOf('name: Nightly build\njobs: 5', '.hearth/ci.yml')).toBe('Nightly build');
    expect(pipelineNameOf('name: ../x\njobs: 5', 'ci/pipelines/linux.arm64.yaml')).toBe('linux.arm64');
    expect(pipelineNameOf('', '.hearth/$(id).yml')).toBeUndefined();
  });

  it('is asked for when the file name gives none', () => {
    expect(messagesOf('jobs: {a: {run: x}}', '.hearth/$(id).yml')).toEqual([
      'The file name gives no usable pipeline name. Add "name:" at the top of the file, or rename the file.',
    ]);
    expect(messagesOf('name: fine\njobs: {a: {run: x}}', '.hearth/$(id).yml')).toEqual([]);
  });

  it('comes from .yml and .yaml files alone', () => {
    expect(['ci.yml', 'ci.yaml', 'ci.yml~', 'yml', 'README.md'].filter(isPipelineFile)).toEqual(['ci.yml', 'ci.yaml']);
  });
});

describe('parseSize', () => {
  it.each([
    [1024, 1024],
    ['512', 512],
    ['512m', 512 * 1024 ** 2],
    ['2G', 2 * 1024 ** 3],
    ['1.5 GiB', 1.5 * 1024 ** 3],
    ['64kb', 64 * 1024],
    ['3b', 3],
  ])('reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'g', '-1g', '1gg', '1e3', '2 gigs', '0x10', '1bb', -1, 1.5, Infinity])('refuses %s', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

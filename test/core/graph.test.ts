import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkGraph, levelsOf, selectJobs, waitsForOf, type JobSelection } from '../../src/core/plan/graph.ts';
import type { Pipeline } from '../../src/core/pipeline/pipeline.ts';
import { expandPipeline } from '../../src/core/plan/expand.ts';
import { makeTemplate } from '../support/make.ts';

const job = (name: string, needs?: readonly string[], phase?: string) => ({ name, needs, phase });

function pipelineOf(jobs: readonly ReturnType<typeof job>[], phases: readonly string[] = []): Pipeline {
  return {
    name: 'ci',
    file: 'ci.yml',
    on: {},
    phases,
    caches: {},
    vars: {},
    runName: null,
    concurrency: null,
    notes: [],
    sidecar: { kind: 'image', image: 'x', shmBytes: 1 },
    jobs: jobs.map(({ name, needs, phase }) => makeTemplate(name, { needs, phase })),
  };
}

describe('checkGraph', () => {
  it('accepts a diamond and phases', () => {
    expect(checkGraph([job('a'), job('b', ['a']), job('c', ['a']), job('d', ['b', 'c'])], [])).toEqual([]);
    expect(
      checkGraph([job('a', undefined, 'one'), job('b', undefined, 'two'), job('c', ['a'], 'two')], ['one', 'two']),
    ).toEqual([]);
  });

  it('names the jobs of a circle in order', () => {
    const [trouble, ...rest] = checkGraph([job('a', ['b']), job('b', ['c']), job('c', ['a'])], []);
    expect(trouble).toMatchObject({
      code: 'need-cycle',
      message: 'Jobs need each other in a circle: a → b → c → a. Remove one of these needs.',
    });
    expect(rest).toEqual([]);
  });

  it('takes a job without phase for one of the first phase', () => {
    expect(checkGraph([job('a', ['b']), job('b', undefined, 'two')], ['one', 'two'])).toMatchObject([
      { code: 'need-later-phase', job: 'a', need: 'b' },
    ]);
  });

  it('tells of an unknown phase once, and not of an order that it cannot know', () => {
    expect(checkGraph([job('a', ['b'], 'thre'), job('b', undefined, 'two')], ['one', 'two', 'three'])).toMatchObject([
      { code: 'unknown-phase', job: 'a' },
    ]);
  });

  it('follows a chain of needs of any length', () => {
    const chain = Array.from({ length: 20_000 }, (_, index) => job(`j${index}`, index === 0 ? [] : [`j${index - 1}`]));
    expect(checkGraph(chain, [])).toEqual([]);
    expect(checkGraph([{ ...job('j0', ['j19999']) }, ...chain.slice(1)], [])).toMatchObject([{ code: 'need-cycle' }]);
  });

  it('finds a circle exactly when the jobs cannot be put in an order', () => {
    const graphs = fc.integer({ min: 1, max: 8 }).chain((size) =>
      fc.array(fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }), { maxLength: 3 }), {
        minLength: size,
        maxLength: size,
      }),
    );
    fc.assert(
      fc.property(graphs, (needs) => {
        const jobs = needs.map((list, index) =>
          job(
            `j${index}`,
            list.filter((need) => need !== index).map((need) => `j${need}`),
          ),
        );
        const placed = levelsOf(waitsForOf({ phases: [], jobs })).flat().length;
        expect(checkGraph(jobs, []).length > 0).toBe(placed < jobs.length);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('waitsForOf', () => {
  it('makes a job without needs wait for all jobs of earlier phases, and one with needs for these alone', () => {
    const jobs = [
      job('a', undefined, 'one'),
      job('b', undefined, 'two'),
      job('c', [], 'two'),
      job('d', undefined, 'three'),
      job('e', ['b'], 'three'),
      job('f'),
    ];
    expect(Object.fromEntries(waitsForOf({ phases: ['one', 'two', 'three'], jobs }))).toEqual({
      a: [],
      b: ['a', 'f'],
      c: [],
      d: ['a', 'b', 'c', 'f'],
      e: ['b'],
      f: [],
    });
  });
});

describe('selectJobs', () => {
  const pipeline = pipelineOf([job('compile'), job('unit', ['compile']), job('e2e', ['unit']), job('lint', [])]);
  const all: JobSelection = { names: [], needs: false, only: [], skip: [], axes: {} };
  const select = (selection: Partial<JobSelection>, from = pipeline) => {
    const jobs = expandPipeline(from, { contexts: {} });
    if (!jobs.ok) expect.unreachable();
    const selected = selectJobs([{ pipeline: 'ci', jobs: jobs.value }], { ...all, ...selection });
    return selected.ok
      ? Object.fromEntries(selected.value.flat().map(({ spec, waitsFor }) => [spec.name, waitsFor]))
      : selected.problem.map((problem) => problem.message);
  };

  it('takes everything when nothing is asked for', () => {
    expect(select({})).toEqual({ compile: [], unit: ['compile'], e2e: ['unit'], lint: [] });
  });

  it('runs a named job alone, and what it needs when that is wanted', () => {
    expect(select({ names: ['e2e'] })).toEqual({ e2e: [] });
    expect(select({ names: ['e2e'], needs: true })).toEqual({ compile: [], unit: ['compile'], e2e: ['unit'] });
  });

  it('closes --only over needs and --skip over what needs the job', () => {
    expect(select({ only: ['unit'] })).toEqual({ compile: [], unit: ['compile'] });
    expect(select({ skip: ['unit'] })).toEqual({ compile: [], lint: [] });
  });

  it('skips a job of a phase without dragging later phases along', () => {
    const phased = pipelineOf([job('lint', undefined, 'one'), job('build', undefined, 'two')], ['one', 'two']);
    expect(select({ skip: ['lint'] }, phased)).toEqual({ build: [] });
  });

  it('reports names that nobody has, with the nearest one', () => {
    expect(select({ only: ['unti'], skip: ['zzz'] })).toEqual([
      'There is no job unti in ci. Did you mean unit? Its jobs: compile, unit, e2e, lint.',
      'There is no job zzz in ci. Its jobs: compile, unit, e2e, lint.',
    ]);
  });

  describe('of several pipelines', () => {
    const docs = { ...pipelineOf([job('spell'), job('links')]), name: 'docs' };
    const matrix = makeTemplate('old', {
      strategy: {
        matrix: { axes: { node: ['20', '22'] }, include: [], exclude: [] },
        failFast: true,
        maxParallel: null,
      },
    });
    const versions = { ...pipelineOf([job('summary')]), name: 'versions' };
    const selectAll = (selection: Partial<JobSelection>) => {
      const made = [pipeline, docs, { ...versions, jobs: [...versions.jobs, matrix] }].map((one) => {
        const jobs = expandPipeline(one, { contexts: {} });
        if (!jobs.ok) expect.unreachable();
        return { pipeline: one.name, jobs: jobs.value };
      });
      const selected = selectJobs(made, { ...all, ...selection });
      return selected.ok
        ? selected.value.map((jobs) => jobs.map(({ spec }) => spec.name))
        : selected.problem.map((problem) => problem.message);
    };

    it('leaves a pipeline whole that lacks the job to skip, or the axis', () => {
      const versionsAll = ['summary', 'old (20)', 'old (22)'];
      expect(selectAll({ skip: ['compile'] })).toEqual([['lint'], ['spell', 'links'], versionsAll]);
      expect(selectAll({ axes: { node: '22' } })).toEqual([
        ['compile', 'unit', 'e2e', 'lint'],
        ['spell', 'links'],
        ['summary', 'old (22)'],
      ]);
    });

    it('takes each named job from the pipeline that has it, and nothing of the others', () => {
      expect(selectAll({ names: ['lint', 'spell'] })).toEqual([['lint'], ['spell'], []]);
      expect(selectAll({ only: ['unit'], skip: ['links'] })).toEqual([['compile', 'unit'], [], []]);
    });

    it('reports what none of them has, also beside what one has', () => {
      expect(selectAll({ names: ['lint', 'spel'], axes: { node: '23' } })).toEqual([
        'There is no job spel in ci. Its jobs: compile, unit, e2e, lint.',
        'There is no job spel in docs. Did you mean spell? Its jobs: spell, links.',
        'There is no job spel in versions. Its jobs: summary, old.',
        'No job of ci has an axis node.',
        'No job of docs has an axis node.',
        'The axis node of versions has no value 23. It has 20, 22.',
      ]);
    });
  });

  it('reports that nothing is left', () => {
    expect(select({ only: ['lint'], skip: ['lint'] })).toEqual([
      'No job of ci is left to run. Loosen the filters; its jobs: compile, unit, e2e, lint.',
    ]);
  });
});

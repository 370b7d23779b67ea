import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { needsContext } from '../../src/core/contexts.ts';
import { judgeInputs } from '../../src/core/dispatch.ts';
import { expandPipeline } from '../../src/core/plan/expand.ts';
import type { Value } from '../../src/core/expression/expression.ts';
import type { Job } from '../../src/core/job.ts';
import { parsePipeline } from '../../src/core/pipeline/pipeline-file.ts';
import type { ExpandedJob, Pipeline } from '../../src/core/pipeline/pipeline.ts';
import { decideStep, jobOutputs, NO_FILES, type PastStep, type StepsOf } from '../../src/core/steps.ts';
import { makeContext, makeJob, makeRun, makeStep } from '../support/make.ts';

/** Codes and messages of the problems of a file. */
function problems(file: unknown): readonly string[] {
  const parsed = parsePipeline(JSON.stringify(file), 'ci.yml');
  return parsed.ok ? [] : parsed.problem.map(({ code, message }) => `${code}: ${message}`);
}

describe('a name that cannot be there', () => {
  it('is told once, also where its context is not known at all', () => {
    expect(problems({ jobs: { a: { name: '${{ needs.q }}', run: 'x' } } })).toEqual([
      expect.stringMatching(/^bad-expression: jobs\.a\.name: needs is not known here/),
    ]);
  });

  it('is told beside what is wrong with another expression of the same text', () => {
    expect(problems({ jobs: { a: { run: '${{ nope }} ${{ needs.q }} ${{ github.head_ref }}' } } })).toEqual([
      expect.stringMatching(/^bad-expression: .*no nope/),
      expect.stringMatching(/^unknown-name: .*needs\.q/),
    ]);
  });

  it('is left to the rules of actions where it is the id of one', () => {
    const steps = [{ run: '${{ steps.code.outputs.x }}' }, { id: 'code', uses: 'actions/checkout@v4' }];
    expect(problems({ jobs: { a: { steps } } })).toEqual([expect.stringMatching(/^bad-value: .*reads steps\.code/)]);
  });

  it('does not hide a need that is not there', () => {
    expect(problems({ jobs: { a: { needs: 'b', if: 'needs.b.outputs.x', run: 'x' } } })).toEqual([
      expect.stringMatching(/^unknown-need: /),
    ]);
  });

  it('is not looked for in what other files may define when these cannot be read', () => {
    const file = { include: 'other.yml', jobs: { a: { run: '${{ vars.X }}' } } };
    expect(problems(file)).toEqual([expect.stringMatching(/^bad-include: /)]);
  });

  it('is not looked for where the file has another shape', () => {
    const wrong = {
      vars: ['x'],
      on: { workflow_dispatch: { inputs: 'x' } },
      jobs: {
        a: {
          strategy: { matrix: ['os'] },
          services: 'db',
          needs: ['${{ vars.x }}'],
          outputs: 'x',
          run: '${{ needs.q }}',
        },
        b: { needs: 'a', run: '${{ vars.x }} ${{ inputs.x }} ${{ needs.a.outputs.x }}' },
        c: {
          strategy: 'x',
          services: ['x'],
          needs: [{ x: 1 }],
          steps: 'x',
          run: '${{ matrix.x }} ${{ job.services.x }} ${{ needs.q }}',
        },
      },
    };
    expect(problems(wrong).filter((one) => one.startsWith('unknown-name'))).toEqual([]);
    expect(problems(wrong)).not.toEqual([]);
  });

  it('is found within moments in a hostile file', () => {
    const outputs = mapping(
      Array.from({ length: 12_000 }, (_, index) => `o${index}`),
      1,
    );
    const run = Array.from({ length: 1_900 }, (_, index) => `\${{ needs.a.outputs.o${index} }}`).join('');
    const started = performance.now();
    expect(problems({ jobs: { a: { outputs, run: 'x' }, b: { needs: 'a', run } } })).toEqual([]);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('of a hostile length is cut, and of a thousand the first fifty are told', () => {
    const long = 'x'.repeat(5_000);
    const [problem = ''] = problems({ jobs: { a: { run: `\${{ needs['${long}'] }}` } } });
    expect(problem).toMatch(/^unknown-name: .{0,300}$/);
    const many = Array.from({ length: 1_000 }, (_, index) => `\${{ vars.v${index} }}`).join('');
    expect(problems({ vars: { w: 1 }, jobs: { a: { run: many } } })).toHaveLength(50);
  });
});

const names = ['a', 'b', 'c', 'Os', 'result', 'outputs', 'platform'] as const;
const name = fc.constantFrom(...names);
const someNames = fc.uniqueArray(name, { maxLength: 3, selector: (one) => one.toLowerCase() });
const mapping = (keys: readonly string[], value: unknown) => Object.fromEntries(keys.map((key) => [key, value]));

function isWithoutTwins(ids: readonly (string | null)[]): boolean {
  const given = ids.filter((id) => id !== null);
  return new Set(given).size === given.length;
}

/** A file whose job `t` needs some of the others; a place in it; and what that reads. */
const file = fc.record({
  vars: someNames,
  inputs: fc.option(someNames),
  others: fc.uniqueArray(fc.record({ key: fc.constantFrom('a', 'b', 'C'), outputs: someNames }), {
    selector: ({ key }) => key,
    maxLength: 3,
  }),
  needs: fc.uniqueArray(fc.record({ key: fc.constantFrom('a', 'b', 'C', 'gone'), isEarly: fc.boolean() }), {
    selector: ({ key }) => key,
    maxLength: 3,
  }),
  hasNeeds: fc.boolean(),
  ids: fc.array(fc.option(name), { maxLength: 4 }).filter(isWithoutTwins),
  axes: someNames,
  added: someNames,
  hasPlatforms: fc.boolean(),
  services: someNames,
  at: fc.nat(4),
});
type File = typeof file extends fc.Arbitrary<infer T> ? T : never;

const key = fc.oneof(
  name,
  fc.constantFrom(
    'gone',
    'nope',
    'outcome',
    'conclusion',
    'status',
    'services',
    'id',
    'ports',
    'sha',
    'os',
    'job-total',
  ),
);
/** No deeper than what a file knows; below that everything is open. */
const path = fc.oneof(
  fc.tuple(fc.constantFrom('vars', 'inputs', 'matrix', 'github', 'runner', 'strategy', 'job', 'steps', 'needs'), key),
  fc.tuple(fc.constant('steps'), name, key),
  fc.tuple(fc.constant('needs'), key, key),
  fc.tuple(fc.constant('needs'), fc.constantFrom('a', 'b', 'C'), fc.constant('outputs'), name),
  fc.tuple(fc.constant('job'), fc.constant('services'), name),
  fc.tuple(fc.constant('job'), fc.constant('services'), name, key),
  fc.tuple(fc.constant('github'), fc.constant('event'), fc.constant('inputs'), name),
);
const read = fc
  .tuple(path, fc.boolean(), fc.boolean())
  .map(([[context, ...keys], isQuoted, isUpper]) =>
    [
      context,
      ...keys.map((one) => (isUpper ? one.toUpperCase() : one)).map((one) => (isQuoted ? `['${one}']` : `.${one}`)),
    ].join(''),
  );

/** At `outputs` when `at` lies behind the last step. */
function textOf(of: File, text: string): unknown {
  const steps = of.ids.map((id) => ({ ...(id === null ? {} : { id }), run: 'x' }));
  const own = [...steps.slice(0, of.at), { run: of.at <= steps.length ? text : 'x' }, ...steps.slice(of.at)];
  const matrix = { ...mapping(of.axes, [1]), ...(of.added.length > 0 ? { include: [mapping(of.added, 2)] } : {}) };
  return {
    on: { push: null, ...(of.inputs === null ? {} : { workflow_dispatch: { inputs: mapping(of.inputs, null) } }) },
    vars: mapping(of.vars, 'v'),
    jobs: {
      ...Object.fromEntries(
        of.others.map((other) => [
          other.key,
          {
            outputs: mapping(other.outputs, 'o'),
            artifacts: { dist: 'dist' },
            steps: [{ run: 'x', publish: 'dist' }],
          },
        ]),
      ),
      t: {
        ...(of.hasNeeds ? { needs: needsOf(of) } : {}),
        ...(Object.keys(matrix).length > 0 ? { strategy: { matrix } } : {}),
        ...(of.hasPlatforms && ![...of.axes, ...of.added].includes('platform') ? { platforms: ['amd64'] } : {}),
        services: mapping(of.services, { image: 'x' }),
        outputs: { read: of.at > steps.length ? text : 'x' },
        steps: own,
      },
    },
  };
}

function needsOf({ needs, others }: File): unknown {
  const isThere = (job: string): boolean => others.some((other) => other.key === job);
  return needs.map(({ key: job, isEarly }) => ({
    job,
    ...(isThere(job) ? {} : { optional: true }),
    ...(isEarly && isThere(job) ? { artifact: 'dist' } : {}),
  }));
}

/** What the text comes to in one combination of the job, after everything went as well as it can. */
function valueIn(of: File, pipeline: Pipeline, expanded: readonly ExpandedJob[], own: ExpandedJob): string {
  const given = judgeInputs(
    pipeline.on.workflow_dispatch?.inputs ?? {},
    mapping(of.inputs ?? [], 'given') as Record<string, string>,
  );
  const { typed, texts } = given.ok ? given.value : { typed: {}, texts: {} };
  const job = makeJob('t', { spec: own.spec });
  const others = expanded.map(({ spec }): Job => {
    const outputs = spec.key === 't' ? {} : (mapping(Object.keys(spec.outputs), 'told') as Record<string, string>);
    return makeJob(spec.name, {
      spec,
      state: 'finished',
      outputs,
      outcome: { result: 'success', reason: 'exit', message: '' },
    });
  });
  const steps: StepsOf = {
    run: makeRun(),
    context: makeContext({ vars: pipeline.vars, inputs: typed, event: { inputs: texts } }),
    job,
    needs: needsContext(job, others),
    ...{ imageEnv: [], home: '/root', secrets: {} },
    services: Object.fromEntries(of.services.map((one) => [one, { id: 'i', network: 'n', ports: { 1: '1' } }])),
  };
  const output = names.map((one) => `${one}=x\n`).join('');
  const past = own.spec.steps.map(({ id }): PastStep => ({
    id,
    name: 's',
    result: 'success',
    isTolerated: false,
    files: { ...NO_FILES, output },
  }));
  if (of.at > of.ids.length) return jobOutputs(steps, past)['read'] ?? '';
  const decision = decideStep(steps, makeStep(own.spec.steps[of.at]?.run), past.slice(0, of.at));
  return decision.action === 'run' ? decision.step.script : '';
}

/** What the file cannot know: a need that may be absent, and is. */
function isOpen({ needs, others, hasNeeds }: File, text: string): boolean {
  const [, job = ''] = /^needs\W+(\w+)/i.exec(text) ?? [];
  const isNamed = (one: { readonly key: string }): boolean => one.key.toLowerCase() === job.toLowerCase();
  return hasNeeds && needs.some(isNamed) && !others.some(isNamed);
}

/** Stands for the text in a file that has nothing wrong. */
const HERE = "${{ 'here' }}";

describe('of any file', () => {
  it('what is flagged is empty in every run, and what is not can be there', () => {
    fc.assert(
      fc.property(file, read, (of, text) => {
        const parsed = parsePipeline(JSON.stringify(textOf(of, HERE)), 'ci.yml');
        if (!parsed.ok) throw new Error(JSON.stringify(parsed.problem));
        const asked = `\${{ toJSON(${text}) }}`;
        const found = problems(textOf(of, asked));
        expect(found.filter((one) => !one.startsWith('unknown-name: '))).toEqual([]);
        const pipeline = withText(parsed.value, asked);
        const expanded = expandPipeline(pipeline, { contexts: { github: {}, inputs: {} } });
        if (!expanded.ok) throw new Error(JSON.stringify(expanded.problem));
        const own = expanded.value.filter(({ spec }) => spec.key === 't');
        const values: readonly Value[] = own.map((one) => valueIn(of, pipeline, expanded.value, one));
        const isThere = values.some((value) => value !== 'null');
        if (found.length > 0) expect({ text, isThere }).toEqual({ text, isThere: false });
        else if (!isOpen(of, text)) expect({ text, isThere }).toEqual({ text, isThere: true });
      }),
      { numRuns: 200 },
    );
  });
});

/** The pipeline that the file with this text would be, were it not refused. */
function withText(pipeline: Pipeline, text: string): Pipeline {
  return {
    ...pipeline,
    jobs: pipeline.jobs.map((job) => ({
      ...job,
      steps: job.steps.map((step) => (step.run === HERE ? { ...step, run: text } : step)),
      outputs: Object.fromEntries(Object.entries(job.outputs).map(([one, old]) => [one, old === HERE ? text : old])),
    })),
  };
}

import { describe, expect, it } from 'vitest';
import { ExpressionFailure } from '../../src/core/expression/expression.ts';
import type { JobSpec, StepSpec } from '../../src/core/pipeline/pipeline.ts';
import { decideStep, jobOutputs, NO_FILES, type PastStep, type StepsOf } from '../../src/core/steps.ts';
import { makeContext, makeJob, makeRun, makeSpec, makeStep } from '../support/make.ts';

const of = (spec: Partial<JobSpec> = {}, more: Partial<StepsOf> = {}): StepsOf => ({
  run: makeRun(),
  context: makeContext({ vars: { WHO: 'mona' } }),
  job: makeJob('build', { spec: makeSpec('build', { axes: { os: 'linux' }, ...spec }) }),
  needs: { setup: { result: 'success', outputs: { version: '1.10' } } },
  imageEnv: [],
  home: '/root',
  secrets: {},
  ...more,
});

const past = (changes: Partial<PastStep> = {}): PastStep => ({
  ...{ id: null, name: 'before', result: 'success', isTolerated: false, files: NO_FILES },
  ...changes,
});

const failed = past({ result: 'failure' });

const ready = (step: Partial<StepSpec>, before: readonly PastStep[] = [], job: StepsOf = of()) => {
  const decision = decideStep(job, makeStep(step.run, step), before);
  return decision.action === 'run' ? decision.step : decision.why;
};

describe('a step', () => {
  it('runs with everything filled in', () => {
    const files = { ...NO_FILES, env: 'ADDED=from-env\n', output: 'sum=42\n' };
    expect(
      ready(
        {
          name: 'for ${{ matrix.os }}',
          run: 'echo ${{ steps.one.outputs.sum }} ${{ needs.setup.outputs.version }} ${{ env.OWN }} ${{ env.ADDED }}',
          env: { OWN: '${{ env.ADDED }} ${{ vars.WHO }}' },
          workingDirectory: 'packages/${{ matrix.os }}',
          timeoutMinutes: '${{ fromJSON(needs.setup.outputs.version) }}',
          continueOnError: "${{ matrix.os == 'linux' }}",
        },
        [past({ id: 'one', files })],
        of({ env: { FROM_JOB: '${{ github.sha }}' } }),
      ),
    ).toMatchObject({
      name: 'for linux',
      script: 'echo 42 1.10 from-env mona from-env',
      env: { OWN: 'from-env mona', ADDED: 'from-env', FROM_JOB: 'a'.repeat(40) },
      workingDirectory: 'packages/linux',
      timeoutMs: 66_000,
      isTolerated: true,
    });
  });

  it.each([
    ['its name', { name: 'call the service at https://service.example with ${{ secrets.KEY }}' }],
    [
      'its script',
      { name: null, run: 'curl -sSf -H "Authorization: Bearer ${{ secrets.KEY }}" https://service.example\nmore' },
    ],
    ['control characters', { name: 'with ${{ secrets.LINES }}' }],
  ])('has a title that is masked before %s is cut', (_, step) => {
    const secrets = { KEY: 'k0-k1-k2-k3-k4-k5-'.repeat(4), LINES: 'first line\nsecond line' };
    const hide = (text: string): string => text.replaceAll(secrets.KEY, '***').replaceAll(secrets.LINES, '***');
    const title = ready({ ...step }, [], of({}, { secrets, hide }));
    expect(title).toMatchObject({ name: expect.stringContaining('***') as string });
    expect(title).not.toMatchObject({ name: expect.stringMatching(/k0|line/) as string });
  });

  it('is tolerated only by a yes: texts of vars and outputs are compared as words, and what is neither is an error', () => {
    const tolerance = (continueOnError: string, text: string): unknown =>
      ready({ continueOnError }, [], of({}, { context: makeContext({ vars: { WORD: text } }) }));
    const word = '${{ vars.WORD }}';
    expect(tolerance(word, 'false')).toMatchObject({ isTolerated: false });
    expect(tolerance(word, 'true')).toMatchObject({ isTolerated: true });
    expect(tolerance('${{ vars.NONE }}', '')).toMatchObject({ isTolerated: false });
    expect(() => tolerance(word, 'no')).toThrow('continue-on-error must be true or false, and it is "no"');
  });

  it('is left out after a failure that nobody tolerates, unless it asks for it', () => {
    expect(ready({}, [failed])).toBe('an earlier step failed');
    expect(ready({}, [past({ result: 'failure', isTolerated: true })])).toMatchObject({ script: 'true' });
    expect(ready({ condition: 'always()' }, [failed])).toMatchObject({ script: 'true' });
    expect(ready({ condition: 'failure()' }, [failed])).toMatchObject({ script: 'true' });
    expect(ready({ condition: 'failure()' }, [past()])).toBe('if: failure()');
    expect(ready({ condition: 'true' }, [failed])).toBe('if: true');
  });

  it('sees how the ones before it went', () => {
    const before = [
      past({ id: 'lint', result: 'failure', isTolerated: true }),
      past({ id: 'gone', result: 'skipped' }),
    ];
    const text = '${{ steps.lint.outcome }} ${{ steps.lint.conclusion }} ${{ steps.gone.outcome }} ${{ job.status }}';
    expect(ready({ run: text }, before)).toMatchObject({ script: 'failure success skipped success' });
  });

  it.each([
    ["${{ fromJSON('{') }}", {}],
    ['true', { timeoutMinutes: '${{ vars.WHO }}' }],
    ['true', { condition: "fromJSON('{')" }],
  ])('whose expression fails says which step it was: %s %j', (run, changes) => {
    const step = makeStep(run, { name: 'broken', ...changes });
    expect(() => decideStep(of(), step, [])).toThrow(ExpressionFailure);
    expect(() => decideStep(of(), step, [])).toThrow(/^broken: /);
  });
});

describe('the outputs of a job', () => {
  it('are what its steps wrote', () => {
    const job = of({
      outputs: { both: '${{ steps.a.outputs.x }}-${{ steps.a.outputs.y }}', none: '${{ steps.b.outputs.x }}' },
    });
    const output = 'x=1\ny<<END\ntwo\nlines\nEND\n';
    expect(jobOutputs(job, [past({ id: 'a', files: { ...NO_FILES, output } })])).toEqual({
      both: '1-two\nlines',
      none: '',
    });
  });

  it('have a limit', () => {
    const output = `x=${'y'.repeat(600_000)}\n`;
    const job = of({ outputs: { a: '${{ steps.a.outputs.x }}', b: '${{ steps.a.outputs.x }}' } });
    expect(() => jobOutputs(job, [past({ id: 'a', files: { ...NO_FILES, output } })])).toThrow('at most 1 MiB');
  });
});

import { expect, it } from 'vitest';
import { stepEnv, type StepEnvInputs } from '../../src/core/job-env.ts';
import { makeContext, makeJob, makeRun } from '../support/make.ts';

const inputs: StepEnvInputs = {
  run: makeRun({ id: 5, ref: 'refs/heads/feature/x' }),
  context: makeContext({ refName: 'feature/x' }),
  job: makeJob('build', { attempt: 2 }),
  jobEnv: { A: 'job', GITHUB_SHA: 'own' },
  stepEnv: { B: 'step' },
  imageEnv: ['PATH=/image/bin', 'A=image', 'LANG=C.UTF-8', 'ODD'],
  home: '/root',
  secrets: {},
  earlier: [],
};

it('tells the job what it runs for', () => {
  expect(stepEnv(inputs)).toMatchObject({
    CI: 'true',
    GITHUB_REPOSITORY: 'octo/hello',
    GITHUB_REF: 'refs/heads/feature/x',
    GITHUB_REF_NAME: 'feature/x',
    GITHUB_RUN_ATTEMPT: '2',
    GITHUB_WORKSPACE: '/work',
    HEARTH_RUN_ID: '5',
    HOME: '/root',
  });
});

it('lets the pipeline win over the image, and a step over its job', () => {
  const env = stepEnv({ ...inputs, stepEnv: { A: 'step' } });
  expect(env).toMatchObject({ A: 'step', LANG: 'C.UTF-8', ODD: '' });
  expect(stepEnv(inputs)['A']).toBe('job');
});

it('carries what earlier steps assigned, but not to reserved names', () => {
  const env = stepEnv({
    ...inputs,
    earlier: [
      { env: 'C=1\nD=1\n', path: '' },
      { env: 'D=2\nHEARTH_JOB=forged\n', path: '' },
    ],
  });
  expect(env).toMatchObject({ C: '1', D: '2', HEARTH_JOB: 'build' });
});

it('puts the paths of later steps before those of earlier ones and of the image', () => {
  const earlier = [
    { env: '', path: '/one\n' },
    { env: '', path: '/two\n' },
  ];
  expect(stepEnv({ ...inputs, earlier })['PATH']).toBe('/two:/one:/image/bin');
});

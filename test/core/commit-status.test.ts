import { describe, expect, it } from 'vitest';
import { jobStatus, runStatus } from '../../src/core/commit-status.ts';
import { cancelledBy, error, supersededBy, type Outcome } from '../../src/core/outcome.ts';
import { makeJob, makeRun, makeSpec } from '../support/make.ts';

const finished = (outcome: Outcome, continueOnError = false): ReturnType<typeof jobStatus> =>
  jobStatus(makeRun(), makeJob('build', { state: 'finished', outcome, spec: makeSpec('build', { continueOnError }) }));

const exit3: Outcome = { result: 'failure', reason: 'exit', message: 'test: exit 3', exitCode: 3 };
const condition: Outcome = { result: 'skipped', reason: 'condition', message: 'not on a pull request' };
const needFailed: Outcome = { result: 'skipped', reason: 'need_failed', message: 'not run: build did not succeed' };

describe('the status of a job', () => {
  it.each<[string, Outcome, boolean, string, string]>([
    ['success', { result: 'success', reason: 'exit', message: 'passed' }, false, 'success', 'passed'],
    ['failure', exit3, false, 'failure', 'test: exit 3'],
    ['tolerated failure', exit3, true, 'success', 'failed (allowed): test: exit 3'],
    ['error', error('image', 'no image'), false, 'error', 'no image'],
    ['error of a job whose failures are tolerated', error('image', 'no image'), true, 'error', 'no image'],
    ['superseded', supersededBy('abc1234567'), false, 'error', 'superseded by abc1234'],
    ['cancelled', cancelledBy('mona'), false, 'error', 'cancelled by mona'],
    ['skipped by a condition', condition, false, 'success', 'skipped: not on a pull request'],
    ['skipped because a need failed', needFailed, false, 'error', 'not run: build did not succeed'],
  ])('of %s', (_name, outcome, tolerated, state, description) => {
    expect(finished(outcome, tolerated)).toMatchObject({ context: 'hearth/main/build', state, description });
  });

  it('is pending while it waits and while it runs', () => {
    expect(jobStatus(makeRun(), makeJob('b'))).toMatchObject({ state: 'pending', description: 'queued' });
    expect(jobStatus(makeRun(), makeJob('b', { state: 'running' }))).toMatchObject({
      state: 'pending',
      description: 'running',
    });
  });

  it('fits 140 characters on one line and never cuts a character in two', () => {
    const { description } = finished(error('config', `${'💥'.repeat(150)}\n"quoted"`));
    expect([...description]).toHaveLength(140);
    expect(description.isWellFormed()).toBe(true);
    expect(finished(error('config', 'a\n\tb')).description).toBe('a b');
  });
});

describe('the status of a run', () => {
  it.each([
    [['.hearth/ci.yml'], '; its changes to .hearth/ci.yml are not used'],
    [['.hearth/ci.yml', 'ci/a', 'ci/b'], '; its changes to .hearth/ci.yml and 2 more are not used'],
    [[], ''],
  ])('says which changes of a fork are not used: %j', (ignored, said) => {
    const config = { sha: 'e'.repeat(40), branch: 'main', trust: 'T1', ignored } as const;
    expect(runStatus(makeRun({ trust: 'T4', config })).description).toBe(`waiting for approval of this commit${said}`);
  });

  it("says that a fork's commit waits for approval", () => {
    expect(runStatus(makeRun({ trust: 'T4' }))).toMatchObject({
      state: 'pending',
      description: 'waiting for approval of this commit',
    });
  });

  it("stands under the pipeline's own context", () => {
    expect(runStatus(makeRun({ outcome: exit3, state: 'finished' }))).toMatchObject({
      context: 'hearth/main',
      state: 'failure',
    });
  });
});

it("a verdict leaves before everything else, and a job's pending last", () => {
  const ranks = [
    runStatus(makeRun({ outcome: exit3 })),
    finished(exit3),
    runStatus(makeRun()),
    finished({ result: 'success', reason: 'exit', message: 'passed' }),
    jobStatus(makeRun(), makeJob('b')),
  ].map((status) => status.rank);
  expect(ranks).toEqual([0, 1, 2, 3, 4]);
});

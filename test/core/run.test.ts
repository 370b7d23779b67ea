import { describe, expect, it } from 'vitest';
import { error, supersededBy, type Outcome } from '../../src/core/outcome.ts';
import { lineOf, runOutcome } from '../../src/core/run.ts';
import { makeJob, makeSpec } from '../support/make.ts';

const passed: Outcome = { result: 'success', reason: 'exit', message: 'passed' };
const failedJob: Outcome = { result: 'failure', reason: 'exit', message: 'test: exit 1', exitCode: 1 };
const skipped: Outcome = { result: 'skipped', reason: 'condition', message: 'no' };
const done = (name: string, outcome: Outcome, tolerated = false): ReturnType<typeof makeJob> =>
  makeJob(name, { state: 'finished', outcome, spec: makeSpec(name, { continueOnError: tolerated }) });

describe('the outcome of a run', () => {
  it('is open while a job is', () => {
    expect(runOutcome([done('a', failedJob), makeJob('b')], null)).toBeNull();
  });

  it('is success when every job passed, was tolerated or skipped by condition', () => {
    expect(runOutcome([done('a', passed), done('b', failedJob, true), done('c', skipped)], null)).toMatchObject({
      result: 'success',
      message: '1 job passed, 1 failed (allowed)',
    });
  });

  it('is the failure of the job that failed, by name', () => {
    const notRun: Outcome = { result: 'skipped', reason: 'need_failed', message: 'not run: a did not succeed' };
    expect(runOutcome([done('a', failedJob), done('b', notRun)], null)).toMatchObject({
      result: 'failure',
      message: 'a: test: exit 1',
    });
  });

  it('is error when the machine failed anywhere', () => {
    expect(runOutcome([done('a', failedJob), done('b', error('image', 'gone'))], null)).toMatchObject({
      result: 'error',
      reason: 'image',
    });
  });

  it('is never success when no job ran', () => {
    expect(runOutcome([done('a', skipped)], null)).toMatchObject({ result: 'skipped' });
    expect(runOutcome([], null)).toMatchObject({ result: 'skipped' });
  });

  it('is what ended the run, whatever its jobs became', () => {
    expect(runOutcome([done('a', passed)], supersededBy('abc1234'))).toMatchObject({
      result: 'cancelled',
      reason: 'superseded',
    });
  });

  it('counts an error of a tolerated job: only failures of its commands are tolerated', () => {
    expect(runOutcome([done('a', error('lost_slot', 'gone'), true)], null)).toMatchObject({ result: 'error' });
  });
});

describe('a line of work', () => {
  it('is the same for a branch and the pull request opened from it', () => {
    expect(lineOf(10, 'refs/heads/x', null)).toBe(lineOf(10, 'refs/heads/x', 7));
  });

  it('differs between a repository and its fork though the branch names are equal', () => {
    expect(lineOf(10, 'refs/heads/main', null)).not.toBe(lineOf(11, 'refs/heads/main', 7));
  });

  it('of a deleted fork is that of the pull request alone', () => {
    expect(lineOf(null, 'refs/heads/x', 7)).not.toBe(lineOf(null, 'refs/heads/x', 8));
  });
});

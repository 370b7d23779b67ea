import { describe, expect, it } from 'vitest';
import { countKills } from '../../src/docker/cgroup.ts';
import { jobOutcome, type Observed } from '../../src/docker/job-outcome.ts';
import { NO_FILES } from '../../src/core/steps.ts';
import type { RanStep } from '../../src/docker/job-steps.ts';
import type { JobEnd, StepEnd } from '../../src/docker/slot-files.ts';

const clean: JobEnd = { writtenBytes: 10, keptBytes: 10, logErrno: 0, tampered: false };
const seen: Observed = { killed: false, stopped: null, timeoutMs: 90_000 };
const verdict = (
  end: StepEnd,
  job: Partial<JobEnd> = {},
  observed: Partial<Observed> = {},
): ReturnType<typeof jobOutcome> => jobOutcome([ran(end)], { ...clean, ...job }, { ...seen, ...observed });

function ran(end: StepEnd, changes: Partial<RanStep> = {}): RanStep {
  const result = end.kind === 'exit' && end.code === 0 ? 'success' : 'failure';
  return { id: null, name: 'test', result, isTolerated: false, files: NO_FILES, end, timeoutMs: null, ...changes };
}

describe('the outcome of a job', () => {
  it('is success only for an observed exit code 0', () => {
    expect(verdict({ kind: 'exit', code: 0 })).toMatchObject({
      outcome: { result: 'success' },
      exitCode: 0,
      trailer: '',
    });
  });

  it('is failure for any other exit code, and names the step', () => {
    expect(verdict({ kind: 'exit', code: 5 }).outcome).toEqual({
      result: 'failure',
      reason: 'exit',
      message: 'test: exit 5',
      exitCode: 5,
    });
  });

  it('is out of memory when the kernel killed something, even when the shell survived and exited 0', () => {
    expect(verdict({ kind: 'exit', code: 0 }, {}, { killed: true }).outcome).toMatchObject({
      result: 'failure',
      reason: 'oom',
    });
  });

  it('is a time-out in words of the limit', () => {
    expect(verdict({ kind: 'timeout' }).outcome).toEqual({
      result: 'failure',
      reason: 'timeout',
      message: 'timed out after 1.5 min',
    });
  });

  it('is what we asked for when we stopped it, however its process ended', () => {
    const stopped = { result: 'cancelled', reason: 'superseded', message: 'superseded by abc1234' } as const;
    expect(verdict({ kind: 'exit', code: 0 }, {}, { stopped }).outcome).toEqual(stopped);
  });

  it('is an error, not a failure of the commands, when the log could not be written', () => {
    expect(verdict({ kind: 'exit', code: 0 }, { logErrno: 28 }).outcome).toMatchObject({
      result: 'error',
      reason: 'disk',
    });
  });

  it('tells in the log how much output was dropped', () => {
    expect(verdict({ kind: 'exit', code: 0 }, { writtenBytes: 5000 }).trailer).toContain(
      '4990 bytes of output were dropped',
    );
  });
});

describe('the outcome of several steps', () => {
  const of = (...steps: readonly RanStep[]) => jobOutcome(steps, clean, seen);
  const exit = (code: number, changes: Partial<RanStep> = {}): RanStep => ran({ kind: 'exit', code }, changes);

  it('is that of the first failure, whatever a later step came to', () => {
    const verdict = of(exit(0), exit(3, { name: 'build' }), exit(0, { name: 'tidy' }), exit(4, { name: 'upload' }));
    expect(verdict.outcome).toMatchObject({ result: 'failure', message: 'build: exit 3' });
    expect(verdict.exitCode).toBe(3);
  });

  it('is success when only what may fail failed, and says so', () => {
    const verdict = of(exit(0), exit(3, { name: 'lint', isTolerated: true }));
    expect(verdict.outcome).toEqual({ result: 'success', reason: 'exit', message: 'passed, failed (allowed): lint' });
    expect(verdict.exitCode).toBe(0);
  });

  it('names the step whose own time was up', () => {
    const slow = ran({ kind: 'timeout' }, { name: 'slow', timeoutMs: 60_000 });
    expect(of(slow, exit(0)).outcome).toMatchObject({ reason: 'timeout', message: 'slow: timed out after 1 min' });
    expect(of(exit(0), { ...slow, isTolerated: true }).outcome.result).toBe('success');
  });

  it('is success with a code where the only step was allowed to run out of its own time', () => {
    const slow = ran({ kind: 'timeout' }, { name: 'slow', timeoutMs: 60_000, isTolerated: true });
    expect(of(slow)).toMatchObject({
      outcome: { result: 'success', message: 'passed, failed (allowed): slow' },
      exitCode: 124,
    });
    expect(of({ ...slow, isTolerated: false }).exitCode).toBeNull();
  });

  it('is a time-out of the job even in a step that may fail', () => {
    expect(of(exit(0), ran({ kind: 'timeout' }, { isTolerated: true })).outcome).toMatchObject({ reason: 'timeout' });
  });
});

describe("the kernel's count of killed processes", () => {
  it.each([
    ['version 1', 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n', 3],
    ['version 2', 'low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\noom_group_kill 0\n', 2],
  ])('is read from the file of %s', (_version, text, count) => {
    expect(countKills(text)).toBe(count);
  });

  it('is unknown where there is no such file', () => {
    expect(countKills(undefined)).toBeUndefined();
  });
});

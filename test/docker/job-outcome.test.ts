import { describe, expect, it } from 'vitest';
import { countKills } from '../../src/docker/cgroup.ts';
import { jobOutcome, type Observed } from '../../src/docker/job-outcome.ts';
import type { JobEnd, StepEnd } from '../../src/docker/slot-files.ts';

const step = { name: 'test', run: 'npm test', env: {}, workingDirectory: '.' };
const clean: JobEnd = { writtenBytes: 10, keptBytes: 10, logErrno: 0, tampered: false };
const seen: Observed = { killed: false, stopped: null, timeoutMs: 90_000 };
const verdict = (
  end: StepEnd,
  job: Partial<JobEnd> = {},
  observed: Partial<Observed> = {},
): ReturnType<typeof jobOutcome> => jobOutcome({ end, step }, { ...clean, ...job }, { ...seen, ...observed });

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

import { describe, expect, it } from 'vitest';
import { failedJob, keptToRemove, type KeptWorkspace } from '../../src/core/kept.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import { makeJob, makeSpec } from '../support/make.ts';

const limits = { bytes: 100, ms: 1000 };
const quiet = { now: 5000, wanted: 0, isScarce: false };

function kept(path: string, more: Partial<KeptWorkspace> = {}): KeptWorkspace {
  return { path, bytes: 40, usedAt: 4500, isWhole: true, isOpen: false, ...more };
}

function removed(found: readonly KeptWorkspace[], more: Partial<typeof quiet> = {}): readonly string[] {
  return keptToRemove(found, limits, { ...quiet, ...more }).map(({ path }) => path);
}

describe('a kept workspace', () => {
  it('stays while all of them keep to the limits', () => {
    expect(removed([kept('a'), kept('b', { usedAt: 4001 })])).toEqual([]);
  });

  it('goes when it was not used for too long', () => {
    expect(removed([kept('a', { usedAt: 4000 }), kept('b', { usedAt: 4001 })])).toEqual(['a']);
  });

  it('goes before those that were used after it when there is too much, and the one in the way is to fit as well', () => {
    const three = [kept('old', { usedAt: 4100 }), kept('new', { usedAt: 4900 }), kept('middle')];
    expect(removed(three)).toEqual(['old']);
    expect(removed(three, { wanted: 60 })).toEqual(['middle', 'old']);
    expect(removed(three, { wanted: 61 })).toEqual(['new', 'middle', 'old']);
  });

  it('goes when it is not whole, and when the disk is nearly full', () => {
    expect(removed([kept('a', { isWhole: false }), kept('b')])).toEqual(['a']);
    expect(removed([kept('a'), kept('b')], { isScarce: true })).toEqual(['a', 'b']);
  });

  it('stays while a shell works on it, and counts', () => {
    const open = kept('open', { usedAt: 0, isOpen: true });
    expect(removed([open, kept('b'), kept('c', { usedAt: 4200 })], { isScarce: false })).toEqual(['c']);
    expect(removed([open], { isScarce: true })).toEqual([]);
  });
});

describe('the failed job that is meant', () => {
  const red: Outcome = { result: 'failure', reason: 'exit', message: 'exit 1' };
  const green: Outcome = { result: 'success', reason: 'exit', message: 'passed' };
  const jobs = [
    makeJob('test (18)', { id: 7, outcome: red, spec: makeSpec('test (18)', { key: 'test' }) }),
    makeJob('test (20)', { id: 8, outcome: green, spec: makeSpec('test (20)', { key: 'test' }) }),
    makeJob('lint', { id: 9, outcome: red, spec: makeSpec('lint', { key: 'lint' }) }),
    makeJob('docs', { id: 10, spec: makeSpec('docs', { key: 'docs' }) }),
  ];
  const found = (meant: string) => {
    const job = failedJob(3, jobs, meant);
    return job.ok ? job.value.id : `${job.problem.kind}: ${job.problem.message}`;
  };

  it('is found by name and by number', () => {
    expect([found('test (18)'), found('7'), found('lint')]).toEqual([7, 7, 9]);
  });

  it('is not guessed where several jobs share a key', () => {
    expect(found('test')).toBe(
      'several: Run 3 has several jobs test. Give the number of one: 7 = test (18), 8 = test (20).',
    );
  });

  it('is none that has not failed, and none that is not there', () => {
    expect(found('8')).toBe(
      'not-failed: Job test (20) of run 3 ended with success (exit). Only workspaces of jobs that ended with failure are kept.',
    );
    expect(found('docs')).toContain('not-failed: Job docs of run 3 has not finished.');
    expect(found('tset')).toBe('no-job: Run 3 has no job tset; its jobs: test (18), test (20), lint, docs.');
  });
});

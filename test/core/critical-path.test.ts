import { describe, expect, it } from 'vitest';
import { expectedDurations, median, remainingPaths, remember } from '../../src/core/schedule/critical-path.ts';
import { makeJob } from '../support/make.ts';

const now = new Date(100_000);
const amd64 = 'linux/amd64';
const seconds = (durations: Readonly<Record<string, number>>) => (name: string) => (durations[name] ?? 0) * 1_000;

function paths(jobs: readonly ReturnType<typeof makeJob>[], durations: Readonly<Record<string, number>>) {
  const numbered = jobs.map((job, index) => ({ ...job, id: index + 1 }));
  const found = remainingPaths(numbered, seconds(durations), now);
  return Object.fromEntries(
    numbered.flatMap((job) => (found.has(job.id) ? [[job.name, (found.get(job.id) ?? 0) / 1_000]] : [])),
  );
}

describe('the remaining path', () => {
  it('of a job is its own time and the longest chain of what waits for it', () => {
    const jobs = [
      makeJob('build'),
      makeJob('lint'),
      makeJob('test', { waitsFor: ['build'] }),
      makeJob('docs', { waitsFor: ['build', 'lint'] }),
      makeJob('ship', { waitsFor: ['test', 'docs'] }),
    ];
    expect(paths(jobs, { build: 10, lint: 1, test: 30, docs: 5, ship: 2 })).toEqual({
      build: 42,
      lint: 8,
      test: 32,
      docs: 7,
      ship: 2,
    });
  });

  it('leaves out what is finished, and counts of what runs only the rest', () => {
    const claimedAt = new Date(now.getTime() - 4_000);
    const timings = { queuedAt: claimedAt, claimedAt, startedAt: claimedAt, finishedAt: null };
    const jobs = [
      makeJob('over', { state: 'finished' }),
      makeJob('runs', { state: 'running', timings, waitsFor: ['over'] }),
      makeJob('late', { state: 'running', timings, waitsFor: ['over'] }),
      makeJob('next', { waitsFor: ['runs'] }),
    ];
    expect(paths(jobs, { over: 9, runs: 10, late: 3, next: 2 })).toEqual({ runs: 8, late: 0, next: 2 });
  });

  it('of a chain of a thousand jobs is told without going deep', () => {
    const jobs = Array.from({ length: 1_000 }, (_, index) =>
      makeJob(`j${index}`, { waitsFor: index === 0 ? [] : [`j${index - 1}`] }),
    );
    expect(paths(jobs, Object.fromEntries(jobs.map(({ name }) => [name, 1])))['j0']).toBe(1_000);
  });
});

describe('what a job is expected to take', () => {
  const platforms = new Set([amd64]);

  it('is what it took before on a platform that is there, the slowest of several', () => {
    const recorded = [
      { job: 'build', platform: amd64, ms: 10 },
      { job: 'build', platform: 'linux/arm64', ms: 160 },
      { job: 'old', platform: 'linux/riscv64', ms: 30 },
    ];
    expect(expectedDurations(recorded, platforms)('build')).toBe(10);
    expect(expectedDurations(recorded, new Set([amd64, 'linux/arm64']))('build')).toBe(160);
    expect(expectedDurations(recorded, platforms)('old')).toBe(30);
  });

  it('is that of the other jobs of the pipeline when it never succeeded, and the same for all when none did', () => {
    const recorded = [10, 20, 90].map((ms) => ({ job: `j${ms}`, platform: amd64, ms }));
    expect(expectedDurations(recorded, platforms)('new')).toBe(20);
    const unknown = expectedDurations([], platforms);
    expect(unknown('a')).toBe(unknown('b'));
    expect(unknown('a')).toBeGreaterThan(0);
  });
});

it('twenty durations are remembered, and a clock that stepped back makes none below zero', () => {
  const many = Array.from({ length: 20 }, (_, index) => index);
  expect(remember(many, 99.6)).toEqual([...many.slice(1), 100]);
  expect(remember([], -5)).toEqual([0]);
  expect(median([9, 1, 5])).toBe(5);
  expect(median([])).toBe(0);
});

import { describe, expect, it } from 'vitest';
import { needsContext } from '../../src/core/contexts.ts';
import type { Job } from '../../src/core/job.ts';
import { needsOf } from '../../src/core/needs.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import type { JobSpec } from '../../src/core/pipeline/pipeline.ts';
import { runOutcome } from '../../src/core/run.ts';
import { decide } from '../../src/core/schedule/schedule.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const now = new Date(1_000_000);
const later = new Date(2_000_000);
const green: Outcome = { result: 'success', reason: 'exit', message: 'ok' };
const red: Outcome = { result: 'failure', reason: 'exit', message: 'exit 1', exitCode: 1 };
const leftOut: Outcome = { result: 'skipped', reason: 'condition', message: 'if: false' };

const running = (changes: Partial<Job> = {}): Partial<Job> => ({
  ...{ state: 'running', worker: 'w', attempt: 1, leaseUntil: later },
  ...changes,
});
const ended = (outcome: Outcome, changes: Partial<Job> = {}): Partial<Job> => ({
  ...{ state: 'finished', outcome, attempt: 1 },
  ...changes,
});

/** What becomes of a job that needs the artifact `dist` of `build`. */
function told(build: Partial<Job>, test: Partial<Job> = {}, spec: Partial<JobSpec> = {}): readonly string[] {
  const own = { needs: ['build'], artifactNeeds: [{ job: 'build', artifact: 'dist' }], ...spec };
  const jobs = [
    makeJob('build', { id: 1, ...build }),
    makeJob('test', { id: 2, waitsFor: ['build'], spec: makeSpec('test', own), ...test }),
  ];
  return toldOf(jobs);
}

function toldOf(jobs: readonly Job[]): readonly string[] {
  const names = new Map(jobs.map((job) => [job.id, job.name]));
  const runs = [{ run: makeRun(), context: makeContext(), jobs }];
  return decide({ runs, workers: [{ id: 'w', slots: 8, leaseUntil: later }] }, now, 1_000).map(
    (decision) =>
      `${names.get(decision.job)}: ${decision.action}${'outcome' in decision ? ` ${decision.outcome.message}` : ''}`,
  );
}

const dist = { published: ['other', 'dist'] };

describe('a job that needs an artifact', () => {
  it('may start once it is published, while its job runs on', () => {
    expect(told(running({ published: ['other'] }))).toEqual([]);
    expect(told(running(dist))).toEqual(['test: queue']);
    expect(told(running(dist), { state: 'queued' })).toEqual(['test: claim']);
  });

  it('may start when the job succeeded without having published it before', () => {
    expect(told(ended(green))).toEqual(['test: queue']);
  });

  it('may start whatever becomes of the job after that', () => {
    const cancelled: Outcome = { result: 'cancelled', reason: 'cancelled_by', message: 'cancelled by Mona' };
    const lost: Outcome = { result: 'error', reason: 'lost_worker', message: 'lost' };
    for (const outcome of [red, cancelled, lost]) {
      expect(told(ended(outcome, dist))).toEqual(['test: queue']);
      expect(told(ended(outcome, dist), { state: 'queued' })).toEqual(['test: claim']);
    }
  });

  it('is not run when the job failed before, also where that failure is tolerated', () => {
    const skip = ['test: finish not run: build did not succeed'];
    expect(told(ended(red))).toEqual(skip);
    expect(told(ended(red, { spec: makeSpec('build', { continueOnError: true }) }))).toEqual(skip);
  });

  it('that was not run makes the run red, also where the failure before it is tolerated', () => {
    const tolerant = makeSpec('build', { continueOnError: true });
    const jobs = [
      makeJob('build', ended(red, { spec: tolerant })),
      makeJob('test', ended({ result: 'skipped', reason: 'need_failed', message: 'not run: build did not succeed' })),
    ];
    expect(runOutcome(jobs, null)).toEqual({
      ...{ result: 'skipped', reason: 'need_failed' },
      message: 'test: not run: build did not succeed',
    });
  });

  it('that has not started waits anew when the job is tried again, and is not run when that fails', () => {
    expect(told({ state: 'queued', attempt: 1 }, { state: 'queued' })).toEqual(['build: claim']);
    expect(told(running({ attempt: 2 }), { state: 'queued' })).toEqual([]);
    expect(told(running({ attempt: 2, ...dist }), { state: 'queued' })).toEqual(['test: claim']);
    expect(told(ended(red, { attempt: 2 }), { state: 'queued' })).toEqual([
      'test: finish not run: build did not succeed',
    ]);
  });

  it('waits for all of them, and for the ends of its other needs', () => {
    const two = {
      artifactNeeds: [
        { job: 'build', artifact: 'dist' },
        { job: 'build', artifact: 'map' },
      ],
    };
    expect(told(running(dist), {}, two)).toEqual([]);
    expect(told(running({ published: ['map', 'dist'] }), {}, two)).toEqual(['test: queue']);
    const needs = ['build', 'lint'];
    const spec = makeSpec('test', { needs, artifactNeeds: [{ job: 'build', artifact: 'dist' }] });
    const jobs = (lint: Partial<Job>) => [
      makeJob('build', { id: 1, ...running(dist) }),
      makeJob('lint', { id: 2, ...lint }),
      makeJob('test', { id: 3, waitsFor: needs, spec }),
    ];
    expect(toldOf(jobs(running(dist)))).toEqual([]);
    expect(toldOf(jobs(ended(green)))).toEqual(['test: queue']);
    expect(toldOf(jobs(ended(red)))).toEqual(['test: finish not run: lint did not succeed']);
  });

  it('of a matrix waits for every combination', () => {
    const part = (id: number, changes: Partial<Job>) =>
      makeJob(`build (${id})`, { id, spec: makeSpec(`build (${id})`, { key: 'build' }), ...changes });
    const spec = makeSpec('test', { needs: ['build'], artifactNeeds: [{ job: 'build', artifact: 'dist' }] });
    const test = makeJob('test', { id: 3, waitsFor: ['build (1)', 'build (2)'], spec });
    expect(toldOf([part(1, running(dist)), part(2, running()), test])).toEqual([]);
    expect(toldOf([part(1, running(dist)), part(2, running(dist)), test])).toEqual(['test: queue']);
  });

  it('has its condition looked at then, and what published it counts as a success', () => {
    expect(told(running(dist), {}, { condition: 'success()' })).toEqual(['test: queue']);
    expect(told(ended(red, dist), {}, { condition: 'failure()' })).toEqual(['test: finish if: failure()']);
    expect(told(ended(red), {}, { condition: 'failure()' })).toEqual(['test: queue']);
    expect(told(running(dist), {}, { condition: "needs.build.result == ''" })).toEqual(['test: queue']);
  });

  it('that is optional goes on when the job was left out', () => {
    expect(told(ended(leftOut))).toEqual(['test: finish build was skipped']);
    expect(told(ended(leftOut), {}, { optionalNeeds: ['build'] })).toEqual(['test: queue']);
  });

  it('does not hold its concurrency group while it waits anew', () => {
    const spec = (name: string) => makeSpec(name, { concurrency: { group: 'g', cancelInProgress: false } });
    const test = makeJob('test', {
      ...{ id: 1, state: 'queued', waitsFor: ['build'] },
      spec: { ...spec('test'), needs: ['build'], artifactNeeds: [{ job: 'build', artifact: 'dist' }] },
    });
    const build = makeJob('build', { id: 2, state: 'queued', attempt: 1, spec: spec('build') });
    expect(toldOf([test, build])).toEqual(['build: claim']);
  });

  it('learns nothing of the job, whether that is over or not', () => {
    const test = { spec: makeSpec('test', { needs: ['build'], artifactNeeds: [{ job: 'build', artifact: 'dist' }] }) };
    for (const build of [running(dist), ended(green, { outputs: { size: '5' } })])
      expect(needsContext(test, [makeJob('build', build)])).toEqual({ build: { result: '', outputs: {} } });
  });
});

it('needs are names, mappings, or lists of both; each artifact counts once', () => {
  expect(needsOf(undefined)).toEqual({ needs: undefined, optionalNeeds: [] });
  expect(needsOf('a')).toEqual({ needs: ['a'], optionalNeeds: [] });
  expect(needsOf(['a', { job: 'b', artifact: ['x', 'y'] }, { job: 'b', artifact: 'x', optional: true }])).toEqual({
    needs: ['a', 'b'],
    optionalNeeds: ['b'],
    artifactNeeds: [
      { job: 'b', artifact: 'x' },
      { job: 'b', artifact: 'y' },
    ],
  });
});

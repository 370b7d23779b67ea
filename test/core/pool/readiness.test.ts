import { describe, expect, it } from 'vitest';
import { readinessOf } from '../../../src/core/pool/readiness.ts';
import type { PoolCondition, PoolHistory } from '../../../src/core/pool/pool-store.ts';
import { GIB } from '../../support/make-pool.ts';
import { workflowJob } from '../../store/contract/workflows.ts';

const at = (seconds: number): Date => new Date(seconds * 1000);
const size = { cpus: 4, memoryBytes: 6 * GIB, diskBytes: 30 * GIB };
const seen = {
  ...{ platform: 'linux/arm64', machine: 'aarch64', isEmulated: true, imageId: 'sha256:1', version: '2.331.0' },
  ...{ at: at(0.5), most: 2, size, isClamped: false },
};
const ready: PoolCondition = { state: 'ready', message: 'all there', at: at(1), fingerprint: 'f', seen };
const nothing: PoolHistory = {
  ...{ rules: [], jobs: [], usage: { jobs: 0, ms: 0, minutes: 0, since: null } },
  ...{ registered: null, online: null, imagesBuilt: null },
};
const done = workflowJob({ state: 'completed', conclusion: 'success', runner: 'hearth-p-1', completedAt: at(5) });
const all: PoolHistory = {
  ...nothing,
  jobs: [done],
  registered: { name: 'hearth-p-1', githubId: 44, plannedAt: at(2) },
  online: { name: 'hearth-p-1', githubId: 44, onlineAt: at(3) },
  imagesBuilt: workflowJob({ ...done, id: 12, workflow: 'build-images', runId: 77 }),
};

describe('the readiness of a pool', () => {
  it('is no-go, and says of each line that it was not observed, when nothing was', () => {
    const unchecked: PoolCondition = { state: 'unchecked', message: '', at: null, fingerprint: null, seen: null };
    const { verdict, lines } = readinessOf({ condition: unchecked }, nothing);
    expect([verdict, lines.map(({ observed }) => observed)]).toEqual(['no-go', [null, null, null, null, null, null]]);
  });

  it('is go when each line was observed, with what was seen and when', () => {
    const { verdict, lines } = readinessOf({ condition: ready }, all);
    expect(verdict).toBe('go');
    expect(lines.map(({ what, observed }) => [what, observed?.text, observed?.at])).toEqual([
      ['everything it needs is there', 'all there', at(1)],
      ['architecture verified', 'uname -m said aarch64 for linux/arm64 (emulated)', at(0.5)],
      ['a runner registered', 'hearth-p-1, number 44 at GitHub', at(2)],
      ['a runner online', 'hearth-p-1', at(3)],
      ['a real job succeeded', 'build run 5, job 11 (one) on hearth-p-1', at(5)],
      ['images built', 'build-images run 77, job 12 (one) on hearth-p-1', at(5)],
    ]);
  });

  it.each([
    ['its architecture', { condition: { ...ready, seen: null } }, all],
    ['what it needs', { condition: { ...ready, state: 'trouble' as const } }, all],
    ['a registration', { condition: ready }, { ...all, registered: null }],
    ['a runner online', { condition: ready }, { ...all, online: null }],
    ['a job', { condition: ready }, { ...all, jobs: [] }],
    ['a job that succeeded', { condition: ready }, { ...all, jobs: [{ ...done, conclusion: 'failure' }] }],
    ['images', { condition: ready }, { ...all, imagesBuilt: null }],
  ])('is no-go without %s', (_what, record, history) => {
    const { verdict, lines } = readinessOf(record, history);
    expect([verdict, lines.filter(({ observed }) => observed === null)]).toEqual(['no-go', [expect.anything()]]);
  });
});

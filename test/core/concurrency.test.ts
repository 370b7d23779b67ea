import { describe, expect, it } from 'vitest';
import { concurrencyKey, heldBack, judgeMember, type Member } from '../../src/core/schedule/concurrency.ts';
import type { Job } from '../../src/core/job.ts';
import type { Run } from '../../src/core/run.ts';
import { decide } from '../../src/core/schedule/schedule.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const member = (order: number, changes: Partial<Member> = {}): Member => ({
  ...{ order, isRunning: false, cancelInProgress: false, label: `run ${order}` },
  ...changes,
});
const verdicts = (...all: readonly Member[]) =>
  all.map((one) => {
    const verdict = judgeMember(one, all, 'deploy');
    return verdict.kind === 'end' ? `end: ${verdict.outcome.message}` : verdict.kind;
  });

describe('a group', () => {
  it('lets the first one go and the next one wait', () => {
    expect(verdicts(member(1))).toEqual(['go']);
    expect(verdicts(member(1, { isRunning: true }), member(2))).toEqual(['go', 'wait']);
    expect(verdicts(member(1), member(2))).toEqual(['go', 'wait']);
  });

  it('keeps only the newest of those that wait', () => {
    expect(verdicts(member(1, { isRunning: true }), member(2), member(3))).toEqual([
      'go',
      'end: superseded by run 3 of the group deploy',
      'wait',
    ]);
  });

  it('ends the one that runs when the newest says so', () => {
    expect(verdicts(member(1, { isRunning: true }), member(2, { cancelInProgress: true }))).toEqual([
      'end: superseded by run 2 of the group deploy',
      'wait',
    ]);
    expect(verdicts(member(1, { isRunning: true, cancelInProgress: true }), member(2))).toEqual(['go', 'wait']);
  });

  it('is held by the one that runs, whoever came first', () => {
    expect(verdicts(member(1), member(2, { isRunning: true }))).toEqual([
      'end: superseded by run 2 of the group deploy',
      'go',
    ]);
  });

  it('is one per repository and trust class, whatever a fork writes into its file', () => {
    const group = { group: 'Deploy', cancelInProgress: true };
    const key = (changes: Partial<Run>): string => concurrencyKey(makeRun(changes), group);
    expect(key({})).toBe(concurrencyKey(makeRun(), { ...group, group: 'dePLOY' }));
    expect(new Set([key({}), key({ trust: 'T3' }), key({ repo: { id: 9, owner: 'x', name: 'y' } })]).size).toBe(3);
  });
});

describe('runs of a group', () => {
  const run = (id: number, group: string | null = 'g', changes: Partial<Run> = {}): Run =>
    makeRun({ id, concurrency: group === null ? null : { group, cancelInProgress: false }, ...changes });

  it('are held back by an older one that is not over, those of other groups are not', () => {
    expect([...heldBack([run(1), run(2), run(3, 'h'), run(4, null), run(5, null), run(6, 'G')])]).toEqual([2, 6]);
  });

  it('claim nothing while they are', () => {
    const runs = [run(1), run(2)].map((one) => ({
      ...{ run: one, context: makeContext() },
      jobs: [makeJob(`of ${one.id}`, { id: one.id, runId: one.id, state: 'queued' })],
    }));
    const workers = [{ id: 'w', slots: 8, leaseUntil: new Date(1e9) }];
    expect(decide({ runs, workers }, new Date(0), 1000)).toMatchObject([{ job: 1, action: 'claim' }]);
    expect(decide({ runs: runs.slice(1), workers }, new Date(0), 1000)).toMatchObject([{ job: 2, action: 'claim' }]);
  });
});

describe('jobs of a group', () => {
  const workers = [{ id: 'w', slots: 8, leaseUntil: new Date(1e9) }];
  const job = (id: number, changes: Partial<Job> = {}, cancelInProgress = false): Job =>
    makeJob(`j${id}`, {
      ...{ id, state: 'queued' as const },
      spec: makeSpec(`j${id}`, { concurrency: { group: 'g', cancelInProgress } }),
      ...changes,
    });
  const running = { state: 'running', attempt: 1, worker: 'w', leaseUntil: new Date(1e9) } as const;
  const told = (...jobs: readonly Job[]) => {
    const runs = jobs.map((one) => ({ run: makeRun({ id: one.id }), context: makeContext(), jobs: [one] }));
    return decide({ runs, workers }, new Date(0), 1000).map((one) => `${one.job} ${one.action}`);
  };

  it('run one at a time over all runs, and of those that wait only the newest stays', () => {
    expect(told(job(1), job(2))).toEqual(['1 claim']);
    expect(told(job(1, running), job(2), job(3))).toEqual(['2 finish']);
    expect(told(job(1, { ...running, state: 'finished' }), job(2))).toEqual(['2 claim']);
  });

  it('are stopped by a newer one that says so, once', () => {
    expect(told(job(1, running), job(2, {}, true))).toEqual(['1 stop']);
    const ending = { result: 'cancelled', reason: 'superseded', message: 'x' } as const;
    expect(told(job(1, { ...running, ending }), job(2, {}, true))).toEqual([]);
  });
});

import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/core/outcome.ts';
import { error } from '../../../src/core/outcome.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import {
  at,
  byAda,
  claimIn,
  desired,
  evidence,
  failed,
  findRun,
  finishIn,
  jobIn,
  passed,
  planned,
  runIn,
  shaA,
  shaB,
} from '../support.ts';

const notRun: Outcome = { result: 'skipped', reason: 'need_failed', message: 'not run: build did not succeed' };
const lost: Outcome = { result: 'error', reason: 'lost_worker', message: 'the worker stopped answering' };

export function jobContract(open: OpenEmptyStore): void {
  describe('a decision', () => {
    const store = freshStore(open);

    test('takes a job from waiting over queued to running, and the run with it', async () => {
      const { run, jobs } = await runIn(store());
      const job = jobs[0]?.id ?? 0;
      expect(await store().apply([{ job, attempt: 0, action: 'queue' }], at(2))).toBe(1);
      expect(await jobIn(store(), run.id, 'build')).toMatchObject({
        state: 'queued',
        attempt: 0,
        timings: { queuedAt: at(2) },
      });
      expect((await findRun(store(), run.id)).run.state).toBe('queued');
      expect(await store().apply([{ job, attempt: 0, action: 'claim', worker: 'w', leaseUntil: at(60) }], at(3))).toBe(
        1,
      );
      expect(await jobIn(store(), run.id, 'build')).toMatchObject({
        state: 'running',
        attempt: 1,
        worker: 'w',
        leaseUntil: at(60),
        timings: { queuedAt: at(2), claimedAt: at(3), startedAt: null },
      });
      expect((await findRun(store(), run.id)).run.state).toBe('running');
    });

    test('that no longer fits is dropped and does not count', async () => {
      const { run, jobs } = await runIn(store(), planned(['build', 'lint']));
      const build = await claimIn(store(), run.id, 'build');
      const before = await findRun(store(), run.id);
      const claim = { action: 'claim', worker: 'v', leaseUntil: at(90) } as const;
      const misfits = [
        { job: build.id, attempt: 1, action: 'queue' },
        { job: build.id, attempt: 1, ...claim },
        { job: build.id, attempt: 0, ...claim },
        { job: build.id, attempt: 0, action: 'finish', outcome: notRun },
        { job: jobs[1]?.id ?? 0, attempt: 0, ...claim },
        { job: 999_999, attempt: 0, action: 'queue' },
      ] as const;
      expect(await store().apply(misfits, at(4))).toBe(0);
      expect(await findRun(store(), run.id)).toEqual(before);
    });

    test('applied twice at once takes effect once', async () => {
      const { run, jobs } = await runIn(store());
      const key = { job: jobs[0]?.id ?? 0, attempt: 0 };
      await store().apply([{ ...key, action: 'queue' }], at(2));
      const claims = ['v', 'w'].map((worker) =>
        store().apply([{ ...key, action: 'claim', worker, leaseUntil: at(60) }], at(3)),
      );
      expect((await Promise.all(claims)).sort()).toEqual([0, 1]);
      expect((await jobIn(store(), run.id, 'build')).attempt).toBe(1);
    });

    test('ends a job that did not run, and the run when it was the last', async () => {
      const { run } = await runIn(store(), planned(['build', { name: 'test', waitsFor: ['build'] }]));
      await finishIn(store(), run.id, 'build', failed);
      const job = await jobIn(store(), run.id, 'test');
      expect(await store().apply([{ job: job.id, attempt: 0, action: 'finish', outcome: notRun }], at(6))).toBe(1);
      expect(await jobIn(store(), run.id, 'test')).toMatchObject({
        state: 'finished',
        outcome: notRun,
        timings: { finishedAt: at(6) },
      });
      expect((await findRun(store(), run.id)).run).toMatchObject({
        state: 'finished',
        outcome: { result: 'failure', message: 'build: exit 3' },
        finishedAt: at(6),
      });
    });

    test('takes a job from a worker whose lease ran out, and not from one that renewed in time', async () => {
      const { run } = await runIn(store());
      const job = await claimIn(store(), run.id, 'build');
      await store().jobStarted(job.id, 1, at(3));
      const decision = { job: job.id, attempt: 1, action: 'finish', outcome: lost } as const;
      await store().renewWorker({ id: 'w', slots: 1, details: {} }, at(120), at(61));
      expect(await store().apply([decision], at(62))).toBe(0);
      expect(await store().apply([decision], at(121))).toBe(1);
      expect((await findRun(store(), run.id)).run.outcome).toMatchObject({ result: 'error', reason: 'lost_worker' });
    });

    test('cannot make a job a success', async () => {
      const { run } = await runIn(store());
      const job = await claimIn(store(), run.id, 'build');
      await expect(
        store().apply([{ job: job.id, attempt: 1, action: 'finish', outcome: passed }], at(4)),
      ).rejects.toThrow('without evidence');
      expect((await jobIn(store(), run.id, 'build')).state).toBe('running');
    });

    test('cannot start a run that nobody approved', async () => {
      const { run, jobs } = await runIn(store(), planned(['build'], { trust: 'T4' }));
      const key = { job: jobs[0]?.id ?? 0, attempt: 0 };
      await store().apply([{ ...key, action: 'queue' }], at(2));
      await expect(
        store().apply([{ ...key, action: 'claim', worker: 'w', leaseUntil: at(60) }], at(3)),
      ).rejects.toThrow('nobody approved');
      expect((await findRun(store(), run.id)).run.state).toBe('queued');
    });
  });

  describe('a running attempt', () => {
    const store = freshStore(open);

    test('is started once, and saying so again is harmless', async () => {
      const { run } = await runIn(store());
      const job = await claimIn(store(), run.id, 'build');
      expect(await store().jobStarted(job.id, 1, at(3))).toBe(true);
      expect(await store().jobStarted(job.id, 1, at(4))).toBe(true);
      expect((await jobIn(store(), run.id, 'build')).timings.startedAt).toEqual(at(3));
    });

    test('of a late or early number is refused', async () => {
      const { run } = await runIn(store());
      const job = await claimIn(store(), run.id, 'build');
      expect(await store().jobStarted(job.id, 0, at(3))).toBe(false);
      expect(await store().jobStarted(job.id, 2, at(3))).toBe(false);
      expect(await store().finishJob(job.id, 0, { outcome: passed, evidence, outputs: {} }, at(4))).toBe(false);
      expect(await store().finishJob(job.id, 2, { outcome: passed, evidence, outputs: {} }, at(4))).toBe(false);
      expect(await jobIn(store(), run.id, 'build')).toEqual(job);
    });

    test('ends with its outcome and evidence, once', async () => {
      const { run } = await runIn(store());
      const job = await claimIn(store(), run.id, 'build');
      expect(await store().finishJob(job.id, 1, { outcome: passed, evidence, outputs: {} }, at(5))).toBe(true);
      expect(await store().finishJob(job.id, 1, { outcome: failed, evidence, outputs: {} }, at(6))).toBe(false);
      expect(await store().jobStarted(job.id, 1, at(6))).toBe(false);
      expect(await jobIn(store(), run.id, 'build')).toMatchObject({
        state: 'finished',
        outcome: passed,
        evidence,
        leaseUntil: null,
        worker: 'w',
        timings: { finishedAt: at(5) },
      });
    });

    test('is not green without evidence', async () => {
      const { run } = await runIn(store());
      const job = await claimIn(store(), run.id, 'build');
      await expect(
        store().finishJob(job.id, 1, { outcome: passed, evidence: null, outputs: {} }, at(5)),
      ).rejects.toThrow('without evidence');
      expect((await jobIn(store(), run.id, 'build')).state).toBe('running');
    });

    test('that was never claimed cannot end', async () => {
      const { run, jobs } = await runIn(store());
      expect(
        await store().finishJob(jobs[0]?.id ?? 0, 0, { outcome: failed, evidence: null, outputs: {} }, at(5)),
      ).toBe(false);
      expect((await findRun(store(), run.id)).run.state).toBe('queued');
    });
  });

  describe('an attempt that failed', () => {
    const store = freshStore(open);
    const retried = (max: number) => {
      const run = planned(['build']);
      const retry = { max, when: ['exit'] as const };
      return { ...run, jobs: run.jobs.map(({ spec, waitsFor }) => ({ spec: { ...spec, retry }, waitsFor })) };
    };
    const fail = (id: number, attempt: number) =>
      store().finishJob(id, attempt, { outcome: failed, evidence, outputs: {} }, at(5));

    test('is followed by another when the file says so; late writers of it are refused', async () => {
      const { run } = await runIn(store(), retried(1));
      const first = await claimIn(store(), run.id, 'build');
      await store().jobStarted(first.id, 1, at(3));
      expect(await fail(first.id, 1)).toBe(true);
      expect(await jobIn(store(), run.id, 'build')).toMatchObject({
        ...{ state: 'queued', outcome: null, evidence: null, attempt: 1, worker: null },
        history: [{ attempt: 1, outcome: failed }],
        timings: { queuedAt: at(5), claimedAt: null, startedAt: null, finishedAt: null },
      });
      expect((await findRun(store(), run.id)).run).toMatchObject({ state: 'running', outcome: null });
      expect((await desired(store()))['hearth/ci/build']).toMatchObject({
        state: 'pending',
        description: 'queued again after: exit 3',
      });
      const second = await claimIn(store(), run.id, 'build', 6);
      expect(second.attempt).toBe(2);
      expect(await fail(first.id, 1)).toBe(false);
      await store().finishJob(second.id, 2, { outcome: passed, evidence, outputs: {} }, at(7));
      expect((await findRun(store(), run.id)).run.outcome).toMatchObject({ result: 'success' });
      expect((await desired(store()))['hearth/ci/build']).toMatchObject({
        state: 'success',
        description: 'passed in 3 s (attempt 2)',
      });
    });

    test('is the last when there were as many as it may have', async () => {
      const { run } = await runIn(store(), retried(1));
      await fail((await claimIn(store(), run.id, 'build')).id, 1);
      await fail((await claimIn(store(), run.id, 'build', 6)).id, 2);
      expect(await jobIn(store(), run.id, 'build')).toMatchObject({ state: 'finished', outcome: failed, evidence });
    });

    test('is the last of a run that is to end', async () => {
      const { run } = await runIn(store(), retried(5));
      const { id } = await claimIn(store(), run.id, 'build');
      await store().cancel(run.id, null, byAda, at(4));
      await fail(id, 1);
      expect(await jobIn(store(), run.id, 'build')).toMatchObject({ state: 'finished', outcome: failed });
    });

    test('because its worker was lost is followed by another only while nothing had run', async () => {
      for (const hasStarted of [false, true]) {
        const { run } = await runIn(store(), planned(['build'], { sha: hasStarted ? shaB : shaA }));
        const { id } = await claimIn(store(), run.id, 'build');
        if (hasStarted) await store().jobStarted(id, 1, at(3));
        const lost = error('lost_worker', 'the worker stopped answering');
        await store().apply([{ job: id, attempt: 1, action: 'finish', outcome: lost }], at(100));
        expect((await jobIn(store(), run.id, 'build')).state).toBe(hasStarted ? 'finished' : 'queued');
      }
    });
  });

  describe('a run', () => {
    const store = freshStore(open);

    test('is over with its last job, and not before', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint']));
      await finishIn(store(), run.id, 'build');
      expect((await findRun(store(), run.id)).run).toMatchObject({ state: 'running', outcome: null });
      await finishIn(store(), run.id, 'lint');
      expect((await findRun(store(), run.id)).run).toMatchObject({
        state: 'finished',
        outcome: { result: 'success', message: '2 jobs passed' },
        finishedAt: at(5),
      });
    });

    test('without jobs is over at once and says so', async () => {
      expect((await runIn(store(), planned([]))).run).toMatchObject({
        state: 'finished',
        outcome: { result: 'skipped' },
      });
    });
  });
}

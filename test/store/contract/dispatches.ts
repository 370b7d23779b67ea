import { describe, expect, test } from 'vitest';
import type { Evidence } from '../../../src/core/outcome.ts';
import type { Store } from '../../../src/core/ports.ts';
import { makeSpec } from '../../support/make.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, claimIn, desired, evidence, failed, jobIn, passed, planned, repo, runIn } from '../support.ts';

const lane = { kind: 'github' as const, workflow: 'build.yml', inputs: {} };
const run = { id: 30, url: 'https://x.test/30', at: at(4) };

async function claimed(store: Store, pipeline = 'ci') {
  const spec = makeSpec('remote', { steps: [], lane, retry: { max: 1, when: ['exit'] } });
  const made = await runIn(store, planned([], { pipeline, jobs: [{ spec, waitsFor: [] }] }));
  return claimIn(store, made.run.id, 'remote');
}

function ask(job: { readonly id: number }, attempt = 1) {
  const of = { jobId: job.id, attempt, repoId: repo.id, workflow: 'build.yml', ref: 'topic' };
  return { ...of, askedAt: at(3), known: [1, 2] };
}

export function dispatchContract(open: OpenEmptyStore): void {
  describe('a workflow that a job asks for', () => {
    const store = freshStore(open);

    test('is on record before it is asked for, and keeps what was known then when it is asked for again', async () => {
      const job = await claimed(store());
      expect(await store().dispatchOf(job.id, 1)).toBeUndefined();
      expect(await store().askDispatch(ask(job))).toBe(true);
      const first = { ...ask(job), asks: 1, isAccepted: false, run: null };
      expect(await store().dispatchOf(job.id, 1)).toEqual(first);
      expect(await store().dispatchAnswered(job.id, 1, { kind: 'accepted' })).toBe(true);
      expect(await store().dispatchOf(job.id, 1)).toEqual({ ...first, isAccepted: true });
      expect(await store().askDispatch({ ...ask(job), askedAt: at(9), known: [7] })).toBe(true);
      expect(await store().dispatchOf(job.id, 1)).toEqual({ ...first, asks: 2 });
    });

    test('is none when the forge refused it, and none of an attempt that does not run', async () => {
      const job = await claimed(store());
      await store().askDispatch(ask(job));
      expect(await store().dispatchAnswered(job.id, 1, { kind: 'refused' })).toBe(true);
      expect(await store().dispatchOf(job.id, 1)).toBeUndefined();
      expect(await store().askDispatch(ask(job, 2))).toBe(false);
      await store().finishJob(job.id, 1, { outcome: failed, evidence, outputs: {} }, at(5));
      expect(await store().askDispatch(ask(job))).toBe(false);
    });

    test('has one run, which no other job gets, and is not asked for any more', async () => {
      const [one, two] = [await claimed(store()), await claimed(store(), 'other')];
      for (const job of [one, two]) await store().askDispatch(ask(job));
      const take = (job: { readonly id: number }, id = run.id) =>
        store().dispatchAnswered(job.id, 1, { kind: 'run', run: { ...run, id } });
      expect(await take(one)).toBe(true);
      expect(await take(one)).toBe(true);
      expect(await take(one, 31)).toBe(false);
      expect(await take(two)).toBe(false);
      expect(await store().askDispatch(ask(one))).toBe(false);
      expect(await store().dispatchAnswered(one.id, 1, { kind: 'refused' })).toBe(false);
      expect((await store().dispatchOf(one.id, 1))?.run).toEqual(run);
      expect(await store().takenRuns([29, 30, 31])).toEqual([30]);
      expect(await store().takenRuns([])).toEqual([]);
    });

    test('stands on the run of the job, and its status leads there', async () => {
      const job = await claimed(store());
      await store().askDispatch(ask(job));
      expect((await store().resultsOf(job.runId)).workflows.size).toBe(0);
      expect((await desired(store()))['hearth/ci/remote']?.workflowUrl).toBeNull();
      await store().dispatchAnswered(job.id, 1, { kind: 'run', run });
      const record = { workflow: 'build.yml', runId: 30, url: run.url, conclusion: null, attempt: null };
      expect((await store().resultsOf(job.runId)).workflows).toEqual(new Map([['remote', record]]));
      const workflow = { runId: 30, attempt: 2, url: run.url, conclusion: 'success' };
      await store().finishJob(job.id, 1, { outcome: passed, evidence: { ...evidence, workflow }, outputs: {} }, at(5));
      expect((await store().resultsOf(job.runId)).workflows.get('remote')).toEqual({
        ...record,
        ...{ conclusion: 'success', attempt: 2 },
      });
      const statuses = await desired(store());
      expect(statuses['hearth/ci/remote']).toMatchObject({ state: 'success', workflowUrl: run.url });
      expect(statuses['hearth/ci']?.workflowUrl).toBeNull();
    });

    test('is one of each attempt', async () => {
      const job = await claimed(store());
      await store().askDispatch(ask(job));
      await store().dispatchAnswered(job.id, 1, { kind: 'run', run });
      await store().finishJob(job.id, 1, { outcome: failed, evidence, outputs: {} }, at(5));
      expect((await jobIn(store(), job.runId, 'remote')).state).toBe('queued');
      await claimIn(store(), job.runId, 'remote', 6);
      expect(await store().dispatchOf(job.id, 2)).toBeUndefined();
      expect(await store().askDispatch(ask(job, 2))).toBe(true);
    });

    test('must have ended well before its job may', async () => {
      const job = await claimed(store());
      const end = (proof: Evidence) =>
        store().finishJob(job.id, 1, { outcome: passed, evidence: proof, outputs: {} }, at(5));
      await expect(end(evidence)).rejects.toThrow('without the run of its workflow');
      const workflow = { runId: 30, attempt: 1, url: run.url, conclusion: 'failure' };
      await expect(end({ ...evidence, workflow })).rejects.toThrow('without the run of its workflow');
      expect((await jobIn(store(), job.runId, 'remote')).state).toBe('running');
    });
  });
}

import { describe, expect, test } from 'vitest';
import type { RunFilter, RunPage } from '../../../src/core/ports.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import {
  at,
  byAda,
  claimIn,
  findRun,
  finishIn,
  intakeIn,
  planned,
  repo,
  runIn,
  shaA,
  shaB,
  superseded,
} from '../support.ts';

export function readContract(open: OpenEmptyStore): void {
  describe('recent runs', () => {
    const store = freshStore(open);
    const ids = async (...repos: number[]) => (await store().recentRuns(repos)).map(({ run }) => run.id);

    test('are the newest of each pipeline and class of the repositories asked for, with jobs and context', async () => {
      await runIn(store(), planned(['build']));
      const newest = await runIn(store(), planned(['build', 'lint'], { sha: shaB }));
      const branch = await runIn(store(), planned(['build'], { trust: 'T1' }));
      const other = await runIn(store(), planned(['build'], { pipeline: 'other' }));
      expect(await ids(repo.id)).toEqual([other.run.id, branch.run.id, newest.run.id]);
      expect((await store().recentRuns([repo.id])).at(-1)).toEqual({
        ...(await findRun(store(), newest.run.id)),
        context: planned([]).context,
      });
      expect(await ids(8)).toEqual([]);
      expect(await ids()).toEqual([]);
    });

    test('are none that had no jobs, and none of a fork', async () => {
      const run = await runIn(store(), planned(['build']));
      await runIn(store(), planned([], { sha: shaB, outcome: superseded }));
      await runIn(store(), planned(['build'], { sha: 'c'.repeat(40), trust: 'T3' }));
      expect(await ids(repo.id)).toEqual([run.run.id]);
    });
  });

  describe('the snapshot', () => {
    const store = freshStore(open);

    test('holds every unfinished run with all its jobs, oldest first', async () => {
      const first = await runIn(store(), planned(['build', 'lint']));
      const over = await runIn(store(), planned(['build'], { pipeline: 'over' }));
      const last = await runIn(store(), planned(['build'], { sha: shaB }));
      await finishIn(store(), over.run.id, 'build');
      await finishIn(store(), first.run.id, 'lint');
      const { runs } = await store().snapshot();
      const { context } = planned([]);
      const durations = [{ job: 'lint', platform: '', ms: 3_000 }];
      expect(runs).toEqual([
        { ...(await findRun(store(), first.run.id)), context, durations },
        { ...(await findRun(store(), last.run.id)), context, durations },
      ]);
    });

    test('of an empty store is empty', async () => {
      expect(await store().snapshot()).toEqual({ runs: [], workers: [] });
    });
  });

  describe('a list of runs', () => {
    const store = freshStore(open);

    test('comes newest first, page by page, and ends', async () => {
      const ids: number[] = [];
      for (const pipeline of ['a', 'b', 'c', 'd', 'e'])
        ids.unshift((await runIn(store(), planned(['build'], { pipeline }))).run.id);
      const first = await store().listRuns({}, 2, null);
      const second = await store().listRuns({}, 2, first.next);
      const third = await store().listRuns({}, 2, second.next);
      expect([first, second, third].map(idsOf)).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
      expect(third.next).toBeNull();
      expect((await store().listRuns({}, 5, null)).next).toBeNull();
    });

    test('does not move under the reader when new runs arrive', async () => {
      const ids = [];
      for (const pipeline of ['a', 'b', 'c']) ids.unshift((await runIn(store(), planned([], { pipeline }))).run.id);
      const first = await store().listRuns({}, 1, null);
      await runIn(store(), planned([], { pipeline: 'd' }));
      expect(idsOf(await store().listRuns({}, 5, first.next))).toEqual(ids.slice(1));
    });

    test('is filtered by repository, branch, commit and state, and by any of them together', async () => {
      const topic = await runIn(store());
      const main = await runIn(
        store(),
        planned(['build'], { line: '7:refs/heads/main', ref: 'refs/heads/main', sha: shaB }),
      );
      const tag = await runIn(
        store(),
        planned(['build'], { line: '7:refs/tags/v1', ref: 'refs/tags/v1', pipeline: 'release' }),
      );
      const fork = await runIn(
        store(),
        planned(['build'], { line: '99:refs/heads/main', ref: 'refs/pull/3/head', pipeline: 'pr' }),
      );
      const other = await runIn(
        store(),
        planned(['build'], { repo: { id: 8, owner: 'acme', name: 'boat' }, line: '8:refs/heads/main' }),
      );
      await finishIn(store(), main.run.id, 'build');
      await claimIn(store(), topic.run.id, 'build');
      const list = async (filter: RunFilter) => idsOf(await store().listRuns(filter, 10, null));
      const all = [other, fork, tag, main, topic].map((one) => one.run.id);
      expect(await list({ repo: 'acme/Rocket' })).toEqual(all.slice(1));
      expect(await list({ repo: 'acme/nothing' })).toEqual([]);
      expect(await list({ branch: 'main' })).toEqual([other.run.id, main.run.id]);
      expect(await list({ branch: 'main', repo: 'acme/rocket' })).toEqual([main.run.id]);
      expect(await list({ sha: shaB })).toEqual([main.run.id]);
      expect(await list({ sha: shaA.toUpperCase(), repo: 'acme/rocket', branch: 'topic' })).toEqual([topic.run.id]);
      expect(await list({ state: 'finished' })).toEqual([main.run.id]);
      expect(await list({ state: 'running' })).toEqual([topic.run.id]);
      expect(await list({ state: 'queued', repo: 'acme/rocket' })).toEqual([fork.run.id, tag.run.id]);
      expect(await list({ state: 'queued', branch: 'topic' })).toEqual([]);
      expect(await list({ state: 'finished', repo: 'acme/rocket', branch: 'main' })).toEqual([main.run.id]);
    });

    test('refuses a cursor that no page gave', async () => {
      await expect(store().listRuns({}, 5, '1; drop table runs')).rejects.toThrow(RangeError);
    });
  });

  describe('the runs of a commit', () => {
    const store = freshStore(open);

    test('are found by the first digits of its sha, the newest run of each pipeline', async () => {
      const old = await runIn(store());
      await runIn(store(), planned(['build'], { sha: shaB }), [{ run: old.run.id, outcome: superseded }]);
      const again = await runIn(store());
      const docs = await runIn(store(), planned(['docs'], { pipeline: 'docs' }));
      const found = await store().runsOfSha('aaaaaaa');
      expect(found.map((one) => one.run.id)).toEqual([docs.run.id, again.run.id]);
      expect(found[0]).toEqual(docs);
      expect(await store().runsOfSha(shaA)).toEqual(found);
      expect(await store().runsOfSha('AAAAAAAA')).toEqual(found);
      expect(await store().runsOfSha('aaaaaaab')).toEqual([]);
      const last = await runIn(store(), planned([], { sha: `aaaaaaa${'f'.repeat(33)}` }));
      expect(await store().runsOfSha('aaaaaaa')).toEqual([...found, last]);
    });

    test('of several commits with the same first digits are all found, up to twenty commits', async () => {
      const shas = Array.from({ length: 23 }, (_, index) => `fffffff${index.toString(16).padStart(33, '0')}`);
      for (const sha of shas) await runIn(store(), planned([], { sha }));
      await runIn(store(), planned([], { sha: 'e'.repeat(40) }));
      const found = await store().runsOfSha('fffffff');
      expect(found.map((one) => one.run.sha)).toEqual(shas.slice(0, 20));
    });

    test('of equal commits in two repositories are both found', async () => {
      await runIn(store());
      await runIn(store(), planned(['build'], { repo: { ...repo, id: 8 } }));
      expect((await store().runsOfSha(shaA)).map((one) => one.run.repo.id)).toEqual([8, 7]);
    });

    test('are not looked for with less than seven digits or with anything else', async () => {
      for (const prefix of ['aaaaaa', '%aaaaaaa', "aaaaaaa'", 'a'.repeat(65)]) {
        await expect(store().runsOfSha(prefix)).rejects.toThrow(RangeError);
      }
    });
  });

  describe('the counts', () => {
    const store = freshStore(open);

    test('of an empty store are zero', async () => {
      expect(await store().counts()).toEqual({
        activeRuns: 0,
        queuedJobs: 0,
        oldestQueuedAt: null,
        unplanned: 0,
        unsentStatuses: 0,
        deadStatuses: 0,
        lastSuccessAt: null,
        firstRunAt: null,
        workers: [],
      });
    });

    test('say what is waiting, for how long, and when something last was green', async () => {
      const green = await runIn(store(), planned(['build'], { pipeline: 'green' }));
      await finishIn(store(), green.run.id, 'build');
      const { jobs } = await runIn(store(), planned(['build', 'lint']));
      for (const [index, job] of jobs.entries())
        await store().apply([{ job: job.id, attempt: 0, action: 'queue' }], at(20 + index));
      const cancelled = await runIn(store(), planned(['build'], { pipeline: 'cancelled' }));
      await store().cancel(cancelled.run.id, null, byAda, at(30));
      await intakeIn(store());
      expect(await store().counts()).toMatchObject({
        activeRuns: 1,
        queuedJobs: 2,
        oldestQueuedAt: at(20),
        unplanned: 1,
        unsentStatuses: 7,
        lastSuccessAt: at(5),
        firstRunAt: at(1),
      });
    });

    test('do not take a commit that waits for approval for a queue that stands still', async () => {
      const { jobs } = await runIn(store(), planned(['build'], { trust: 'T4' }));
      await store().apply([{ job: jobs[0]?.id ?? 0, attempt: 0, action: 'queue' }], at(2));
      expect(await store().counts()).toMatchObject({ activeRuns: 1, queuedJobs: 0, oldestQueuedAt: null });
    });
  });

  test('a run that was never there is not found', async () => {
    const store = await open();
    expect(await store.findRun(1)).toBeUndefined();
    await store.close();
  });
}

function idsOf(page: RunPage): number[] {
  return page.runs.map((one) => one.run.id);
}

import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/core/outcome.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import {
  at,
  byAda,
  claimIn,
  desired,
  findRun,
  finishIn,
  head,
  intakeIn,
  jobIn,
  passed,
  plan,
  planned,
  repo,
  runIn,
  shaA,
  shaB,
  superseded,
} from '../support.ts';

const noPipeline: Outcome = { result: 'skipped', reason: 'no_pipeline', message: 'no pipeline file at aaaaaaa' };
const staleHead: Outcome = { result: 'cancelled', reason: 'superseded', message: 'superseded by bbbbbbb' };

export function planContract(open: OpenEmptyStore): void {
  describe('a plan', () => {
    const store = freshStore(open);

    test('is one run for the push and the pull request of a commit, also on a branch that ends in /merge', async () => {
      const branch = 'refs/heads/try/merge';
      const { run } = await runIn(store(), planned(['build'], { ref: branch, line: `7:${branch}` }));
      const asPullRequest = { ref: 'refs/pull/3/head', line: `7:${branch}#3`, prNumber: 3 } as const;
      expect((await runIn(store(), planned(['build'], asPullRequest))).run.id).toBe(run.id);
      const merged = planned(['build'], { ...asPullRequest, ref: 'refs/pull/3/merge' });
      expect((await runIn(store(), merged)).run.id).not.toBe(run.id);
    });

    test('becomes a queued run with waiting jobs in the order of the file', async () => {
      const wanted = planned(['lint', { name: 'build', waitsFor: ['lint'] }, 'archive']);
      const { run, jobs } = await runIn(store(), wanted);
      expect(run).toEqual({
        id: run.id,
        repo,
        sha: shaA,
        ref: 'refs/heads/topic',
        line: '7:refs/heads/topic',
        prNumber: null,
        eventName: 'push',
        trust: 'T2',
        pipeline: 'ci',
        title: 'ci',
        concurrency: null,
        state: 'queued',
        outcome: null,
        ending: null,
        config: null,
        approval: null,
        createdAt: at(1),
        finishedAt: null,
        rerunOf: null,
      });
      expect(jobs.map((job) => job.name)).toEqual(['lint', 'build', 'archive']);
      expect(jobs[1]).toStrictEqual({
        id: jobs[1]?.id,
        runId: run.id,
        name: 'build',
        spec: wanted.jobs[1]?.spec,
        waitsFor: ['lint'],
        state: 'waiting',
        outcome: null,
        origin: null,
        evidence: null,
        outputs: {},
        published: [],
        history: [],
        attempt: 0,
        worker: null,
        leaseUntil: null,
        ending: null,
        timings: { queuedAt: null, claimedAt: null, startedAt: null, finishedAt: null },
      });
      expect(jobs[0]?.spec).toStrictEqual(wanted.jobs[0]?.spec);
    });

    test('of a group ends the run that waits in it, and the one that runs only when it says so', async () => {
      const grouped = (sha: string, cancelInProgress = false) =>
        planned(['deploy'], { sha, concurrency: { group: 'deploy', cancelInProgress } });
      const first = await runIn(store(), grouped(shaA));
      await claimIn(store(), first.run.id, 'deploy');
      const second = await runIn(store(), grouped(shaB));
      const third = await runIn(store(), grouped('c'.repeat(40)));
      const state = async (id: number) => (await findRun(store(), id)).run;
      const by = `superseded by run ${third.run.id} of the group deploy`;
      expect(await state(second.run.id)).toMatchObject({ outcome: { reason: 'superseded', message: by } });
      expect(await state(first.run.id)).toMatchObject({ state: 'running', ending: null });
      const other = await runIn(store(), { ...grouped('d'.repeat(40), true), trust: 'T3' });
      expect(await state(first.run.id)).toMatchObject({ ending: null });
      const last = await runIn(store(), grouped('e'.repeat(40), true));
      expect(await state(first.run.id)).toMatchObject({ ending: { reason: 'superseded' } });
      expect(await state(third.run.id)).toMatchObject({ state: 'finished' });
      expect(await state(other.run.id)).toMatchObject({ state: 'queued' });
      expect(await state(last.run.id)).toMatchObject({ concurrency: { group: 'deploy', cancelInProgress: true } });
    });

    test('does not supersede a run in which a job that may not be interrupted has started', async () => {
      const strict = planned(['build', 'deploy']);
      const jobs = strict.jobs.map(({ spec, waitsFor }) => ({
        spec: { ...spec, interruptible: spec.name !== 'deploy' },
        waitsFor,
      }));
      for (const [started, expected] of [
        ['build', superseded],
        ['deploy', null],
      ] as const) {
        const { run } = await runIn(store(), { ...strict, jobs, sha: started === 'build' ? shaA : shaB });
        await claimIn(store(), run.id, started);
        const newer = await intakeIn(store());
        await store().applyPlan(newer, { runs: [], ends: [{ run: run.id, outcome: superseded }], note: null }, at(9));
        expect((await findRun(store(), run.id)).run.ending).toEqual(expected);
        // Somebody's own wish counts all the same.
        expect(await store().cancel(run.id, null, byAda, at(10))).toBe('cancelled');
      }
    });

    test('applied again changes nothing and names the same runs', async () => {
      const intake = await intakeIn(store());
      const wanted = plan([planned(['build']), planned(['ship'], { pipeline: 'release' })]);
      const runs = await store().applyPlan(intake, wanted, at(1));
      expect(await store().applyPlan(intake, wanted, at(2))).toEqual(runs);
      expect(runs).toHaveLength(2);
      expect((await store().listRuns({}, 10, null)).runs).toHaveLength(2);
    });

    test('applied again makes no new run, whatever became of its first one', async () => {
      const intake = await intakeIn(store());
      const runs = await store().applyPlan(intake, plan([planned(['build'])]), at(1));
      await store().cancel(runs[0] ?? 0, null, superseded, at(2));
      expect(await store().applyPlan(intake, plan([planned(['build'])]), at(3))).toEqual(runs);
      expect((await store().listRuns({}, 10, null)).runs).toHaveLength(1);
    });

    test('applied many times at once makes its runs once', async () => {
      const intake = await intakeIn(store());
      const wanted = plan([planned(['build']), planned([], { pipeline: 'docs', outcome: staleHead })]);
      const answers = await Promise.all(Array.from({ length: 5 }, () => store().applyPlan(intake, wanted, at(1))));
      expect(new Set(answers.flat()).size).toBe(2);
      expect((await store().listRuns({}, 10, null)).runs).toHaveLength(2);
    });

    test('for a commit that runs already joins that run and keeps its first event', async () => {
      const push = await runIn(store());
      const intake = await intakeIn(store(), head({ eventName: 'pull_request', prNumber: 12 }));
      const joined = await store().applyPlan(
        intake,
        plan([planned(['build'], { eventName: 'pull_request', prNumber: 12 })]),
        at(2),
      );
      expect(joined).toEqual([push.run.id]);
      expect((await findRun(store(), push.run.id)).run).toEqual({ ...push.run, prNumber: 12 });
      await runIn(store(), planned(['build'], { prNumber: 13 }));
      expect((await findRun(store(), push.run.id)).run.prNumber).toBe(12);
    });

    test('of another trust class, pipeline, commit or repository has a run of its own', async () => {
      const changes = [{}, { trust: 'T3' as const }, { pipeline: 'docs' }, { sha: shaB }, { repo: { ...repo, id: 8 } }];
      const ids = [];
      for (const change of changes) ids.push((await runIn(store(), planned(['build'], change))).run.id);
      expect(new Set(ids).size).toBe(changes.length);
    });

    test('for a commit whose run is over joins that run too', async () => {
      const { run } = await runIn(store());
      await finishIn(store(), run.id, 'build');
      expect((await runIn(store())).run.id).toBe(run.id);
    });

    test('for a commit whose run was superseded makes a new run, even while the old one still stops', async () => {
      const { run } = await runIn(store());
      await claimIn(store(), run.id, 'build');
      await runIn(store(), planned(['build'], { sha: shaB }), [{ run: run.id, outcome: superseded }]);
      const again = await runIn(store());
      expect(again.run.id).toBeGreaterThan(run.id);
      expect((await runIn(store())).run.id).toBe(again.run.id);
    });

    test('for a commit whose run was cancelled makes a new run: a pull request that is opened again is tested again', async () => {
      const { run } = await runIn(store());
      const closed: Outcome = {
        result: 'cancelled',
        reason: 'cancelled_by',
        message: 'cancelled: pull request closed',
      };
      await runIn(store(), planned(['build'], { sha: shaB }), [{ run: run.id, outcome: closed }]);
      expect((await runIn(store())).run.id).toBeGreaterThan(run.id);
    });

    test('for a commit that another branch stands at joins its run, which then belongs to neither line alone', async () => {
      const { run } = await runIn(store());
      await runIn(store(), planned(['build'], { line: '7:refs/heads/other' }));
      const joined = (await findRun(store(), run.id)).run;
      expect(joined.line).not.toBe(run.line);
      expect(joined.line).not.toBe('7:refs/heads/other');
    });

    test('may be over before it began', async () => {
      const { run, jobs } = await runIn(store(), planned([], { outcome: noPipeline }));
      expect(run).toMatchObject({ state: 'finished', outcome: noPipeline, finishedAt: at(1) });
      expect(jobs).toEqual([]);
    });

    test('for a head that was stale on arrival does not keep the commit from running later', async () => {
      const stale = await runIn(store(), planned([], { outcome: staleHead }));
      expect((await runIn(store())).run.id).not.toBe(stale.run.id);
    });

    test('cannot be a success', async () => {
      const intake = await intakeIn(store());
      await expect(store().applyPlan(intake, plan([planned([], { outcome: passed })]), at(1))).rejects.toThrow(
        'cannot be planned as a success',
      );
    });

    test('that fails half way leaves nothing behind', async () => {
      const intake = await intakeIn(store());
      const { run } = await runIn(store(), planned(['build'], { sha: shaB }));
      const twice = planned(['build', 'build']);
      const wanted = plan([planned(['docs'], { pipeline: 'docs' }), twice], {
        ends: [{ run: run.id, outcome: byAda }],
      });
      await expect(store().applyPlan(intake, wanted, at(1))).rejects.toThrow();
      expect((await store().listRuns({}, 10, null)).runs.map((one) => one.run.id)).toEqual([run.id]);
      expect((await findRun(store(), run.id)).run.ending).toBeNull();
      expect(Object.keys(await desired(store())).sort()).toEqual(['hearth/ci', 'hearth/ci/build']);
      expect(await store().unplannedIntakes(at(0), 10)).toMatchObject([{ id: intake.id }]);
    });

    test('with hundreds of jobs is one transaction like any other', async () => {
      const names = Array.from({ length: 6000 }, (_, index) => `job-${index}`);
      expect((await runIn(store(), planned(names))).jobs.map((job) => job.name)).toEqual(names);
    });
  });

  describe('a run that a plan ends', () => {
    const store = freshStore(open);

    test('is over at once when none of its jobs runs', async () => {
      const { run, jobs } = await runIn(store(), planned(['build', { name: 'test', waitsFor: ['build'] }]));
      await store().apply([{ job: jobs[0]?.id ?? 0, attempt: 0, action: 'queue' }], at(2));
      await runIn(store(), planned(['build'], { sha: shaB }), [{ run: run.id, outcome: superseded }]);
      const ended = await findRun(store(), run.id);
      expect(ended.run).toMatchObject({
        state: 'finished',
        outcome: superseded,
        ending: superseded,
        finishedAt: at(1),
      });
      expect(ended.jobs.map((job) => [job.state, job.outcome])).toEqual([
        ['finished', superseded],
        ['finished', superseded],
      ]);
    });

    test('lets its running jobs be stopped and takes the ending when the last of them has ended', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint', 'docs']));
      const build = await claimIn(store(), run.id, 'build');
      await finishIn(store(), run.id, 'lint');
      await runIn(store(), planned(['build'], { sha: shaB }), [{ run: run.id, outcome: superseded }]);
      expect((await findRun(store(), run.id)).run).toMatchObject({
        state: 'running',
        outcome: null,
        ending: superseded,
      });
      expect((await jobIn(store(), run.id, 'build')).state).toBe('running');
      expect((await jobIn(store(), run.id, 'docs')).outcome).toEqual(superseded);
      expect(await store().claimsOf('w')).toMatchObject([{ job: { id: build.id }, stop: superseded }]);
      await store().finishJob(build.id, 1, { outcome: superseded, evidence: null, outputs: {} }, at(9));
      expect((await findRun(store(), run.id)).run).toMatchObject({
        state: 'finished',
        outcome: superseded,
        finishedAt: at(9),
      });
      expect((await jobIn(store(), run.id, 'lint')).outcome).toEqual(passed);
    });

    test('keeps its first ending', async () => {
      const { run } = await runIn(store());
      await claimIn(store(), run.id, 'build');
      await store().cancel(run.id, null, byAda, at(3));
      await runIn(store(), planned(['build'], { sha: shaB }), [{ run: run.id, outcome: superseded }]);
      expect((await findRun(store(), run.id)).run.ending).toEqual(byAda);
    });

    test('cannot end as a success', async () => {
      const { run } = await runIn(store());
      const next = planned(['build'], { sha: shaB });
      await expect(runIn(store(), next, [{ run: run.id, outcome: passed }])).rejects.toThrow('ended with a success');
      expect((await findRun(store(), run.id)).run).toEqual(run);
    });

    test('stays as it was when it had finished before', async () => {
      const { run } = await runIn(store());
      await finishIn(store(), run.id, 'build');
      const before = await findRun(store(), run.id);
      await runIn(store(), planned(['build'], { sha: shaB }), [{ run: run.id, outcome: superseded }]);
      expect(await findRun(store(), run.id)).toEqual(before);
    });
  });
}

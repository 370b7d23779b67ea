import { describe, expect, test } from 'vitest';
import type { ArtifactSpec } from '../../../src/core/pipeline/artifact-schema.ts';
import type { RerunRequest } from '../../../src/core/rerun.ts';
import type { ConfigSource } from '../../../src/core/run.ts';
import { makeSpec } from '../../support/make.ts';
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
  head,
  intakeIn,
  jobIn,
  passed,
  plan,
  planned,
  runIn,
  sendAll,
} from '../support.ts';

const all: RerunRequest = { failed: false, job: null };
const onlyFailed: RerunRequest = { failed: true, job: null };
const dist = { name: 'dist', bytes: 12, files: 2, expiresAt: at(1000) };
const artifact: ArtifactSpec = {
  name: 'dist',
  paths: ['dist'],
  when: 'success',
  expireMs: 995_000,
  isJunit: false,
  isOptional: false,
};

export function rerunContract(open: OpenEmptyStore): void {
  describe('a rerun', () => {
    const store = freshStore(open);

    /** build passed and left dist; test, which needs it, failed. */
    async function endedRun() {
      const made = planned(['build', { name: 'test', waitsFor: ['build'] }, 'lint']);
      const jobs = made.jobs.map((job) =>
        job.spec.name === 'build' ? { ...job, spec: makeSpec('build', { artifacts: [artifact] }) } : job,
      );
      const { run } = await runIn(store(), { ...made, jobs });
      const build = await claimIn(store(), run.id, 'build');
      const finish = { outcome: passed, evidence, outputs: { version: '7' }, artifacts: [dist] };
      await store().finishJob(build.id, 1, finish, at(5));
      await finishIn(store(), run.id, 'test', failed);
      await finishIn(store(), run.id, 'lint');
      return { run: run.id, build: build.id };
    }

    async function rerunOf(run: number, asked: RerunRequest, seconds = 20): Promise<number> {
      const verdict = await store().rerun(run, asked, at(seconds));
      if (verdict.kind !== 'made') throw new Error(JSON.stringify(verdict));
      return verdict.run;
    }

    test('of what failed is a new run that takes the rest over, with evidence, outputs and times', async () => {
      const { run, build } = await endedRun();
      const before = await findRun(store(), run);
      expect(await store().rerun(run, onlyFailed, at(20))).toEqual({ kind: 'made', run: run + 1, again: ['test'] });
      const after = await findRun(store(), run + 1);
      expect(after.run).toEqual({
        ...before.run,
        ...{ id: run + 1, state: 'queued', outcome: null, createdAt: at(20), finishedAt: null, rerunOf: run },
      });
      const [oldBuild] = before.jobs;
      const [newBuild, newTest] = after.jobs;
      const origin = { runId: run, jobId: build, attempt: 1 };
      expect(newBuild).toEqual({ ...oldBuild, id: newBuild?.id, runId: run + 1, worker: null, origin });
      expect(newTest).toMatchObject({ state: 'waiting', outcome: null, attempt: 0, origin: null, evidence: null });
      expect(await findRun(store(), run)).toEqual(before);
    });

    test("of a fork's run keeps who approved it and where its pipeline was read", async () => {
      const config: ConfigSource = { sha: 'e'.repeat(40), branch: 'main', trust: 'T1', ignored: ['.hearth/ci.yml'] };
      const fork = planned(['build'], { trust: 'T4', prNumber: 5, eventName: 'pull_request', config });
      const { run } = await runIn(store(), fork);
      const approval = { by: 'ada (1)', at: at(3) };
      await store().approve({ run: run.id, sha: run.sha }, approval);
      await finishIn(store(), run.id, 'build', failed);
      const again = await rerunOf(run.id, onlyFailed);
      expect((await findRun(store(), again)).run).toMatchObject({ trust: 'T3', approval, config });
    });

    test('gives artifacts, outputs and tests of what was taken over to the jobs that run', async () => {
      const { run, build } = await endedRun();
      const again = await rerunOf(run, onlyFailed);
      await claimIn(store(), again, 'test', 21);
      const kept = { ...dist, runId: run, jobId: build, attempt: 1, job: 'build' };
      expect(await store().claimsOf('w')).toMatchObject([
        { artifacts: [kept], needs: { build: { result: 'success', outputs: { version: '7' } } } },
      ]);
      expect((await store().resultsOf(again)).artifacts).toEqual([kept]);
    });

    test('of a rerun points to the run in which each job was observed, not to the one between', async () => {
      const { run, build } = await endedRun();
      const second = await rerunOf(run, onlyFailed);
      await finishIn(store(), second, 'test', failed);
      const third = await rerunOf(second, onlyFailed, 30);
      expect((await jobIn(store(), third, 'build')).origin).toEqual({ runId: run, jobId: build, attempt: 1 });
      await finishIn(store(), third, 'test');
      expect((await findRun(store(), third)).run.outcome).toMatchObject({ result: 'success' });
    });

    test('runs a job again whose artifact is over or gone', async () => {
      const { run } = await endedRun();
      const verdict = await store().rerun(run, onlyFailed, at(1000));
      expect(verdict).toMatchObject({ again: ['build', 'test'] });
      const other = await endedRun();
      await store().artifactsRemoved([{ ...dist, runId: other.run, jobId: other.build, attempt: 1, job: 'build' }]);
      expect(await store().rerun(other.run, onlyFailed, at(20))).toMatchObject({ again: ['build', 'test'] });
    });

    test('takes over the statuses: pending for what runs, the verdict that stands for the rest', async () => {
      const { run } = await endedRun();
      await sendAll(store());
      const again = await rerunOf(run, onlyFailed);
      expect(await desired(store())).toMatchObject({
        'hearth/ci': { state: 'pending', description: 'queued', runId: again },
        'hearth/ci/test': { state: 'pending', runId: again },
        'hearth/ci/build': { state: 'success', runId: again },
      });
      await finishIn(store(), again, 'test');
      expect(await desired(store())).toMatchObject({ 'hearth/ci': { state: 'success' } });
    });

    test('is what a later event of the commit joins', async () => {
      const { run } = await endedRun();
      const again = await rerunOf(run, all);
      const intake = await intakeIn(store(), head());
      expect(await store().applyPlan(intake, plan([planned(['build'])]), at(30))).toEqual([again]);
    });

    test('is made once, however many ask', async () => {
      const { run } = await endedRun();
      const verdicts = await Promise.all([1, 2, 3].map(() => store().rerun(run, all, at(20))));
      expect(verdicts.filter(({ kind }) => kind === 'made')).toHaveLength(1);
      expect(verdicts.filter(({ kind }) => kind === 'refused')).toHaveLength(2);
      expect((await store().listRuns({}, 10, null)).runs).toHaveLength(2);
    });

    test('of a run that was cancelled waits for the run that took its place', async () => {
      const { run } = await runIn(store());
      await store().cancel(run.id, null, byAda, at(3));
      const other = await runIn(store());
      expect(await store().rerun(run.id, all, at(20))).toMatchObject({
        trouble: { kind: 'conflict', message: expect.stringContaining(`Run ${other.run.id} `) as string },
      });
      await finishIn(store(), other.run.id, 'build');
      expect(await store().rerun(run.id, all, at(20))).toMatchObject({ kind: 'made' });
    });

    test('is refused while the run goes on, and there is none of what never was', async () => {
      const { run } = await runIn(store());
      expect(await store().rerun(run.id, all, at(2))).toMatchObject({ kind: 'refused' });
      expect(await store().rerun(999_999, all, at(2))).toEqual({ kind: 'unknown' });
    });

    test('may be superseded like its first run, also when a job that may not be interrupted was taken over', async () => {
      const made = planned(['deploy', 'test']);
      const jobs = made.jobs.map((job) => ({
        ...job,
        spec: { ...job.spec, interruptible: job.spec.name !== 'deploy' },
      }));
      const { run } = await runIn(store(), { ...made, jobs });
      await finishIn(store(), run.id, 'deploy');
      await finishIn(store(), run.id, 'test', failed);
      const again = await rerunOf(run.id, onlyFailed);
      const newer = { result: 'cancelled', reason: 'superseded', message: 'superseded by bbbbbbb' } as const;
      await runIn(store(), planned(['x'], { sha: 'b'.repeat(40) }), [{ run: again, outcome: newer }]);
      expect((await findRun(store(), again)).run).toMatchObject({ state: 'finished', outcome: newer });
    });

    test('joins the concurrency group of its first run', async () => {
      const concurrency = { group: 'g', cancelInProgress: true };
      const first = await runIn(store(), planned(['build'], { concurrency }));
      await finishIn(store(), first.run.id, 'build');
      const other = await runIn(store(), planned(['build'], { concurrency, sha: 'b'.repeat(40) }));
      await rerunOf(first.run.id, all);
      expect((await findRun(store(), other.run.id)).run.outcome).toMatchObject({ reason: 'superseded' });
    });
  });
}

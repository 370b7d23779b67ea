import { describe, expect, test } from 'vitest';
import type { ArtifactSpec } from '../../../src/core/pipeline/artifact-schema.ts';
import type { Job } from '../../../src/core/job.ts';
import type { JobSpec } from '../../../src/core/pipeline/pipeline.ts';
import { makeSpec } from '../../support/make.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, claimIn, evidence, failed, findRun, jobIn, passed, planned, runIn } from '../support.ts';

const dist = { name: 'dist', bytes: 12, files: 2, expiresAt: at(100) };
const map = { ...dist, name: 'map' };
const publication = { names: ['dist'], artifacts: [dist] };
const artifact = (name: string): ArtifactSpec => ({
  ...{ name, paths: [name], when: 'success', expireMs: 95_000, isJunit: false, isOptional: false },
});

export function publicationContract(open: OpenEmptyStore): void {
  describe('an artifact that a running job publishes', () => {
    const store = freshStore(open);

    /** `test` needs `dist` of `build`, which is claimed. */
    async function begun(build: Partial<JobSpec> = {}): Promise<{ readonly run: number; readonly build: Job }> {
      const specs = [
        makeSpec('build', { artifacts: [artifact('dist'), artifact('map')], ...build }),
        makeSpec('test', { needs: ['build'], artifactNeeds: [{ job: 'build', artifact: 'dist' }] }),
      ];
      const jobs = specs.map((spec) => ({ spec, waitsFor: [...(spec.needs ?? [])] }));
      const { run } = await runIn(store(), { ...planned([]), jobs });
      return { run: run.id, build: await claimIn(store(), run.id, 'build') };
    }

    /** The claim of `test` and what it is given, or undefined when it was dropped. */
    async function claimOfTest(run: number) {
      const job = await claimIn(store(), run, 'test');
      return (await store().claimsOf('w')).find((claim) => claim.job.id === job.id);
    }

    test('is on record, listed and handed to the job that waits for it, while its job runs', async () => {
      const { run, build } = await begun();
      expect(await store().publishArtifacts(build.id, 1, publication)).toBe(true);
      expect(await store().publishArtifacts(build.id, 1, publication)).toBe(true);
      expect(await jobIn(store(), run, 'build')).toMatchObject({ state: 'running', published: ['dist'] });
      const of = { ...dist, runId: run, jobId: build.id, attempt: 1, job: 'build' };
      expect((await store().resultsOf(run)).artifacts).toEqual([of]);
      expect(await claimOfTest(run)).toMatchObject({ artifacts: [of], needs: { build: { result: '', outputs: {} } } });
    });

    test('is refused of a late attempt and of a job that is over', async () => {
      const { run, build } = await begun();
      expect(await store().publishArtifacts(build.id, 2, publication)).toBe(false);
      await store().finishJob(build.id, 1, { outcome: failed, evidence, outputs: {} }, at(5));
      expect(await store().publishArtifacts(build.id, 1, publication)).toBe(false);
      expect(await store().publishArtifacts(9999, 1, publication)).toBe(false);
      expect((await store().resultsOf(run)).artifacts).toEqual([]);
    });

    test('is there once when the job ends with it, and the time it is kept counts from then', async () => {
      const { run, build } = await begun();
      await store().publishArtifacts(build.id, 1, publication);
      expect(await store().expiredArtifacts(at(150), 10)).toEqual([]);
      const artifacts = [{ ...dist, expiresAt: at(200) }, map];
      await store().finishJob(build.id, 1, { outcome: passed, evidence, outputs: {}, artifacts }, at(120));
      expect((await store().resultsOf(run)).artifacts).toMatchObject([{ name: 'dist', expiresAt: at(200) }, map]);
      expect((await store().expiredArtifacts(at(150), 10)).map(({ name }) => name)).toEqual(['map']);
      // Of the others, and of the end, it hears nothing.
      expect(await claimOfTest(run)).toMatchObject({ artifacts: [{ name: 'dist' }], needs: { build: { result: '' } } });
    });

    test('stays with the job that was claimed with it when its own is tried again', async () => {
      const { run, build } = await begun({ retry: { max: 1, when: ['exit'] } });
      await store().publishArtifacts(build.id, 1, publication);
      const first = { jobId: build.id, attempt: 1, name: 'dist' };
      expect((await claimOfTest(run))?.artifacts).toMatchObject([first]);
      await store().finishJob(build.id, 1, { outcome: failed, evidence, outputs: {} }, at(5));
      expect(await jobIn(store(), run, 'build')).toMatchObject({ state: 'queued', published: [] });
      const { attempt } = await claimIn(store(), run, 'build');
      expect(attempt).toBe(2);
      await store().publishArtifacts(build.id, 2, { names: ['dist'], artifacts: [{ ...dist, bytes: 99 }] });
      const claims = await store().claimsOf('w');
      expect(claims.find(({ job }) => job.name === 'test')?.artifacts).toMatchObject([first]);
      expect((await store().resultsOf(run)).artifacts).toMatchObject([{ attempt: 2, bytes: 99 }]);
    });

    test('drops the claim of a job that has not started when its own is tried again', async () => {
      const { run, build } = await begun({ retry: { max: 1, when: ['exit'] } });
      await store().publishArtifacts(build.id, 1, publication);
      const { id } = await jobIn(store(), run, 'test');
      await store().apply([{ job: id, attempt: 0, action: 'queue' }], at(3));
      await store().finishJob(build.id, 1, { outcome: failed, evidence, outputs: {} }, at(5));
      expect(await claimOfTest(run)).toBeUndefined();
      expect(await jobIn(store(), run, 'test')).toMatchObject({ state: 'queued', attempt: 0 });
      await claimIn(store(), run, 'build');
      await store().publishArtifacts(build.id, 2, publication);
      expect((await claimOfTest(run))?.artifacts).toMatchObject([{ attempt: 2 }]);
    });

    test('is there for a rerun of what needed it, as long as its time is not over', async () => {
      const { run, build } = await begun();
      await store().publishArtifacts(build.id, 1, publication);
      const test1 = (await claimOfTest(run))?.job;
      await store().finishJob(build.id, 1, { outcome: failed, evidence, outputs: {} }, at(5));
      await store().finishJob(test1?.id ?? 0, 1, { outcome: failed, evidence, outputs: {} }, at(6));
      expect((await findRun(store(), run)).run.outcome?.result).toBe('failure');
      const again = await store().rerun(run, { failed: false, job: 'test' }, at(50));
      if (again.kind !== 'made') throw new Error(again.kind);
      expect(again.again).toEqual(['test']);
      expect((await claimOfTest(again.run))?.artifacts).toMatchObject([{ runId: run, jobId: build.id, attempt: 1 }]);
      const second = await jobIn(store(), again.run, 'test');
      await store().finishJob(second.id, 1, { outcome: failed, evidence, outputs: {} }, at(60));
      const late = await store().rerun(again.run, { failed: false, job: 'test' }, at(101));
      expect(late).toMatchObject({ kind: 'made', again: ['build', 'test'] });
    });
  });
}

import { describe, expect, test } from 'vitest';
import type { TestReport } from '../../../src/core/junit.ts';
import type { JobSpec } from '../../../src/core/pipeline/pipeline.ts';
import { makeSpec } from '../../support/make.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, claimIn, evidence, failed, passed, planned, runIn } from '../support.ts';

const dist = { name: 'dist', bytes: 12, files: 2, expiresAt: at(100) };
const report = (change: Partial<TestReport>): TestReport => ({
  ...{ total: 2, skipped: 0, failed: 0, failures: [], passed: [] },
  ...change,
});
const failure = (name: string) => ({ name, file: 'a.ts', line: 3, message: 'no' });

export function resultContract(open: OpenEmptyStore): void {
  describe('what a job leaves', () => {
    const store = freshStore(open);

    test('is there for the jobs that waited for it, and for whoever asks for the run', async () => {
      const wanted = planned(['build', { name: 'test', waitsFor: ['build'] }]);
      const { run } = await runIn(store(), wanted);
      const build = await claimIn(store(), run.id, 'build');
      const finish = { outcome: passed, evidence, outputs: {}, artifacts: [dist], tests: report({ passed: ['a'] }) };
      expect(await store().finishJob(build.id, 1, finish, at(5))).toBe(true);
      const artifact = { ...dist, runId: run.id, jobId: build.id, attempt: 1, job: 'build' };
      await claimIn(store(), run.id, 'test');
      expect(await store().claimsOf('w')).toMatchObject([{ artifacts: [artifact] }]);
      expect(await store().resultsOf(run.id)).toEqual({
        artifacts: [artifact],
        tests: new Map([['build', report({ passed: ['a'] })]]),
        flaky: new Set(),
        images: new Map(),
        workflows: new Map(),
      });
    });

    test('also an image, which a run that takes the job over shows as well', async () => {
      const image = {
        ...{ context: '.', file: null, target: null, args: {}, platforms: [] },
        facts: null,
        push: [],
        credentials: null,
      };
      const record = { digest: 'sha256:a', pushed: [], images: [] };
      const jobs = [
        { spec: makeSpec('app', { steps: [], image }), waitsFor: [] },
        { spec: makeSpec('test'), waitsFor: ['app'] },
      ];
      const { run } = await runIn(store(), planned([], { jobs }));
      const app = await claimIn(store(), run.id, 'app');
      await store().finishJob(
        app.id,
        1,
        { outcome: passed, evidence, outputs: { digest: 'sha256:a' }, image: record },
        at(5),
      );
      const later = await claimIn(store(), run.id, 'test');
      await store().finishJob(later.id, 1, { outcome: failed, evidence, outputs: {} }, at(6));
      const again = await store().rerun(run.id, { failed: true, job: null }, at(7));
      expect(again.kind).toBe('made');
      for (const id of [run.id, again.kind === 'made' ? again.run : 0])
        expect((await store().resultsOf(id)).images).toEqual(new Map([['app', record]]));
    });

    test('is only for those jobs that take it, and what an action uploaded only for those that download it', async () => {
      const asked = { paths: ['a'], when: 'success', expireMs: 1, isOptional: false, isJunit: false } as const;
      const build = makeSpec('build', {
        artifacts: [
          { ...asked, name: 'dist', isAsked: true },
          { ...asked, name: 'log' },
        ],
      });
      const after = (name: string, change: Partial<JobSpec>) => ({ spec: makeSpec(name, change), waitsFor: ['build'] });
      const jobs = [
        { spec: build, waitsFor: [] },
        after('plain', {}),
        after('downloads', { downloads: [{ job: 'build', name: 'dist', isRequired: true }] }),
        after('refuses', { refusesArtifactsOf: ['build'] }),
      ];
      const { run } = await runIn(store(), planned([], { jobs }));
      const built = await claimIn(store(), run.id, 'build');
      const finish = { outcome: passed, evidence, outputs: {}, artifacts: [dist, { ...dist, name: 'log' }] };
      await store().finishJob(built.id, 1, finish, at(5));
      for (const name of ['plain', 'downloads', 'refuses']) await claimIn(store(), run.id, name);
      const given = new Map(
        (await store().claimsOf('w')).map(({ job, artifacts }) => [job.name, artifacts.map((one) => one.name)]),
      );
      expect(given).toEqual(
        new Map([
          ['plain', ['log']],
          ['downloads', ['dist', 'log']],
          ['refuses', []],
        ]),
      );
    });

    test('of a late attempt is refused with it', async () => {
      const { run } = await runIn(store());
      const build = await claimIn(store(), run.id, 'build');
      const finish = { outcome: passed, evidence, outputs: {}, artifacts: [dist] };
      expect(await store().finishJob(build.id, 2, finish, at(5))).toBe(false);
      expect((await store().resultsOf(run.id)).artifacts).toEqual([]);
    });

    test('tells which tests of a commit came out both ways, over all its runs', async () => {
      const finishWith = async (pipeline: string, tests: TestReport) => {
        const { run } = await runIn(store(), planned(['build'], { pipeline }));
        const job = await claimIn(store(), run.id, 'build');
        await store().finishJob(job.id, 1, { outcome: failed, evidence, outputs: {}, tests }, at(5));
        return run.id;
      };
      const first = await finishWith('one', report({ failed: 2, failures: [failure('a'), failure('b')] }));
      await finishWith('two', report({ failed: 1, failures: [failure('b')], passed: ['a'] }));
      expect((await store().resultsOf(first)).flaky).toEqual(new Set(['a']));
      expect(await store().resultsOf(9999)).toEqual({
        artifacts: [],
        tests: new Map(),
        flaky: new Set(),
        images: new Map(),
        workflows: new Map(),
      });
    });

    test('is listed once its time is over, and gone once it was removed', async () => {
      const { run } = await runIn(store());
      const build = await claimIn(store(), run.id, 'build');
      const other = { ...dist, name: 'later', expiresAt: at(200) };
      const finish = { outcome: passed, evidence, outputs: {}, artifacts: [dist, other] };
      await store().finishJob(build.id, 1, finish, at(5));
      expect(await store().expiredArtifacts(at(99), 10)).toEqual([]);
      const expired = await store().expiredArtifacts(at(100), 10);
      expect(expired).toMatchObject([{ name: 'dist', job: 'build', run: { repo: run.repo, trust: run.trust } }]);
      await store().artifactsRemoved(expired);
      await store().artifactsRemoved(expired);
      expect((await store().resultsOf(run.id)).artifacts).toMatchObject([{ name: 'later' }]);
    });
  });
}

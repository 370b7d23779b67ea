import { describe, expect, test } from 'vitest';
import type { ArtifactSpec } from '../../../src/core/pipeline/artifact-schema.ts';
import type { Finish } from '../../../src/core/ports.ts';
import type { TrustClass } from '../../../src/core/run.ts';
import { makeSpec } from '../../support/make.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, claimIn, evidence, failed, jobIn, passed, planned, runIn, shaB } from '../support.ts';

const HOUR = 3600;
const key = '1'.repeat(64);
const ran = { kind: 'ran', key } as const;
const spec: ArtifactSpec = {
  ...{ name: 'dist', paths: ['dist'], when: 'success', expireMs: 10 * HOUR * 1000 },
  ...{ isJunit: false, isOptional: false },
};
const dist = { name: 'dist', bytes: 12, files: 2, expiresAt: at(10 * HOUR) };

export function reuseContract(open: OpenEmptyStore): void {
  describe('a result that may be taken over', () => {
    const store = freshStore(open);

    async function end(
      finish: Partial<Finish>,
      { trust = 'T2', sha = 'a'.repeat(40) }: { readonly trust?: TrustClass; readonly sha?: string } = {},
    ) {
      const made = planned(['build'], { trust, sha });
      const jobs = [{ spec: makeSpec('build', { artifacts: [spec] }), waitsFor: [] }];
      const { run } = await runIn(store(), { ...made, jobs });
      const job = await claimIn(store(), run.id, 'build');
      await store().finishJob(
        job.id,
        1,
        { outcome: passed, evidence, outputs: { version: '7' }, artifacts: [dist], ...finish },
        at(5),
      );
      return { runId: run.id, jobId: job.id, attempt: 1 };
    }
    const found = (trust: TrustClass = 'T2', seconds = 10, repoId = 7) =>
      store().findReusable({ repoId, trust, key }, at(seconds));

    test('is found by repository, class and key, and by no other', async () => {
      expect(await found()).toBeUndefined();
      const from = await end({ reuse: ran });
      expect(await found()).toEqual({ from, outputs: { version: '7' }, evidence });
      expect(await found('T1')).toBeUndefined();
      expect(await found('T3')).toBeUndefined();
      expect(await found('T2', 10, 8)).toBeUndefined();
    });

    test.each<[string, Partial<Finish>]>([
      ['a failure', { outcome: failed, reuse: ran }],
      ['a job without a key', {}],
      ['a contradiction', { reuse: { kind: 'contradicted', key } }],
    ])('is not left by %s', async (_what, finish) => {
      await end(finish);
      expect(await found()).toBeUndefined();
    });

    test("is not left by a fork's job, even one that somebody approved", async () => {
      await end({ reuse: ran }, { trust: 'T3' });
      expect(await found('T3')).toBeUndefined();
    });

    test('is the newest of several', async () => {
      await end({ reuse: ran });
      const second = await end({ reuse: ran }, { sha: shaB });
      expect(await found()).toMatchObject({ from: second });
    });

    test('is gone once an audit came to something else', async () => {
      await end({ reuse: ran });
      await end({ outcome: failed, reuse: { kind: 'contradicted', key } }, { sha: shaB });
      expect(await found()).toBeUndefined();
    });

    test('is not found when what it left ends within the hour, or was removed', async () => {
      await end({ reuse: ran });
      expect(await found('T2', 9 * HOUR - 1)).toBeDefined();
      expect(await found('T2', 9 * HOUR)).toBeUndefined();
      await store().artifactsRemoved(await store().expiredArtifacts(at(10 * HOUR), 10));
      expect(await found()).toBeUndefined();
    });

    test('stands for the job that takes it: its evidence, outputs and artifacts, and where it was observed', async () => {
      const from = await end({ reuse: ran });
      const made = planned(['build', { name: 'test', waitsFor: ['build'] }], { sha: shaB });
      const jobs = made.jobs.map((job) =>
        job.spec.name === 'build' ? { ...job, spec: makeSpec('build', { artifacts: [spec] }) } : job,
      );
      const { run } = await runIn(store(), { ...made, jobs });
      const job = await claimIn(store(), run.id, 'build');
      const reused = await found();
      expect(reused).toBeDefined();
      const finish: Finish = {
        outcome: { ...passed, message: 'reused from run 1' },
        ...{ evidence: reused?.evidence ?? null, outputs: reused?.outputs ?? {} },
        reuse: { kind: 'taken', key, from },
      };
      expect(await store().finishJob(job.id, 1, finish, at(HOUR))).toBe(true);
      const taken = await jobIn(store(), run.id, 'build');
      expect(taken).toMatchObject({ origin: from, evidence, outputs: { version: '7' }, state: 'finished' });
      await claimIn(store(), run.id, 'test');
      // It lasts from now on, as if it had been made by this run.
      const kept = { ...dist, ...from, job: 'build', expiresAt: at(11 * HOUR) };
      expect(await store().claimsOf('w')).toMatchObject([{ artifacts: [kept] }]);
      expect((await store().resultsOf(run.id)).artifacts).toEqual([kept]);
      // And what stands under the key is what was observed.
      expect(await found()).toMatchObject({ from });
    });

    test('stands with its tests, too, which are told nowhere as tests of the other commit', async () => {
      const tests = { total: 2, skipped: 0, failed: 0, failures: [], passed: ['a', 'b'] };
      const from = await end({ reuse: ran, tests });
      const { run } = await runIn(store(), planned(['build'], { sha: shaB }));
      const job = await claimIn(store(), run.id, 'build');
      const taken = { outcome: passed, evidence, outputs: {}, reuse: { kind: 'taken', key, from } } as const;
      await store().finishJob(job.id, 1, taken, at(20));
      expect(await store().resultsOf(run.id)).toMatchObject({ tests: new Map([['build', tests]]), flaky: new Set() });
    });

    test('tells nothing about how long a job takes', async () => {
      const from = await end({ reuse: ran });
      const { run } = await runIn(store(), planned(['build'], { sha: shaB }));
      const job = await claimIn(store(), run.id, 'build', 100);
      const taken = { outcome: passed, evidence, outputs: {}, reuse: { kind: 'taken', key, from } } as const;
      await store().finishJob(job.id, 1, taken, at(100));
      const next = await runIn(store(), planned(['build'], { sha: 'c'.repeat(40) }));
      const { runs } = await store().snapshot();
      // What ran took three seconds.
      expect(runs.find((one) => one.run.id === next.run.id)?.durations).toMatchObject([{ job: 'build', ms: 3_000 }]);
    });
  });
}

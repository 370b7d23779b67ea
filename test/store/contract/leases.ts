import { describe, expect, test } from 'vitest';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, claimIn, evidence, finishIn, jobIn, passed, planned, runIn } from '../support.ts';

const has = {
  platform: 'linux/amd64',
  labels: ['gpu'],
  capacity: { cpus: 4, memoryBytes: 2 ** 33, diskBytes: 2 ** 36 },
};
const worker = { id: 'w', slots: 3, ...has, details: { workspace: 'overlay', warm: 2 } };

export function leaseContract(open: OpenEmptyStore): void {
  describe('a worker', () => {
    const store = freshStore(open);

    test('is announced with its details and renewed in place', async () => {
      await store().renewWorker({ id: 'w', slots: 1, details: {} }, at(30), at(0));
      expect((await store().snapshot()).workers).toEqual([{ id: 'w', slots: 1, leaseUntil: at(30) }]);
      await store().renewWorker(worker, at(60), at(30));
      expect((await store().counts()).workers).toEqual([{ ...worker, leaseUntil: at(60) }]);
      expect((await store().snapshot()).workers).toEqual([{ id: 'w', slots: 3, ...has, leaseUntil: at(60) }]);
    });

    test('renews the leases of its own running jobs and of no others', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint', 'docs']));
      await claimIn(store(), run.id, 'build');
      await finishIn(store(), run.id, 'docs');
      const { id } = await jobIn(store(), run.id, 'lint');
      await store().apply([{ job: id, attempt: 0, action: 'queue' }], at(2));
      await store().apply([{ job: id, attempt: 0, action: 'claim', worker: 'v', leaseUntil: at(50) }], at(2));
      await store().renewWorker(worker, at(120), at(40));
      expect((await jobIn(store(), run.id, 'build')).leaseUntil).toEqual(at(120));
      expect((await jobIn(store(), run.id, 'lint')).leaseUntil).toEqual(at(50));
      expect((await jobIn(store(), run.id, 'docs')).leaseUntil).toBeNull();
    });

    test('gets its unfinished claims in the order of claiming, with all it needs to run them', async () => {
      const wanted = planned(['build', 'lint', 'docs']);
      const { run } = await runIn(store(), wanted);
      await claimIn(store(), run.id, 'lint', 2);
      await claimIn(store(), run.id, 'build', 3);
      await finishIn(store(), run.id, 'docs');
      const claims = await store().claimsOf('w');
      expect(claims.map((claim) => claim.job.name)).toEqual(['lint', 'build']);
      expect(claims[0]).toEqual({
        job: await jobIn(store(), run.id, 'lint'),
        run: (await store().findRun(run.id))?.run,
        context: wanted.context,
        artifacts: [],
        needs: {},
        stop: null,
      });
      expect(await store().claimsOf('v')).toEqual([]);
    });

    test('learns what the jobs said that its claim needs', async () => {
      const { run } = await runIn(store(), planned(['build', 'other', { name: 'ship', waitsFor: ['build'] }]));
      const build = await claimIn(store(), run.id, 'build');
      const outputs = { version: '1.10' };
      await store().finishJob(build.id, 1, { outcome: passed, evidence, outputs }, at(5));
      await claimIn(store(), run.id, 'ship', 6);
      const [claim] = await store().claimsOf('w');
      expect(claim?.needs).toEqual({ build: { result: 'success', outputs } });
      expect((await jobIn(store(), run.id, 'build')).outputs).toEqual(outputs);
    });

    test('that was silent for weeks is forgotten', async () => {
      await store().renewWorker({ ...worker, id: 'old' }, at(30), at(0));
      await store().renewWorker(worker, at(86_400), at(86_370));
      expect((await store().counts()).workers).toHaveLength(2);
      await store().renewWorker(worker, at(1_000_000), at(999_970));
      expect((await store().counts()).workers.map((one) => one.id)).toEqual(['w']);
    });
  });

  describe('a role', () => {
    const store = freshStore(open);

    test('belongs to its first owner, who may renew it', async () => {
      expect(await store().holdRole('planner', 'a', at(10), at(0))).toBe(true);
      expect(await store().holdRole('planner', 'b', at(15), at(5))).toBe(false);
      expect(await store().holdRole('planner', 'a', at(20), at(9))).toBe(true);
      expect(await store().holdRole('planner', 'b', at(25), at(15))).toBe(false);
    });

    test('passes on when its lease ran out, and the old owner learns it', async () => {
      await store().holdRole('planner', 'a', at(10), at(0));
      expect(await store().holdRole('planner', 'b', at(20), at(10))).toBe(false);
      expect(await store().holdRole('planner', 'b', at(21), at(11))).toBe(true);
      expect(await store().holdRole('planner', 'a', at(22), at(12))).toBe(false);
    });

    test('is one of several', async () => {
      await store().holdRole('planner', 'a', at(10), at(0));
      expect(await store().holdRole('reporter', 'b', at(10), at(0))).toBe(true);
    });

    test('has one owner when many ask at once', async () => {
      const answers = await Promise.all(
        ['a', 'b', 'c', 'd'].map((owner) => store().holdRole('planner', owner, at(10), at(0))),
      );
      expect(answers.filter(Boolean)).toHaveLength(1);
    });
  });
}

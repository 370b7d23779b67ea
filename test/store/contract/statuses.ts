import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/core/outcome.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import {
  at,
  byAda,
  claimIn,
  desired,
  failed,
  finishIn,
  planned,
  repo,
  runIn,
  sendAll,
  shaA,
  shaB,
  superseded,
} from '../support.ts';

const broken: Outcome = { result: 'error', reason: 'config', message: 'ci.yml:3:1: unknown key' };

export function statusContract(open: OpenEmptyStore): void {
  describe('the desired statuses', () => {
    const store = freshStore(open);

    test('of a new run are pending for the run and each job', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint']));
      const statuses = await desired(store());
      expect(Object.keys(statuses).sort()).toEqual(['hearth/ci', 'hearth/ci/build', 'hearth/ci/lint']);
      expect(statuses['hearth/ci/build']).toEqual({
        id: statuses['hearth/ci/build']?.id,
        version: 1,
        repo,
        sha: shaA,
        runId: run.id,
        job: 'build',
        workflowUrl: null,
        context: 'hearth/ci/build',
        state: 'pending',
        description: 'queued',
        rank: 4,
        failures: 0,
        desiredAt: at(1),
      });
      expect(statuses['hearth/ci']).toMatchObject({ job: null, rank: 2 });
    });

    test('of a fork never take the place of those of our own branch at the same commit', async () => {
      const own = await runIn(store());
      await finishIn(store(), own.run.id, 'build', failed);
      await runIn(store(), planned(['build'], { trust: 'T4' }));
      expect(await desired(store())).toMatchObject({
        'hearth/ci': { runId: own.run.id, state: 'failure' },
        'hearth/ci/build': { runId: own.run.id, state: 'failure' },
      });
    });

    test('of our own branch take the place of those of a fork at the same commit', async () => {
      await runIn(store(), planned(['build'], { trust: 'T4' }));
      const own = await runIn(store());
      expect(await desired(store())).toMatchObject({ 'hearth/ci': { runId: own.run.id, description: 'queued' } });
    });

    test('follow the jobs, one version further with each change', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint']));
      await claimIn(store(), run.id, 'build');
      expect(await desired(store())).toMatchObject({
        'hearth/ci': { state: 'pending', description: 'running', version: 2 },
        'hearth/ci/build': { state: 'pending', description: 'running', version: 2, desiredAt: at(2) },
        'hearth/ci/lint': { version: 1 },
      });
      await finishIn(store(), run.id, 'lint', failed);
      expect(await desired(store())).toMatchObject({
        'hearth/ci': { version: 2 },
        'hearth/ci/lint': { state: 'failure', description: 'exit 3', version: 3, rank: 1, desiredAt: at(5) },
      });
    });

    test('replace a pending that was never sent by the final one', async () => {
      const { run } = await runIn(store());
      await finishIn(store(), run.id, 'build');
      const statuses = await desired(store());
      expect(Object.values(statuses).map((status) => status.state)).toEqual(['success', 'success']);
      expect(statuses['hearth/ci']).toMatchObject({ rank: 0, description: '1 job passed' });
    });

    test('keep their version when nothing they say changed', async () => {
      const { run, jobs } = await runIn(store());
      const before = await desired(store());
      await store().apply([{ job: jobs[0]?.id ?? 0, attempt: 0, action: 'queue' }], at(2));
      expect(await desired(store())).toEqual(before);
      await runIn(store());
      expect(await desired(store())).toEqual(before);
      expect(before['hearth/ci']?.runId).toBe(run.id);
    });

    test('of a run that was over before it began are final at once', async () => {
      await runIn(store(), planned([], { outcome: broken }));
      expect(await desired(store())).toMatchObject({
        'hearth/ci': { state: 'error', description: broken.message, version: 1 },
      });
    });

    test('are none for a run that is recorded only', async () => {
      const { run } = await runIn(store(), planned(['build'], { reported: false }));
      await finishIn(store(), run.id, 'build');
      expect(await desired(store())).toEqual({});
    });

    test('of a run that ends say so for every job that did not run', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint']));
      await store().cancel(run.id, null, byAda, at(3));
      const statuses = Object.values(await desired(store()));
      expect(statuses.map((status) => [status.state, status.description])).toEqual(
        Array(3).fill(['error', 'cancelled by ada']),
      );
    });

    test('start over as pending for a newer run of the same commit', async () => {
      const { run } = await runIn(store());
      await runIn(store(), planned(['build'], { sha: shaB }), [{ run: run.id, outcome: superseded }]);
      await sendAll(store());
      const again = await runIn(store());
      expect(await desired(store())).toMatchObject({
        'hearth/ci': { state: 'pending', runId: again.run.id, version: 3 },
        'hearth/ci/build': { state: 'pending', runId: again.run.id, version: 3 },
      });
    });

    test('are not taken back by an older run that ends later', async () => {
      const old = await runIn(store());
      const job = await claimIn(store(), old.run.id, 'build');
      await runIn(store(), planned(['build'], { sha: shaB, reported: false }), [
        { run: old.run.id, outcome: superseded },
      ]);
      const again = await runIn(store());
      await finishIn(store(), again.run.id, 'build');
      const before = await desired(store());
      await store().finishJob(job.id, 1, { outcome: superseded, evidence: null, outputs: {} }, at(9));
      expect(await desired(store())).toEqual(before);
      expect(before['hearth/ci']).toMatchObject({ state: 'success', runId: again.run.id });
    });

    test('of equal commits in two repositories are apart', async () => {
      await runIn(store());
      await runIn(store(), planned(['build'], { repo: { ...repo, id: 8 } }));
      expect(await store().unsentStatuses(at(9), 10)).toHaveLength(4);
    });
  });
}

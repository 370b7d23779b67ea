import { describe, expect, test } from 'vitest';
import type { OutgoingStatus, Store } from '../../../src/core/ports.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, claimIn, desired, failed, finishIn, planned, runIn, sendAll, shaB } from '../support.ts';

export function outboxContract(open: OpenEmptyStore): void {
  describe('the outbox', () => {
    const store = freshStore(open);

    test('gives the run verdicts first, then failed jobs, then by age, at most as many as asked for', async () => {
      const first = await runIn(store(), planned(['build', 'lint']));
      await runIn(store(), planned(['build'], { sha: shaB }));
      await finishIn(store(), first.run.id, 'build');
      await finishIn(store(), first.run.id, 'lint', failed);
      const order = (await store().unsentStatuses(at(9), 10)).map((status) => [
        status.rank,
        status.context,
        status.sha[0],
      ]);
      expect(order).toEqual([
        [0, 'hearth/ci', 'a'],
        [1, 'hearth/ci/lint', 'a'],
        [2, 'hearth/ci', 'b'],
        [3, 'hearth/ci/build', 'a'],
        [4, 'hearth/ci/build', 'b'],
      ]);
      expect(await store().unsentStatuses(at(9), 2)).toHaveLength(2);
    });

    test('gives statuses of one rank by age', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint']));
      await claimIn(store(), run.id, 'build', 7);
      const jobs = (await store().unsentStatuses(at(9), 10)).filter((status) => status.rank === 4);
      expect(jobs.map((status) => status.job)).toEqual(['lint', 'build']);
    });

    test('forgets what was sent', async () => {
      await runIn(store());
      await sendAll(store());
      expect(await desired(store())).toEqual({});
    });

    test('is not emptied by an older version that arrives late', async () => {
      const { run } = await runIn(store());
      const pending = await statusOf(store(), 'hearth/ci');
      await finishIn(store(), run.id, 'build');
      await store().statusSent(pending.id, pending.version, at(6));
      const final = await statusOf(store(), 'hearth/ci');
      expect(final).toMatchObject({ state: 'success' });
      await store().statusSent(final.id, final.version, at(7));
      await store().statusSent(pending.id, pending.version, at(8));
      expect(Object.keys(await desired(store()))).toEqual(['hearth/ci/build']);
    });

    test('does not believe in a version that was never desired', async () => {
      await runIn(store());
      const status = await statusOf(store(), 'hearth/ci');
      await store().statusSent(status.id, status.version + 1, at(6));
      expect(await statusOf(store(), 'hearth/ci')).toEqual(status);
    });

    test('offers a failed one again at its time, with its failures counted until it was sent', async () => {
      await runIn(store());
      const { id, version } = await statusOf(store(), 'hearth/ci');
      await store().statusFailed(id, version, 'rate limit', at(30));
      await store().statusFailed(id, version, 'rate limit', at(60));
      expect((await store().unsentStatuses(at(59), 10)).map((status) => status.context)).toEqual(['hearth/ci/build']);
      expect(await store().unsentStatuses(at(60), 10)).toContainEqual(expect.objectContaining({ id, failures: 2 }));
      await store().statusSent(id, version, at(61));
      const { run } = await runIn(store());
      await claimIn(store(), run.id, 'build');
      expect(await statusOf(store(), 'hearth/ci')).toMatchObject({ failures: 0 });
    });

    test('never offers again what the forge will never take, but counts it', async () => {
      await runIn(store());
      const { id, version } = await statusOf(store(), 'hearth/ci');
      await store().statusFailed(id, version, 'no such commit', 'never');
      expect(Object.keys(await desired(store()))).toEqual(['hearth/ci/build']);
      expect(await store().counts()).toMatchObject({ unsentStatuses: 1, deadStatuses: 1 });
    });

    test('gives a new state its own chance after the old one was refused', async () => {
      const { run } = await runIn(store());
      const { id, version } = await statusOf(store(), 'hearth/ci');
      await store().statusFailed(id, version, 'refused', 'never');
      await finishIn(store(), run.id, 'build');
      expect(await statusOf(store(), 'hearth/ci')).toMatchObject({ state: 'success', failures: 0 });
      expect((await store().counts()).deadStatuses).toBe(0);
    });

    test('does not let a late refusal of an old version kill the new one', async () => {
      const { run } = await runIn(store());
      const { id, version } = await statusOf(store(), 'hearth/ci');
      await finishIn(store(), run.id, 'build');
      await store().statusFailed(id, version, 'refused', 'never');
      expect(await statusOf(store(), 'hearth/ci')).toMatchObject({ state: 'success' });
    });

    test('does not take a failure that arrives after the success of the same version', async () => {
      await runIn(store());
      const { id, version } = await statusOf(store(), 'hearth/ci');
      await store().statusSent(id, version, at(6));
      await store().statusFailed(id, version, 'timeout', 'never');
      expect(await store().counts()).toMatchObject({ unsentStatuses: 1, deadStatuses: 0 });
    });
  });
}

async function statusOf(store: Store, context: string): Promise<OutgoingStatus> {
  const status = (await desired(store))[context];
  if (status === undefined) throw new Error(`${context} is not desired`);
  return status;
}

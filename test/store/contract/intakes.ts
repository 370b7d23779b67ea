import { describe, expect, test } from 'vitest';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, delivery, head, intakeIn, plan, planned, repo, runIn, shaA, shaB } from '../support.ts';

export function intakeContract(open: OpenEmptyStore): void {
  describe('a delivery', () => {
    const store = freshStore(open);

    test('is new once and a duplicate ever after', async () => {
      expect(await store().recordDelivery(delivery('d1'), head())).toBe('new');
      expect(await store().recordDelivery(delivery('d1'), head())).toBe('duplicate');
      expect(await store().unplannedIntakes(at(0), 10)).toHaveLength(1);
    });

    test('is new once when it arrives many times at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => store().recordDelivery(delivery('d1'), head())),
      );
      expect(answers.filter((answer) => answer === 'new')).toHaveLength(1);
      expect(await store().unplannedIntakes(at(0), 10)).toHaveLength(1);
    });

    test('that was rejected is judged anew when it is redelivered', async () => {
      await store().recordDelivery(delivery('d1', { verdict: 'rejected', note: 'no such repository' }), null);
      expect(await store().unplannedIntakes(at(0), 10)).toEqual([]);
      expect(await store().recordDelivery(delivery('d1'), head())).toBe('new');
      expect(await store().recordDelivery(delivery('d1', { verdict: 'rejected' }), null)).toBe('duplicate');
      expect(await store().unplannedIntakes(at(0), 10)).toHaveLength(1);
    });

    test('that was ignored stays ignored', async () => {
      await store().recordDelivery(delivery('d1', { verdict: 'ignored', note: 'ping' }), null);
      expect(await store().recordDelivery(delivery('d1'), head())).toBe('duplicate');
      expect(await store().unplannedIntakes(at(0), 10)).toEqual([]);
    });

    test('that was not accepted cannot ask for work', async () => {
      await expect(store().recordDelivery(delivery('d1', { verdict: 'rejected' }), head())).rejects.toThrow(
        'must not ask for work',
      );
      expect(await store().recordDelivery(delivery('d1'), head())).toBe('new');
    });
  });

  describe('an intake', () => {
    const store = freshStore(open);

    test('carries all that its delivery asked for', async () => {
      const request = head({ eventName: 'pull_request', prNumber: 12, baseRef: 'main', headRepoId: null });
      const intake = await intakeIn(store(), request);
      expect(intake).toEqual({ ...request, id: intake.id, deliveryId: intake.deliveryId, receivedAt: at(0), tries: 0 });
    });

    test('comes out in order of receipt, at most as many as asked for', async () => {
      const ids = [];
      for (let i = 0; i < 4; i++) ids.push((await intakeIn(store())).id);
      expect(ids).toEqual([...ids].sort((a, b) => a - b));
      expect((await store().unplannedIntakes(at(0), 3)).map((one) => one.id)).toEqual(ids.slice(0, 3));
    });

    test('is done once it is planned, also with nothing to run', async () => {
      const intake = await intakeIn(store());
      expect(await store().applyPlan(intake, plan([], { note: 'no pipeline wants this' }), at(1))).toEqual([]);
      expect(await store().unplannedIntakes(at(1e6), 10)).toEqual([]);
    });

    test('that was postponed comes back at its time with its tries counted', async () => {
      const intake = await intakeIn(store());
      await store().postponeIntake(intake, at(30), 'no network');
      await store().postponeIntake(intake, at(60), 'no network');
      expect(await store().unplannedIntakes(at(59), 10)).toEqual([]);
      expect(await store().unplannedIntakes(at(60), 10)).toMatchObject([{ id: intake.id, tries: 2 }]);
    });

    test('that is no head waits behind an earlier head of its repository that was postponed', async () => {
      const gone = { ...head(), kind: 'gone', because: 'topic was deleted' } as const;
      const ids = [];
      for (const request of [gone, head(), { ...gone, repo: { ...repo, id: 8 } }, gone, head({ sha: shaB })])
        ids.push((await intakeIn(store(), request)).id);
      const [before, first, other, behind, newer] = ids;
      const due = async (seconds: number) => (await store().unplannedIntakes(at(seconds), 10)).map(({ id }) => id);
      const [, waiting] = await store().unplannedIntakes(at(0), 10);
      if (waiting !== undefined) await store().postponeIntake(waiting, at(60), 'no network');
      expect(await due(59)).toEqual([before, other, newer]);
      expect(await due(60)).toEqual([before, first, other, behind, newer]);
    });

    test('that is planned cannot be postponed any more', async () => {
      const intake = await intakeIn(store());
      await store().applyPlan(intake, plan([]), at(1));
      await store().postponeIntake(intake, at(2), 'no network');
      expect(await store().unplannedIntakes(at(3), 10)).toEqual([]);
    });
  });

  describe('the line of an intake', () => {
    const store = freshStore(open);

    test('knows the head that was received last on it', async () => {
      const older = await intakeIn(store(), head({ sha: shaA }));
      const newer = await intakeIn(store(), head({ sha: shaB }));
      await intakeIn(store(), head({ sha: 'c'.repeat(40), headRef: 'refs/heads/other' }));
      await intakeIn(store(), head({ sha: 'd'.repeat(40), headRepoId: 99 }));
      await intakeIn(store(), head({ sha: 'e'.repeat(40), repo: { ...repo, id: 8 }, headRepoId: repo.id }));
      expect((await store().lineOfIntake(older)).newestSeen).toEqual({ id: newer.id, sha: shaB });
    });

    test('looks past a closed pull request for the newest head', async () => {
      const intake = await intakeIn(store());
      const { sha: _sha, trust: _trust, ...target } = head();
      await intakeIn(store(), { ...target, kind: 'gone', because: 'pull request closed' });
      expect((await store().lineOfIntake(intake)).newestSeen).toEqual({ id: intake.id, sha: shaA });
    });

    test('knows the live runs of its repository and no others', async () => {
      const live = await runIn(store());
      await runIn(
        store(),
        planned([], { pipeline: 'over', outcome: { result: 'skipped', reason: 'no_pipeline', message: 'none' } }),
      );
      await runIn(store(), planned(['build'], { repo: { ...repo, id: 8 } }));
      const { live: found } = await store().lineOfIntake(await intakeIn(store()));
      expect(found).toEqual([live.run]);
    });
  });
}

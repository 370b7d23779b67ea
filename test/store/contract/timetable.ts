import { describe, expect, test } from 'vitest';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, delivery, head, intakeIn, plan, repo, shaA } from '../support.ts';

const time = { cron: '0 3 * * *', timezone: 'UTC' };
const asked = {
  ...({ kind: 'asked', eventName: 'schedule', repo, headRef: 'refs/heads/topic', headRepoId: repo.id } as const),
  ...{ prNumber: null, baseRef: null, defaultBranch: 'main', actor: 'schedule' },
  asked: { ref: 'topic', sha: null, pipeline: 'ci', inputs: {}, time },
};

export function timetableContract(open: OpenEmptyStore): void {
  describe('a time of the timetable', () => {
    const store = freshStore(open);

    test('is taken only as it was read, so a slow process cannot set it back', async () => {
      const entries = [{ pipeline: 'ci', time, next: at(10) }];
      await store().applyPlan(await intakeIn(store()), plan([], { timetable: { entries, keep: [] } }), at(0));
      expect(await store().dueTimes(at(9), 10)).toEqual([]);
      const [due, ...others] = await store().dueTimes(at(10), 10);
      expect(others).toEqual([]);
      expect(due).toMatchObject({ pipeline: 'ci', time, due: at(10), known: { repo, defaultBranch: 'main' } });
      if (due === undefined) return;
      const ask = (id: string) => ({ delivery: delivery(id, { event: 'schedule' }), request: asked });
      expect(await store().takeTime(due, at(30), ask('t10'))).toBe(true);
      expect(await store().takeTime(due, at(20), ask('t11'))).toBe(false);
      expect((await store().dueTimes(at(40), 10)).map((one) => one.due)).toEqual([at(30)]);
      const state = await store().findIntake({ delivery: 't10' });
      expect(state).toMatchObject({ isPlanned: false, runs: [], intake: { kind: 'asked', asked: { pipeline: 'ci' } } });
      expect(await store().findIntake({ delivery: 't11' })).toBeUndefined();
    });

    test('that never comes again is not due any more', async () => {
      const entries = [{ pipeline: 'ci', time, next: at(10) }];
      await store().applyPlan(await intakeIn(store()), plan([], { timetable: { entries, keep: [] } }), at(0));
      const [due] = await store().dueTimes(at(10), 10);
      if (due !== undefined) await store().takeTime(due, null, null);
      expect(await store().dueTimes(at(1e9), 10)).toEqual([]);
    });
  });

  describe('what is asked for', () => {
    const store = freshStore(open);

    test('is no head of a line, so it makes no push stale', async () => {
      const push = await intakeIn(store(), head());
      await store().recordDelivery(delivery('by hand'), asked);
      expect((await store().lineOfIntake(push)).newestSeen).toEqual({ id: push.id, sha: shaA });
    });
  });

  describe('a repository', () => {
    const store = freshStore(open);

    test('is known by the name and default branch that its newest delivery told', async () => {
      expect(await store().knownRepo('acme/rocket')).toBeUndefined();
      await store().recordDelivery(delivery('d0', { verdict: 'ignored' }), null);
      expect(await store().knownRepo('acme/rocket')).toBeUndefined();
      await intakeIn(store(), head());
      expect(await store().knownRepo('ACME/Rocket')).toEqual({ repo, defaultBranch: 'main' });
      const renamed = { ...repo, name: 'moon' };
      await intakeIn(store(), head({ repo: renamed, defaultBranch: 'trunk' }));
      expect(await store().knownRepo('acme/moon')).toEqual({ repo: renamed, defaultBranch: 'trunk' });
      expect(await store().knownRepo('acme/rocket')).toBeUndefined();
    });

    test('that took over the name of another one is the one that is meant', async () => {
      const successor = { ...repo, id: 8 };
      await store().recordDelivery(delivery('d1', { receivedAt: at(1) }), head());
      await store().recordDelivery(delivery('d2', { receivedAt: at(2) }), head({ repo: successor }));
      expect((await store().knownRepo('acme/rocket'))?.repo).toEqual(successor);
    });
  });
}

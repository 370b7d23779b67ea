import { describe, expect, test } from 'vitest';
import type { ApprovalWish } from '../../../src/core/approval.ts';
import type { PlannedRun, RunWithJobs, Store } from '../../../src/core/ports.ts';
import type { ConfigSource } from '../../../src/core/run.ts';
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
  plan,
  planned,
  repo,
  runIn,
  shaA,
  shaB,
  superseded,
} from '../support.ts';

const config: ConfigSource = { sha: 'e'.repeat(40), branch: 'main', trust: 'T1', ignored: [] };
const approval = { by: 'ada (1)', at: at(30) };
const fromFork = { headRef: 'refs/heads/main', headRepoId: 99, prNumber: 5, baseRef: 'main' };

function ofFork(change: Partial<PlannedRun> = {}): PlannedRun {
  return planned(['build', { name: 'test', waitsFor: ['build'] }], {
    ...{ trust: 'T4', prNumber: 5, eventName: 'pull_request', line: '99:refs/heads/main', config },
    ...change,
  });
}

async function waiting(store: Store, change: Partial<PlannedRun> = {}): Promise<RunWithJobs> {
  return runIn(store, ofFork(change));
}

function wishFor({ run }: RunWithJobs, sha = run.sha): ApprovalWish {
  return { run: run.id, sha };
}

export function approvalContract(open: OpenEmptyStore): void {
  describe('an approval', () => {
    const store = freshStore(open);

    test('lets the run of one sha run, with who and when, and its status waits no longer', async () => {
      const found = await waiting(store());
      await store().apply([{ job: found.jobs[0]?.id ?? 0, attempt: 0, action: 'queue' }], at(2));
      expect((await desired(store()))['hearth/ci']?.description).toBe('waiting for approval of this commit');
      expect(await store().approve(wishFor(found), approval)).toEqual({
        kind: 'approved',
        sha: shaA,
        runs: [found.run.id],
      });
      const { run, jobs } = await findRun(store(), found.run.id);
      expect(run).toMatchObject({ trust: 'T3', approval, state: 'queued', config });
      expect(jobs[0]?.timings.queuedAt).toEqual(at(30));
      expect((await desired(store()))['hearth/ci']).toMatchObject({ state: 'pending', description: 'queued' });
      expect((await claimIn(store(), run.id, 'build', 31)).state).toBe('running');
    });

    test('is for all pipelines of that sha and pull request, and for no other of either', async () => {
      const one = await waiting(store());
      const two = await waiting(store(), { pipeline: 'docs' });
      const otherSha = await waiting(store(), { sha: shaB });
      const otherPull = await waiting(store(), { prNumber: 6 });
      const otherRepo = await waiting(store(), { repo: { ...repo, id: 8 } });
      expect(otherPull.run.id).not.toBe(one.run.id);
      expect(await store().approve(wishFor(one), approval)).toMatchObject({ runs: [one.run.id, two.run.id] });
      for (const { run } of [otherSha, otherPull, otherRepo])
        expect((await findRun(store(), run.id)).run).toMatchObject({ trust: 'T4', approval: null });
    });

    test('twice changes nothing and tells of the first, also when the run is over', async () => {
      const found = await waiting(store());
      await store().approve(wishFor(found), approval);
      const again = { by: 'bob (2)', at: at(40) };
      expect(await store().approve(wishFor(found), again)).toEqual({ kind: 'already', sha: shaA, approval });
      await store().cancel(found.run.id, null, byAda, at(41));
      expect(await store().approve(wishFor(found), again)).toMatchObject({ kind: 'already', approval });
    });

    test.each([
      ['another sha', shaB],
      ['the beginning of the sha', shaA.slice(0, 39)],
    ])('of %s is refused, naming both', async (_what, sha) => {
      const found = await waiting(store());
      const verdict = await store().approve(wishFor(found, sha), approval);
      expect(verdict).toMatchObject({ kind: 'refused', why: expect.stringContaining(shaA) as string });
      expect(verdict).toMatchObject({ why: expect.stringContaining(`not at ${sha}.`) as string });
      expect((await findRun(store(), found.run.id)).run.trust).toBe('T4');
    });

    test('of a run that is over is refused, saying why it is', async () => {
      const found = await waiting(store());
      await runIn(store(), ofFork({ sha: shaB }), [{ run: found.run.id, outcome: superseded }]);
      expect(await store().approve(wishFor(found), approval)).toEqual({
        kind: 'refused',
        why: `Run ${found.run.id} is over (superseded by bbbbbbb). Approve the newest commit of the pull request.`,
      });
    });

    test('waits until what was received of the pull request is planned', async () => {
      const found = await waiting(store());
      const newer = await intakeIn(store(), head({ ...fromFork, sha: shaB, trust: 'T4' }));
      const verdict = await store().approve(wishFor(found), approval);
      expect(verdict).toMatchObject({ kind: 'refused', why: expect.stringContaining('has just changed') as string });
      await store().applyPlan(newer, plan([]), at(3));
      const { kind: _kind, sha: _sha, trust: _trust, event: _event, ...target } = head(fromFork);
      await intakeIn(store(), { ...target, kind: 'gone', because: 'closed' });
      expect(await store().approve(wishFor(found), approval)).toMatchObject({ kind: 'refused' });
      expect((await findRun(store(), found.run.id)).run.trust).toBe('T4');
    });

    test('is not held up by what is unplanned of others, nor by news of the same sha', async () => {
      const found = await waiting(store());
      await intakeIn(store(), head({ ...fromFork, prNumber: 6, sha: shaB, trust: 'T4' }));
      await intakeIn(store(), head({ sha: shaB }));
      await intakeIn(store(), head({ ...fromFork, trust: 'T4' }));
      expect(await store().approve(wishFor(found), approval)).toMatchObject({ kind: 'approved' });
    });

    test('of a run whose pipeline came from the fork itself is refused', async () => {
      const { config: _none, ...old } = ofFork();
      const found = await runIn(store(), old);
      expect(await store().approve(wishFor(found), approval)).toMatchObject({
        kind: 'refused',
        why: expect.stringContaining("the fork's own pipeline files") as string,
      });
    });

    test('is not for runs of the repository itself, nor for those that are not there', async () => {
      const found = await runIn(store());
      expect(await store().approve(wishFor(found), approval)).toMatchObject({
        kind: 'refused',
        why: expect.stringContaining('needs no approval') as string,
      });
      expect(await store().approve({ run: 999, sha: shaA }, approval)).toEqual({ kind: 'unknown' });
    });

    test('by pull request and sha finds what waits, and takes no part of a sha for it', async () => {
      const sha = `${'c'.repeat(39)}0`;
      const found = await waiting(store(), { sha });
      const by = (text: string, prNumber = 5, repoId = repo.id) =>
        store().approve({ repoId, prNumber, sha: text }, approval);
      const parts = ['', '%', sha.slice(0, 7), sha.slice(0, 39), `${'c'.repeat(39)}1`];
      for (const one of [...parts.map((part) => by(part)), by(sha, 6), by(sha, 5, 8)])
        expect(await one).toMatchObject({
          kind: 'refused',
          why: expect.stringContaining('waits for approval. Name its newest commit.') as string,
        });
      expect((await findRun(store(), found.run.id)).run.trust).toBe('T4');
      expect(await by(sha.toUpperCase())).toMatchObject({ kind: 'approved', sha, runs: [found.run.id] });
      expect(await by(sha)).toMatchObject({ kind: 'already', sha });
    });

    test('stays with its sha: another event of the pull request joins the run, another pull request waits', async () => {
      const found = await waiting(store());
      await store().approve(wishFor(found), approval);
      expect((await waiting(store())).run.id).toBe(found.run.id);
      for (const name of ['build', 'test']) await finishIn(store(), found.run.id, name);
      expect((await waiting(store())).run).toMatchObject({ id: found.run.id, trust: 'T3', state: 'finished' });
      expect((await waiting(store(), { prNumber: 6 })).run).toMatchObject({ trust: 'T4', state: 'queued' });
    });

    test('ends with the run: when the pull request was closed and is opened again, it waits again', async () => {
      const found = await waiting(store());
      await store().approve(wishFor(found), approval);
      await store().cancel(found.run.id, null, byAda, at(31));
      const again = await waiting(store());
      expect(again.run).toMatchObject({ trust: 'T4', approval: null });
      expect(again.run.id).not.toBe(found.run.id);
    });

    test('of what a run of its class stands for already joins that one', async () => {
      const found = await waiting(store());
      const twin = await runIn(store(), ofFork({ trust: 'T3' }));
      expect(await store().approve(wishFor(found), approval)).toMatchObject({ kind: 'approved', runs: [twin.run.id] });
      expect((await findRun(store(), found.run.id)).run.outcome).toMatchObject({
        result: 'cancelled',
        message: `run ${twin.run.id} stands for this commit already`,
      });
      expect((await desired(store()))['hearth/ci']).toMatchObject({ runId: twin.run.id, state: 'pending' });
    });

    test('moves the run into the concurrency group of its new class, where the newest stays', async () => {
      const concurrency = { group: 'deploy', cancelInProgress: true };
      const older = await waiting(store(), { concurrency });
      const newer = await waiting(store(), { concurrency, prNumber: 6, sha: shaB, standsAlone: true });
      // In their own class the newer one has ended the older one already.
      expect((await findRun(store(), older.run.id)).run.outcome?.reason).toBe('superseded');
      const running = await runIn(store(), ofFork({ concurrency, trust: 'T3', prNumber: 7, pipeline: 'x' }));
      await store().approve(wishFor(newer), approval);
      expect((await findRun(store(), newer.run.id)).run.outcome?.message).toContain(`run ${running.run.id}`);
    });

    test('cannot be got around: no job of a run that waits can be claimed', async () => {
      const found = await waiting(store());
      const { id } = await jobIn(store(), found.run.id, 'build');
      await store().apply([{ job: id, attempt: 0, action: 'queue' }], at(2));
      const claim = { job: id, attempt: 0, action: 'claim', worker: 'w', leaseUntil: at(60) } as const;
      await expect(store().apply([claim], at(2))).rejects.toThrow('nobody approved');
    });
  });
}

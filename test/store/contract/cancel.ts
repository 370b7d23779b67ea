import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/core/outcome.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import {
  at,
  byAda,
  claimIn,
  evidence,
  findRun,
  finishIn,
  jobIn,
  passed,
  planned,
  runIn,
  superseded,
} from '../support.ts';

export function cancelContract(open: OpenEmptyStore): void {
  describe('cancelling', () => {
    const store = freshStore(open);

    test('a run ends what is not running and stops the rest', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint']));
      const build = await claimIn(store(), run.id, 'build');
      expect(await store().cancel(run.id, null, byAda, at(3))).toBe('cancelled');
      expect(await jobIn(store(), run.id, 'lint')).toMatchObject({ state: 'finished', outcome: byAda });
      expect(await store().claimsOf('w')).toMatchObject([{ stop: byAda }]);
      await store().finishJob(build.id, 1, { outcome: byAda, evidence: null, outputs: {} }, at(4));
      expect((await findRun(store(), run.id)).run.outcome).toEqual(byAda);
    });

    test('a run does not unmake a job that passed before it could be stopped', async () => {
      const { run } = await runIn(store());
      const build = await claimIn(store(), run.id, 'build');
      await store().cancel(run.id, null, byAda, at(3));
      expect(await store().finishJob(build.id, 1, { outcome: passed, evidence, outputs: {} }, at(4))).toBe(true);
      expect((await jobIn(store(), run.id, 'build')).outcome).toEqual(passed);
      expect((await findRun(store(), run.id)).run.outcome).toEqual(byAda);
    });

    test('of a running job is asked for once: the first cause stays', async () => {
      const { run } = await runIn(store());
      const { id } = await claimIn(store(), run.id, 'build');
      const stop = (outcome: Outcome) => store().apply([{ job: id, attempt: 1, action: 'stop', outcome }], at(3));
      expect(await stop(superseded)).toBe(1);
      expect(await stop(byAda)).toBe(0);
      expect(await store().claimsOf('w')).toMatchObject([{ stop: superseded }]);
      expect(await jobIn(store(), run.id, 'build')).toMatchObject({ state: 'running', ending: superseded });
      await expect(stop(passed)).rejects.toThrow('with a success');
    });

    test('one queued job ends that job alone', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint']));
      expect(await store().cancel(run.id, 'lint', byAda, at(3))).toBe('cancelled');
      expect(await jobIn(store(), run.id, 'lint')).toMatchObject({
        state: 'finished',
        outcome: byAda,
        timings: { finishedAt: at(3) },
      });
      expect(await jobIn(store(), run.id, 'build')).toMatchObject({ state: 'waiting' });
      expect((await findRun(store(), run.id)).run).toMatchObject({ state: 'queued', ending: null });
    });

    test('the last unfinished job ends the run', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint']));
      await finishIn(store(), run.id, 'build');
      await store().cancel(run.id, 'lint', byAda, at(6));
      expect((await findRun(store(), run.id)).run).toMatchObject({
        state: 'finished',
        outcome: { result: 'cancelled' },
      });
    });

    test('one running job stops that job alone, and its first cause wins', async () => {
      const { run } = await runIn(store(), planned(['build', 'lint']));
      await claimIn(store(), run.id, 'build');
      await claimIn(store(), run.id, 'lint', 3);
      expect(await store().cancel(run.id, 'lint', byAda, at(4))).toBe('cancelled');
      expect(await store().claimsOf('w')).toMatchObject([
        { job: { name: 'build' }, stop: null },
        { job: { name: 'lint' }, stop: byAda },
      ]);
      await store().cancel(run.id, null, superseded, at(5));
      expect((await store().claimsOf('w')).map((claim) => claim.stop)).toEqual([superseded, byAda]);
      await store().cancel(run.id, 'build', byAda, at(6));
      expect((await store().claimsOf('w')).map((claim) => claim.stop)).toEqual([superseded, byAda]);
    });

    test('what is over already says so, and what was never there too', async () => {
      const { run } = await runIn(store());
      await finishIn(store(), run.id, 'build');
      const before = await findRun(store(), run.id);
      expect(await store().cancel(run.id, null, byAda, at(6))).toBe('finished');
      expect(await store().cancel(run.id, 'build', byAda, at(6))).toBe('finished');
      expect(await store().cancel(run.id, 'deploy', byAda, at(6))).toBe('unknown');
      expect(await store().cancel(999_999, null, byAda, at(6))).toBe('unknown');
      expect(await findRun(store(), run.id)).toEqual(before);
    });

    test('with a success is refused', async () => {
      const { run } = await runIn(store());
      await claimIn(store(), run.id, 'build');
      await expect(store().cancel(run.id, null, passed, at(3))).rejects.toThrow('with a success');
      await expect(store().cancel(run.id, 'build', passed, at(3))).rejects.toThrow('with a success');
      expect(await store().claimsOf('w')).toMatchObject([{ stop: null }]);
    });
  });
}

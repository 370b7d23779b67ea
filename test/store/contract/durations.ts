import { describe, expect, test } from 'vitest';
import type { TrustClass } from '../../../src/core/run.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, byAda, claimIn, evidence, failed, passed, planned, runIn } from '../support.ts';
import type { Store } from '../../../src/core/ports.ts';
import type { Outcome } from '../../../src/core/outcome.ts';

export function durationContract(open: OpenEmptyStore): void {
  describe('what jobs took', () => {
    const store = freshStore(open);

    /** Runs one job that takes so many seconds, in a run of its own. */
    async function take(
      of: Store,
      seconds: number,
      outcome: Outcome = passed,
      trust: TrustClass = 'T2',
    ): Promise<void> {
      count += 1;
      const sha = String(count).padStart(40, '0');
      const { run } = await runIn(of, planned(['build', 'other'], { sha, trust }));
      const job = await claimIn(of, run.id, 'build', 2);
      await of.finishJob(job.id, job.attempt, { outcome, evidence, outputs: {} }, at(2 + seconds));
      await of.cancel(run.id, null, byAda, at(100));
    }
    let count = 0;

    /** As the scheduler sees it, by way of another run of the pipeline. */
    async function known(of: Store) {
      const { run } = await runIn(of, planned(['build'], { sha: 'e'.repeat(40) }));
      const { runs } = await of.snapshot();
      return runs.find((one) => one.run.id === run.id)?.durations;
    }

    test('is told with each unfinished run of the pipeline, as the median of its successes', async () => {
      await store().renewWorker({ id: 'w', slots: 1, platform: 'linux/arm64', details: {} }, at(60), at(0));
      for (const seconds of [10, 50, 20]) await take(store(), seconds);
      expect(await known(store())).toEqual([{ job: 'build', platform: 'linux/arm64', ms: 20_000 }]);
      const other = await runIn(store(), planned(['build'], { pipeline: 'other' }));
      const { runs } = await store().snapshot();
      expect(runs.find((one) => one.run.id === other.run.id)?.durations).toEqual([]);
    });

    test('is forgotten after twenty more', async () => {
      await take(store(), 900);
      for (let times = 0; times < 20; times++) await take(store(), times < 11 ? 3 : 900);
      expect(await known(store())).toEqual([{ job: 'build', platform: '', ms: 3_000 }]);
      for (let times = 0; times < 20; times++) await take(store(), 7);
      expect(await known(store())).toEqual([{ job: 'build', platform: '', ms: 7_000 }]);
    });

    test('does not count failures, nor what a fork pushed', async () => {
      await take(store(), 10, failed);
      await take(store(), 10, passed, 'T3');
      expect(await known(store())).toEqual([]);
    });
  });
}

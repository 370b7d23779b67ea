import { spawnSync } from 'node:child_process';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, type TestContext } from 'vitest';
import { StoreUnavailable } from '../../src/core/store-trouble.ts';
import { openJobLogs } from '../../src/store/job-logs.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { delivery, evidence, findRun, head, passed, claimIn, runIn } from './support.ts';
import { tempFolder } from './temp-folder.ts';

const ballastBytes = 512 * 1024;

/** A disk of 4 MB with a ballast file on it that can be thrown overboard. Only root may mount one. */
async function smallDisk(context: TestContext): Promise<string> {
  const folder = await tempFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { encoding: 'utf8' });
  if (mounted.status !== 0)
    context.skip(`cannot mount a small disk here: ${mounted.error?.message ?? mounted.stderr.trim()}`);
  onTestFinished(() => {
    spawnSync('umount', ['-l', folder]);
  });
  await writeFile(join(folder, 'ballast'), new Uint8Array(ballastBytes));
  return folder;
}

describe('on a full disk', () => {
  test('the store refuses what it cannot keep, keeps what it took, and heals with the disk', async (context) => {
    const folder = await smallDisk(context);
    const path = join(folder, 'hearth.db');
    const store = await openSqliteStore(path);
    const { run } = await runIn(store);
    const job = await claimIn(store, run.id, 'build');
    const body = new Uint8Array(8192);
    const acknowledged: string[] = [];
    const refusals: unknown[] = [];
    for (let batch = 0; refusals.length === 0; batch++) {
      const ids = Array.from({ length: 10 }, (_, index) => `d${batch}.${index}`);
      const results = await Promise.allSettled(ids.map((id) => store.recordDelivery(delivery(id, { body }), head())));
      for (const [index, result] of results.entries()) {
        if (result.status === 'fulfilled') acknowledged.push(ids[index] ?? '');
        else refusals.push(result.reason);
      }
    }
    expect(refusals).toHaveLength(10);
    for (const refusal of refusals) expect(refusal).toBeInstanceOf(StoreUnavailable);
    expect(acknowledged.length).toBeGreaterThan(50);

    // Reading goes on, and what was running can still be asked about.
    expect((await store.counts()).unplanned).toBe(acknowledged.length);
    expect((await findRun(store, run.id)).run.state).toBe('running');

    await rm(join(folder, 'ballast'));
    expect(await store.finishJob(job.id, 1, { outcome: passed, evidence, outputs: {} }, new Date(0))).toBe(true);
    const answers = await Promise.all(acknowledged.map((id) => store.recordDelivery(delivery(id), head())));
    expect(answers.filter((answer) => answer !== 'duplicate')).toEqual([]);
    await store.close();
    const again = await openSqliteStore(path);
    expect((await again.counts()).unplanned).toBe(acknowledged.length);
    await again.close();
  });

  test('a job log says so, and its digest is that of what the disk took', async (context) => {
    const folder = await smallDisk(context);
    const logs = openJobLogs(folder);
    const log = await logs.open(1, 2, 1);
    await expect(log.append(new Uint8Array(5_000_000))).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(log.bytes).toBe((await stat(join(folder, 'logs/1/2.1.log'))).size);
    await rm(join(folder, 'ballast'));
    await log.append(new TextEncoder().encode('the end\n'));
    const finished = await log.finish();
    await log.close();
    const again = await logs.open(1, 2, 1);
    expect(await again.finish()).toEqual(finished);
    await again.close();
  });
});

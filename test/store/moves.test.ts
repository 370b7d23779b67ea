import { expect, test } from 'vitest';
import { jobEdges, mayMove, type JobState } from '../../src/core/job.ts';
import { moveJob } from '../../src/store/moves.ts';
import { openSqliteEngine } from '../../src/store/sqlite.ts';
import { openStore } from '../../src/store/store.ts';
import { failed, runIn } from './support.ts';

const states = Object.keys(jobEdges) as JobState[];
const end = { result: failed.result, outcome: JSON.stringify(failed) };

test('a job moves along the edges of the table, and every other move throws and changes nothing', async () => {
  for (const from of states) {
    for (const to of states) {
      const engine = await openSqliteEngine(':memory:');
      const store = await openStore(engine);
      const { jobs } = await runIn(store);
      const { db } = engine.writer;
      await db
        .updateTable('jobs')
        .set({ state: from, ...(from === 'finished' ? end : {}) })
        .execute();
      const before = await db.selectFrom('jobs').selectAll().execute();
      const move = moveJob(db, { id: jobs[0]?.id ?? 0, state: from, attempt: 0 }, to, to === 'finished' ? end : {});
      if (mayMove(from, to)) {
        expect(await move).toBe(true);
        expect(await db.selectFrom('jobs').select('state').execute()).toEqual([{ state: to }]);
      } else {
        await expect(move).rejects.toThrow(`cannot go from ${from} to ${to}`);
        expect(await db.selectFrom('jobs').selectAll().execute()).toEqual(before);
      }
      await store.close();
    }
  }
});

test('a job that is no longer where the caller saw it stays where it is', async () => {
  const engine = await openSqliteEngine(':memory:');
  const store = await openStore(engine);
  const { jobs } = await runIn(store);
  const { db } = engine.writer;
  const seen = { id: jobs[0]?.id ?? 0, state: 'waiting', attempt: 0 } as const;
  expect(await moveJob(db, { ...seen, state: 'queued' }, 'running', {})).toBe(false);
  expect(await moveJob(db, { ...seen, attempt: 1 }, 'queued', {})).toBe(false);
  expect(await moveJob(db, { ...seen, id: 999 }, 'queued', {})).toBe(false);
  expect((await store.findRun(1))?.jobs).toEqual(jobs);
  await store.close();
});

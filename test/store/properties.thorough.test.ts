/** Random histories: whatever is asked of the store, in whatever order, these hold after every step. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mayMove } from '../../src/core/job.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import type { Store } from '../../src/core/ports.ts';
import { decide, type Decision } from '../../src/core/schedule/schedule.ts';
import type { Engine } from '../../src/store/engine.ts';
import type { JobRow, RunRow, StatusRow } from '../../src/store/schema.ts';
import { openSqliteEngine } from '../../src/store/sqlite.ts';
import { openStore } from '../../src/store/store.ts';
import {
  at,
  byAda,
  evidence,
  failed,
  head,
  intakeIn,
  passed,
  plan,
  planned,
  shaA,
  shaB,
  superseded,
} from './support.ts';

interface World {
  readonly store: Store;
  seconds: number;
}

interface Step {
  readonly name: string;
  readonly run: (world: World) => Promise<unknown>;
}

function step(name: string, run: Step['run']): Step {
  return { name, run };
}

const endings: readonly Outcome[] = [
  superseded,
  byAda,
  failed,
  { result: 'error', reason: 'lost_slot', message: 'the slot died' },
];
const id = fc.integer({ min: 1, max: 12 });
const attempt = fc.integer({ min: 0, max: 2 });
const jobLists: readonly Parameters<typeof planned>[0][] = [
  ['a'],
  ['a', { name: 'b', waitsFor: ['a'] }],
  ['a', 'b', { name: 'c', waitsFor: ['a', 'b'] }],
  [],
];

const push = fc
  .record({
    jobs: fc.constantFrom(...jobLists),
    end: fc.option(id),
    change: fc.record({
      sha: fc.constantFrom(shaA, shaB),
      pipeline: fc.constantFrom('ci', 'docs'),
      trust: fc.constantFrom('T1' as const, 'T2' as const),
      reported: fc.boolean(),
    }),
  })
  .map(({ jobs, end, change }) =>
    step(`push ${JSON.stringify({ jobs, end, change })}`, async ({ store, seconds }) => {
      const intake = await intakeIn(store, head({ sha: change.sha }));
      const isKnown = end !== null && (await store.findRun(end)) !== undefined;
      await store.applyPlan(
        intake,
        plan([planned(jobs, change)], { ends: isKnown ? [{ run: end, outcome: superseded }] : [] }),
        at(seconds),
      );
    }),
  );

const schedule = fc.constantFrom(20, 500).map((lease) =>
  step(`schedule with a lease of ${lease} s`, async ({ store, seconds }) => {
    await store.renewWorker({ id: 'w', slots: 3, details: {} }, at(seconds + lease), at(seconds));
    await store.apply(decide(await store.snapshot(), at(seconds), lease * 1000), at(seconds));
  }),
);

/** Decisions as a scheduler might make them from a snapshot that is long out of date. */
const misschedule = fc
  .record({
    job: id,
    attempt,
    action: fc.constantFrom('queue', 'claim', 'finish'),
    outcome: fc.constantFrom(...endings),
  })
  .map(({ job, attempt: number, action, outcome }) =>
    step(`${action} ${job} attempt ${number}`, ({ store, seconds }) => {
      const key = { job, attempt: number };
      const claim: Decision = { ...key, action: 'claim', worker: 'v', leaseUntil: at(seconds + 50) };
      const others: Decision = action === 'queue' ? { ...key, action } : { ...key, action: 'finish', outcome };
      return store.apply([action === 'claim' ? claim : others], at(seconds));
    }),
  );

const finish = fc
  .record({ job: id, attempt, outcome: fc.constantFrom(passed, ...endings) })
  .map(({ job, attempt: number, outcome }) =>
    step(`finish ${job} attempt ${number} as ${outcome.result}`, ({ store, seconds }) =>
      store.finishJob(job, number, { outcome, evidence, outputs: {} }, at(seconds)),
    ),
  );

const cancel = fc
  .record({ run: id, job: fc.constantFrom(null, 'a', 'b'), outcome: fc.constantFrom(superseded, byAda) })
  .map(({ run, job, outcome }) =>
    step(`cancel ${run} ${job ?? ''} as ${outcome.reason}`, ({ store, seconds }) =>
      store.cancel(run, job, outcome, at(seconds)),
    ),
  );

const send = fc
  .record({ index: fc.nat(4), back: fc.nat(1), answer: fc.constantFrom('sent', 'later', 'never') })
  .map(({ index, back, answer }) =>
    step(`status ${index}, ${back} versions back, ${answer}`, async ({ store, seconds }) => {
      const status = (await store.unsentStatuses(at(seconds), 10))[index];
      if (status === undefined) return;
      const version = Math.max(1, status.version - back);
      if (answer === 'sent') await store.statusSent(status.id, version, at(seconds));
      else await store.statusFailed(status.id, version, 'trouble', answer === 'later' ? at(seconds + 30) : 'never');
    }),
  );

interface Tables {
  readonly runs: readonly RunRow[];
  readonly jobs: readonly JobRow[];
  readonly statuses: readonly StatusRow[];
}

async function tablesOf({ reader: { db } }: Engine): Promise<Tables> {
  return {
    runs: await db.selectFrom('runs').selectAll().execute(),
    jobs: await db.selectFrom('jobs').selectAll().execute(),
    statuses: await db.selectFrom('statuses').selectAll().execute(),
  };
}

function checkState({ runs, jobs: all, statuses }: Tables): void {
  for (const run of runs) {
    const own = all.filter((job) => job.run_id === run.id);
    const isOver = own.every((job) => job.state === 'finished');
    expect(run.state === 'finished', `run ${run.id} is over exactly when its jobs are`).toBe(isOver);
    expect(run.state === 'queued' && own.some((job) => job.attempt > 0), 'a run with a claimed job is not queued').toBe(
      false,
    );
    if (run.ending !== null) {
      expect(
        own.filter((job) => job.state === 'waiting' || job.state === 'queued'),
        'nothing waits in a run that ends',
      ).toEqual([]);
    }
  }
  const standing = runs.flatMap((run) => run.dedupe ?? []);
  expect(new Set(standing).size, 'one run stands for a commit').toBe(standing.length);
  for (const job of all) {
    expect(job.result === 'success' && job.evidence === null, 'nothing is green without evidence').toBe(false);
    expect(job.state === 'running', 'only running jobs have a lease').toBe(job.lease_until !== null);
    if (job.attempt === 0) expect(job.result, 'what never ran is not green').not.toBe('success');
  }
  for (const status of statuses) {
    const run = runs.find((one) => one.id === status.run_id);
    const subject =
      status.job === null ? run : all.find((job) => job.run_id === status.run_id && job.name === status.job);
    expect(status.state === 'pending', `${status.context} is pending exactly while it is unfinished`).toBe(
      subject?.state !== 'finished',
    );
    expect(run?.reported, 'a run that is recorded only says nothing').toBe(1);
  }
}

function checkChange(before: Tables, after: Tables): void {
  for (const old of before.jobs) {
    const job = after.jobs.find((one) => one.id === old.id);
    const isLegal = job !== undefined && (job.state === old.state || mayMove(old.state, job.state));
    expect(isLegal, `job ${old.id}: ${old.state} to ${job?.state}`).toBe(true);
    expect(job?.attempt).toBeGreaterThanOrEqual(old.attempt);
    if (old.state === 'finished') expect(job, 'what is finished stays as it is').toEqual(old);
  }
  for (const old of before.runs) {
    const run = after.runs.find((one) => one.id === old.id);
    if (old.state === 'finished')
      expect({ ...run, pr_number: null }, 'a finished run stays as it is').toEqual({ ...old, pr_number: null });
    if (old.ending !== null) expect(run?.ending, 'first cause wins').toBe(old.ending);
  }
  for (const old of before.statuses) {
    const status = after.statuses.find((one) => one.id === old.id);
    expect(status?.version).toBeGreaterThanOrEqual(old.version);
    expect(status?.sent_version).toBeGreaterThanOrEqual(old.sent_version);
    expect(status?.run_id, 'a context never goes back to an older run').toBeGreaterThanOrEqual(old.run_id);
    const changed =
      status?.state !== old.state || status.description !== old.description || status.run_id !== old.run_id;
    expect(status?.version !== old.version, 'a version grows exactly with a change').toBe(changed);
    if (status?.run_id === old.run_id && old.state !== 'pending') {
      expect(status.state, 'no pending after a final within a run').not.toBe('pending');
    }
  }
}

test('random histories break none of the rules of runs, jobs and statuses', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(push, schedule, misschedule, finish, cancel, send), { minLength: 8, maxLength: 40 }),
      async (steps) => {
        const engine = await openSqliteEngine(':memory:');
        const world: World = { store: await openStore(engine), seconds: 10 };
        let before = await tablesOf(engine);
        for (const { run } of steps) {
          world.seconds += 15;
          await run(world);
          const after = await tablesOf(engine);
          checkChange(before, after);
          checkState(after);
          before = after;
        }
        await world.store.close();
      },
    ),
    { numRuns: 300 },
  );
});

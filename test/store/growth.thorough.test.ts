/**
 * Nothing may cost more because many runs are finished. Told by the engine's own plan for every statement of the store:
 * a search in an index or a walk over an index of unfinished things, never a walk over a table that grows.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { Store } from '../../src/core/ports.ts';
import { openSqliteStore, sqliteEngine } from '../../src/store/sqlite.ts';
import { openStore } from '../../src/store/store.ts';
import {
  at,
  byAda,
  claimIn,
  delivery,
  evidence,
  head,
  intakeIn,
  passed,
  plan,
  planned,
  runIn,
  shaA,
} from './support.ts';
import { tempFolder } from './temp-folder.ts';

/** A connection that remembers the text of every statement, with its placeholders. */
function listeningConnection(path: string, heard: Set<string>): Database.Database {
  const connection = new Database(path);
  const prepare = connection.prepare.bind(connection);
  connection.prepare = (text: string) => {
    heard.add(text);
    return prepare(text);
  };
  return connection;
}

async function useEverything(store: Store): Promise<void> {
  await store.recordDelivery(delivery('d1'), head());
  const intake = await intakeIn(store);
  await store.postponeIntake(intake, at(1), 'later');
  await store.unplannedIntakes(at(2), 10);
  await store.lineOfIntake(intake);
  const other = await runIn(store, planned(['a'], { pipeline: 'other' }));
  await store.applyPlan(
    intake,
    plan([planned(['a', 'b', 'c'])], { ends: [{ run: other.run.id, outcome: byAda }] }),
    at(2),
  );
  const run = other.run.id + 1;
  await store.renewWorker({ id: 'w', slots: 2, details: {} }, at(30), at(2));
  const job = await claimIn(store, run, 'a');
  await claimIn(store, run, 'b');
  await store.claimsOf('w');
  await store.jobStarted(job.id, 1, at(3));
  await store.finishJob(job.id, 1, { outcome: passed, evidence, outputs: {} }, at(4));
  await store.cancel(run, 'b', byAda, at(5));
  await store.cancel(run, null, byAda, at(5));
  const [first, second, third] = await store.unsentStatuses(at(6), 10);
  if (!first || !second || !third) throw new Error('expected three statuses');
  await store.statusSent(first.id, first.version, at(6));
  await store.statusFailed(second.id, second.version, 'why', 'never');
  await store.statusFailed(third.id, third.version, 'why', at(9));
  await store.holdRole('planner', 'a', at(9), at(6));
  await store.snapshot();
  await store.counts();
  await store.runsOfSha('aaaaaaa');
  for (const repo of [{}, { repo: 'acme/rocket' }]) {
    for (const branch of [{}, { branch: 'main' }]) {
      for (const sha of [{}, { sha: shaA }]) {
        for (const state of [{}, { state: 'finished' as const }, { state: 'running' as const }]) {
          await store.listRuns({ ...repo, ...branch, ...sha, ...state }, 10, null);
          await store.listRuns({ ...repo, ...branch, ...sha, ...state }, 10, '1000');
        }
      }
    }
  }
}

/** Tables that grow with what is finished. */
const grows = /\b(deliveries|intakes|intake_runs|runs|jobs|statuses|job_durations)\b/;
/** Indexes that hold only what is unfinished (or dead). */
const holdsLittle =
  /USING (COVERING )?INDEX (runs_live|jobs_queued|jobs_running|intakes_unplanned|statuses_unsent|statuses_dead)\b/;

function walksTooFar(step: string, text: string): boolean {
  if (!step.startsWith('SCAN') || !grows.test(step) || holdsLittle.test(step)) return false;
  // In the order of the key, the engine stops at the limit. The newest success is the first of its own index.
  const inOrder =
    /order by "(id|finished_at)"( desc)? limit/.test(text) &&
    /^SCAN runs( USING (COVERING )?INDEX runs_succeeded)?$/.test(step);
  return !inOrder;
}

/** The values do not matter: the engine keeps no statistics of the tables. */
function planOf(database: Database.Database, text: string): readonly string[] {
  const values = Array.from(text.matchAll(/\?/g), () => null);
  const rows = database.prepare<unknown[], { detail: string }>(`explain query plan ${text}`).all(...values);
  return rows.map((row) => row.detail);
}

test('no statement of the store walks over what is finished', async () => {
  const path = join(await tempFolder(), 'hearth.db');
  await (await openSqliteStore(path)).close();
  const heard = new Set<string>();
  const store = await openStore(sqliteEngine(listeningConnection(path, heard), listeningConnection(path, heard)));
  await useEverything(store);
  const database = new Database(path);
  const far: string[] = [];
  let searches = 0;
  for (const text of heard) {
    if (!/^(select|insert|update|delete|with)/.test(text)) continue;
    const steps = planOf(database, text);
    searches += steps.filter((step) => step.startsWith('SEARCH')).length;
    far.push(...steps.filter((step) => walksTooFar(step, text)).map((step) => `${step} <- ${text}`));
    // A commit and what is unfinished are small; whatever else is asked, the engine must start from them.
    const start = /"sha" = /.test(text) ? 'runs_of_sha' : /"state" = .*<> 'finished'/.test(text) ? 'runs_live' : '';
    if (text.includes('limit') && text.includes('from "runs"') && !steps.some((step) => step.includes(start))) {
      far.push(`${steps.join('; ')} <- ${text}`);
    }
    // A page of runs comes in order from an index; sorting would mean reading all that match first.
    const isSmall = /"sha" = |<> 'finished'/.test(text);
    if (
      text.includes('limit') &&
      text.includes('from "runs"') &&
      !isSmall &&
      steps.some((step) => step.includes('ORDER BY'))
    ) {
      far.push(`${steps.join('; ')} <- ${text}`);
    }
  }
  expect(far).toEqual([]);
  expect(heard.size).toBeGreaterThan(60);
  expect(searches).toBeGreaterThan(40);
  database.close();
  await store.close();
});

/** What the loops, the pages and `/health` read. Nothing here grows with the number of finished runs. */
import { sql, type SqlBool } from 'kysely';
import type { RecordedDuration } from '../core/schedule/critical-path.ts';
import type { Job } from '../core/job.ts';
import type { RunFilter, RunPage, RunWithJobs, StoreCounts } from '../core/ports.ts';
import { asksForNothing } from '../core/resources.ts';
import type { PastRun } from '../core/schedule/prewarm.ts';
import type { Snapshot } from '../core/schedule/schedule.ts';
import { durationsOf } from './durations.ts';
import { isUnsent } from './outbox.ts';
import { contextOf, dateOf, jobOf, runOf, workerOf } from './rows.ts';
import { heldByRunners } from './held.ts';
import type { Db, RunRow, WorkerRow } from './schema.ts';

/** Spelled as in the partial index, so that the engine uses it. */
const isLive = sql<SqlBool>`runs.state <> 'finished'`;

export async function snapshot(db: Db): Promise<Snapshot> {
  const runs = await db.selectFrom('runs').selectAll().where(isLive).orderBy('id').execute();
  const workers = await db.selectFrom('workers').selectAll().orderBy('id').execute();
  const durations = await durationsOfPipelines(db, runs);
  return {
    runs: (await withJobs(db, runs)).map((found, index) => ({
      ...found,
      context: contextOf(runs[index] ?? { context: '{}' }),
      durations: durations.get(`${found.run.repo.id} ${found.run.pipeline}`) ?? [],
    })),
    workers: await withLent(db, workers),
  };
}

async function withLent(db: Db, workers: readonly WorkerRow[]): Promise<Snapshot['workers']> {
  const found: Snapshot['workers'][number][] = [];
  for (const { details: _details, ...worker } of workers.map(workerOf)) {
    const lent = await heldByRunners(db, worker.id);
    found.push(asksForNothing(lent) ? worker : { ...worker, lent });
  }
  return found;
}

async function durationsOfPipelines(db: Db, runs: readonly RunRow[]) {
  const found = new Map<string, readonly RecordedDuration[]>();
  for (const { repo_id: repo, pipeline } of runs) {
    const key = `${repo} ${pipeline}`;
    if (!found.has(key)) found.set(key, await durationsOf(db, repo, pipeline));
  }
  return found;
}

export async function findRun(db: Db, id: number): Promise<RunWithJobs | undefined> {
  const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? undefined : (await withJobs(db, [row]))[0];
}

export async function listRuns(db: Db, filter: RunFilter, limit: number, cursor: string | null): Promise<RunPage> {
  const { repo, branch, sha, state } = filter;
  // A commit and what is unfinished are small sets. Hiding the other columns from the engine makes it start from them
  // and not from all runs of a repository.
  const small = sha !== undefined || (state !== undefined && state !== 'finished');
  const column = (name: 'repo_key' | 'branch') => (small ? sql`runs.${sql.ref(name)} || ''` : sql.ref(`runs.${name}`));
  const rows = await db
    .selectFrom('runs')
    .selectAll()
    .$if(repo !== undefined, (query) => query.where(sql<SqlBool>`${column('repo_key')} = ${repo?.toLowerCase()}`))
    .$if(branch !== undefined, (query) => query.where(sql<SqlBool>`${column('branch')} = ${branch}`))
    .$if(sha !== undefined, (query) => query.where('sha', '=', sha?.toLowerCase() ?? ''))
    .$if(state !== undefined, (query) => query.where('state', '=', state ?? 'finished'))
    .$if(state !== undefined && state !== 'finished', (query) => query.where(isLive))
    .$if(cursor !== null, (query) => query.where('id', '<', idOfCursor(cursor ?? '')))
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { runs: await withJobs(db, page), next: rows.length > limit && last !== undefined ? String(last.id) : null };
}

function idOfCursor(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) throw new RangeError(`"${cursor}" is not a cursor; use what a page returned as next`);
  return Number(cursor);
}

const MOST_COMMITS = 20;

export async function runsOfSha(db: Db, prefix: string): Promise<readonly RunWithJobs[]> {
  if (!/^[0-9a-f]{7,64}$/i.test(prefix)) throw new RangeError('a commit is asked for by 7 to 64 hex digits');
  const from = prefix.toLowerCase();
  const commits = await db
    .selectFrom('runs')
    .select('sha')
    .distinct()
    .where('sha', '>=', from)
    // The digit after f: all that begins with the prefix sorts before it.
    .where('sha', '<', `${from}g`)
    .orderBy('sha')
    .limit(MOST_COMMITS)
    .execute();
  const found: RunRow[] = [];
  for (const { sha } of commits) {
    const rows = await db
      .selectFrom('runs')
      .selectAll()
      .where('id', 'in', (query) =>
        query
          .selectFrom('runs as other')
          .select((other) => other.fn.max('other.id').as('id'))
          .where('other.sha', '=', sha)
          .groupBy(['other.repo_id', 'other.pipeline']),
      )
      .orderBy('id', 'desc')
      .execute();
    found.push(...rows);
  }
  return withJobs(db, found);
}

/** Among so many runs of a repository the newest of each pipeline is looked for. */
const RECENT_RUNS = 20;

export async function recentRuns(db: Db, repoIds: readonly number[]): Promise<readonly PastRun[]> {
  const found: RunRow[] = [];
  for (const id of repoIds) {
    const repo = await db.selectFrom('repositories').select('key').where('repo_id', '=', id).executeTakeFirst();
    if (repo === undefined) continue;
    // By name, since that is what the index of the runs page begins with.
    const rows = await db
      .selectFrom('runs')
      .selectAll()
      .where('repo_key', '=', repo.key)
      .where(sql<SqlBool>`exists (select 1 from jobs where jobs.run_id = runs.id)`)
      .orderBy('id', 'desc')
      .limit(RECENT_RUNS)
      .execute();
    const newest = new Map<string, RunRow>();
    for (const row of rows.filter(({ repo_id, trust }) => repo_id === id && (trust === 'T1' || trust === 'T2'))) {
      const key = `${row.trust} ${row.pipeline}`;
      if (!newest.has(key)) newest.set(key, row);
    }
    found.push(...newest.values());
  }
  const all = await withJobs(db, found);
  return all.map((one, index) => ({ ...one, context: contextOf(found[index] ?? { context: '{}' }) }));
}

export async function counts(db: Db): Promise<StoreCounts> {
  const live = await db
    .selectFrom('runs')
    .select((row) => row.fn.countAll<number>().as('n'))
    .where(isLive)
    .executeTakeFirstOrThrow();
  const queued = await db
    .selectFrom('jobs')
    .innerJoin('runs', 'runs.id', 'jobs.run_id')
    .select((row) => [row.fn.countAll<number>().as('n'), row.fn.min('jobs.queued_at').as('oldest')])
    .where(sql<SqlBool>`jobs.state = 'queued'`)
    // These wait for a person, not for a slot.
    .where('runs.trust', '<>', 'T4')
    .executeTakeFirstOrThrow();
  const unplanned = await db
    .selectFrom('intakes')
    .select((row) => row.fn.countAll<number>().as('n'))
    .where('planned_at', 'is', null)
    .executeTakeFirstOrThrow();
  const green = await db
    .selectFrom('runs')
    .select('finished_at')
    .where(sql<SqlBool>`runs.result = 'success'`)
    .orderBy('finished_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  const oldest = await db.selectFrom('runs').select('created_at').orderBy('id').limit(1).executeTakeFirst();
  const workers = await db.selectFrom('workers').selectAll().orderBy('id').execute();
  return {
    activeRuns: live.n,
    queuedJobs: queued.n,
    oldestQueuedAt: dateOf(queued.oldest),
    unplanned: unplanned.n,
    unsentStatuses: await countStatuses(db, 'unsent'),
    deadStatuses: await countStatuses(db, 'dead'),
    lastSuccessAt: dateOf(green?.finished_at ?? null),
    firstRunAt: dateOf(oldest?.created_at ?? null),
    workers: workers.map(workerOf),
  };
}

/** Without a forge, or with one that refuses, these pile up for ever; past this nobody needs the exact number. */
const COUNT_UP_TO = 10_000;

async function countStatuses(db: Db, which: 'unsent' | 'dead'): Promise<number> {
  const some = db
    .selectFrom('statuses')
    .select('id')
    .where(which === 'unsent' ? isUnsent : sql<SqlBool>`statuses.dead = 1`)
    .limit(COUNT_UP_TO);
  const { n } = await db
    .selectFrom(some.as('some'))
    .select((row) => row.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow();
  return n;
}

/** An engine allows only so many values in one statement. */
const RUNS_PER_STATEMENT = 500;

async function withJobs(db: Db, rows: readonly RunRow[]): Promise<RunWithJobs[]> {
  const jobs = new Map<number, Job[]>(rows.map((row) => [row.id, []]));
  for (let start = 0; start < rows.length; start += RUNS_PER_STATEMENT) {
    const ids = rows.slice(start, start + RUNS_PER_STATEMENT).map((row) => row.id);
    const some = await db.selectFrom('jobs').selectAll().where('run_id', 'in', ids).orderBy('id').execute();
    for (const row of some) jobs.get(row.run_id)?.push(jobOf(row));
  }
  return rows.map((row) => ({ run: runOf(row), jobs: jobs.get(row.id) ?? [] }));
}

/** Approval of a fork's commit: its waiting runs go from T4 to T3, in one transaction and each as compare-and-set. */
import { sql, type SqlBool } from 'kysely';
import { judgeApproval, nothingWaits, refused, type ApprovalVerdict, type ApprovalWish } from '../core/approval.ts';
import { concurrencyKey } from '../core/schedule/concurrency.ts';
import type { Intake } from '../core/intake.ts';
import type { RunId } from '../core/job.ts';
import type { Approval, Run } from '../core/run.ts';
import { endRun } from './moves.ts';
import { dedupeKey, makeRoomInGroup } from './plans.ts';
import { intakeOf, runOf } from './rows.ts';
import { settleRun } from './settle.ts';
import type { Db, RunRow } from './schema.ts';

export async function approve(db: Db, wish: ApprovalWish, approval: Approval): Promise<ApprovalVerdict> {
  const named = await findNamed(db, wish);
  if ('kind' in named) return named;
  const { run, sha } = named;
  const unplanned = await unplannedOf(db, run.repo.id);
  const verdict = judgeApproval(run, sha, unplanned);
  if (verdict !== null) return verdict;
  const runs: RunId[] = [];
  for (const row of await waitingWith(db, run)) {
    const stands = judgeApproval(runOf(row), sha, unplanned) === null ? await letRun(db, row, approval) : undefined;
    if (stands !== undefined) runs.push(stands);
  }
  return { kind: 'approved', sha, runs };
}

async function findNamed(db: Db, wish: ApprovalWish): Promise<{ run: Run; sha: string } | ApprovalVerdict> {
  const sha = wish.sha.toLowerCase();
  if ('run' in wish) {
    const row = await db.selectFrom('runs').selectAll().where('id', '=', wish.run).executeTakeFirst();
    return row === undefined ? { kind: 'unknown' } : { run: runOf(row), sha };
  }
  const { repoId, prNumber } = wish;
  const row = await db
    .selectFrom('runs')
    .selectAll()
    .where('repo_id', '=', repoId)
    .where('pr_number', '=', prNumber)
    .where('sha', '=', sha)
    .where('trust', 'in', ['T3', 'T4'])
    .where(sql<SqlBool>`runs.state <> 'finished'`)
    .orderBy('trust', 'desc')
    .orderBy('id', 'desc')
    .executeTakeFirst();
  return row === undefined ? refused(nothingWaits(prNumber, sha)) : { run: runOf(row), sha };
}

async function unplannedOf(db: Db, repoId: number): Promise<readonly Intake[]> {
  const rows = await db
    .selectFrom('intakes')
    .selectAll()
    .where('planned_at', 'is', null)
    .where('repo_id', '=', repoId)
    .execute();
  return rows.map(intakeOf);
}

/** The pipelines of one commit are approved together: nobody looks at the same change twice. */
async function waitingWith(db: Db, { id, repo, sha, prNumber }: Run): Promise<readonly RunRow[]> {
  return db
    .selectFrom('runs')
    .selectAll()
    .where('repo_id', '=', repo.id)
    .where('sha', '=', sha)
    .where(sql<SqlBool>`runs.trust = 'T4'`)
    .where((or) => or.or([or('id', '=', id), or('pr_number', '=', prNumber)]))
    .orderBy('id')
    .execute();
}

/** The run that stands for the commit from now on; undefined when this one was faster to end. */
async function letRun(db: Db, row: RunRow, { by, at }: Approval): Promise<RunId | undefined> {
  const waiting = runOf(row);
  const approved = { ...waiting, trust: 'T3' as const };
  const dedupe = row.dedupe === null ? null : dedupeKey(approved);
  const twin =
    dedupe === null
      ? undefined
      : await db.selectFrom('runs').select('id').where('dedupe', '=', dedupe).executeTakeFirst();
  if (twin !== undefined) {
    await joinTwin(db, row, twin.id, at);
    return twin.id;
  }
  const { concurrency } = waiting;
  const moved = await db
    .updateTable('runs')
    .set({
      ...{ trust: approved.trust, dedupe, approved_by: by, approved_at: at.getTime() },
      concurrency_key: concurrency === null ? null : concurrencyKey(approved, concurrency),
    })
    .where('id', '=', row.id)
    .where('trust', '=', 'T4')
    .where(sql<SqlBool>`runs.state = 'queued'`)
    .where('ending', 'is', null)
    .returning('id')
    .executeTakeFirst();
  if (moved === undefined) return undefined;
  // They wait for a slot only from now on.
  await db
    .updateTable('jobs')
    .set({ queued_at: at.getTime() })
    .where('run_id', '=', row.id)
    .where(sql<SqlBool>`jobs.state = 'queued'`)
    .execute();
  // It may be older than what has taken its place in the group meanwhile.
  await makeRoomInGroup(db, Number.MAX_SAFE_INTEGER, approved, at);
  await settleRun(db, row.id, at);
  return row.id;
}

/** A run of this class stands for the commit already, so there is nothing to do twice. */
async function joinTwin(db: Db, row: RunRow, twin: RunId, at: Date): Promise<void> {
  const message = `run ${twin} stands for this commit already`;
  await endRun(db, row, { result: 'cancelled', reason: 'superseded', message }, at);
}

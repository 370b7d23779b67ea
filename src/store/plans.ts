/** From a planned intake to runs, jobs and desired statuses. */
import { sql, type Insertable, type SqlBool } from 'kysely';
import { concurrencyKey, judgeMember, type Member } from '../core/schedule/concurrency.ts';
import type { Intake } from '../core/intake.ts';
import type { RunId } from '../core/job.ts';
import type { IntakePlan, PlannedRun } from '../core/ports.ts';
import { fullName, isAskedFor } from '../core/run.ts';
import { endRun } from './moves.ts';
import { endColumns, jobOf, runOf } from './rows.ts';
import { runsOfIntake } from './intakes.ts';
import { settleRun } from './settle.ts';
import { setTimetable } from './timetable.ts';
import type { Db, JobTable } from './schema.ts';

export async function applyPlan(db: Db, intake: Intake, plan: IntakePlan, now: Date): Promise<readonly RunId[]> {
  const mine = await db
    .updateTable('intakes')
    .set({ planned_at: now.getTime(), note: plan.note })
    .where('id', '=', intake.id)
    .where('planned_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  if (mine !== undefined) {
    await endStaleRuns(db, plan, now);
    if (plan.timetable !== undefined) await setTimetable(db, intake.repo.id, plan.timetable);
    for (const planned of plan.runs) {
      const run =
        (planned.standsAlone === true ? undefined : await joinRun(db, planned)) ?? (await insertRun(db, planned, now));
      await db
        .insertInto('intake_runs')
        .values({ intake_id: intake.id, run_id: run })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
  }
  return runsOfIntake(db, intake.id);
}

async function endStaleRuns(db: Db, plan: IntakePlan, now: Date): Promise<void> {
  for (const end of plan.ends) {
    const run = await db.selectFrom('runs').selectAll().where('id', '=', end.run).executeTakeFirstOrThrow();
    if (end.outcome.reason === 'superseded' && (await mayNotBeInterrupted(db, run.id))) continue;
    await endRun(db, run, end.outcome, now);
  }
}

/** `interruptible: false` counts once the job has started, so it is looked at in the transaction that would end the run. */
async function mayNotBeInterrupted(db: Db, run: RunId): Promise<boolean> {
  const begun = await db
    .selectFrom('jobs')
    .selectAll()
    .where('run_id', '=', run)
    .where('attempt', '>', 0)
    .where('origin', 'is', null)
    .execute();
  return begun.some((job) => !jobOf(job).spec.interruptible);
}

/** A commit runs a pipeline once, however many events ask for it; the first event stays its name. */
async function joinRun(db: Db, planned: PlannedRun): Promise<RunId | undefined> {
  // What was approved stays approved for this sha of this pull request, for as long as it stands for it.
  const keys = [dedupeKey(planned), ...(planned.trust === 'T4' ? [dedupeKey({ ...planned, trust: 'T3' })] : [])];
  const run = await db
    .selectFrom('runs')
    .select(['id', 'pr_number', 'line'])
    .where('dedupe', 'in', keys)
    .orderBy('trust')
    .executeTakeFirst();
  if (run !== undefined && run.pr_number === null && planned.prNumber !== null) {
    await db.updateTable('runs').set({ pr_number: planned.prNumber }).where('id', '=', run.id).execute();
  }
  if (run !== undefined && run.line !== planned.line) {
    // Two branches stand at this commit: what happens to one may not take the verdict from the other.
    await db
      .updateTable('runs')
      .set({ line: sharedLine(run.id) })
      .where('id', '=', run.id)
      .execute();
  }
  return run?.id;
}

/** No head ever arrives on it, so nothing supersedes such a run. */
function sharedLine(run: RunId): string {
  return `shared:${run}`;
}

async function insertRun(db: Db, planned: PlannedRun, now: Date): Promise<RunId> {
  const { repo, outcome } = planned;
  if (outcome?.result === 'success') throw new Error('Internal error: a run cannot be planned as a success');
  if (outcome !== null && planned.jobs.length > 0) throw new Error('Internal error: a run that is over has no jobs');
  const { id } = await db
    .insertInto('runs')
    .values({
      ...{ repo_id: repo.id, repo_owner: repo.owner, repo_name: repo.name, repo_key: fullName(repo).toLowerCase() },
      ...{ sha: planned.sha, ref: planned.ref, line: planned.line, branch: branchOf(planned) },
      ...{ pr_number: planned.prNumber, event_name: planned.eventName, trust: planned.trust },
      ...{
        pipeline: planned.pipeline,
        title: planned.title,
        ...groupColumns(planned),
        context: JSON.stringify(planned.context),
        config: planned.config === undefined ? null : JSON.stringify(planned.config),
        reported: planned.reported ? 1 : 0,
      },
      dedupe: standsForCommit(planned) ? dedupeKey(planned) : null,
      created_at: now.getTime(),
      state: 'queued',
      ...(outcome === null ? {} : endColumns(outcome, now)),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await insertJobs(db, id, planned, now);
  if (outcome === null && planned.leftOut === null) await makeRoomInGroup(db, id, planned, now);
  await settleRun(db, id, now);
  return id;
}

/** What was cancelled or left out does not: another event may want it run. */
function standsForCommit({ outcome, leftOut, standsAlone }: PlannedRun): boolean {
  return outcome?.result !== 'cancelled' && leftOut === null && standsAlone !== true;
}

export function groupColumns(run: Pick<PlannedRun, 'concurrency' | 'repo' | 'trust'>) {
  const { concurrency } = run;
  if (concurrency === null) return { concurrency: null, concurrency_key: null };
  return { concurrency: JSON.stringify(concurrency), concurrency_key: concurrencyKey(run, concurrency) };
}

/** Ends what the new run makes stale in its group; whether it may start itself is for the scheduler to say. */
export async function makeRoomInGroup(
  db: Db,
  newest: RunId,
  planned: Pick<PlannedRun, 'concurrency' | 'repo' | 'trust'>,
  now: Date,
): Promise<void> {
  const { concurrency } = planned;
  if (concurrency === null) return;
  const live = await db
    .selectFrom('runs')
    .selectAll()
    .where('concurrency_key', '=', concurrencyKey(planned, concurrency))
    .where(sql<SqlBool>`runs.state <> 'finished'`)
    .orderBy('id')
    .execute();
  const members = live.map((row): Member => {
    const cancelInProgress = runOf(row).concurrency?.cancelInProgress ?? false;
    return { order: row.id, isRunning: row.state === 'running', cancelInProgress, label: `run ${row.id}` };
  });
  for (const [index, row] of live.entries()) {
    const member = members[index];
    const verdict = member === undefined ? undefined : judgeMember(member, members, concurrency.group);
    if (row.id < newest && verdict?.kind === 'end') await endRun(db, row, verdict.outcome, now);
  }
}

/** An engine allows only so many values in one statement. */
export const JOBS_PER_STATEMENT = 500;

async function insertJobs(db: Db, run: RunId, { jobs, leftOut }: PlannedRun, now: Date): Promise<void> {
  const end = leftOut === null ? {} : endColumns({ result: 'skipped', reason: 'condition', message: leftOut }, now);
  const rows = jobs.map(({ spec, waitsFor }): Insertable<JobTable> => ({
    run_id: run,
    name: spec.name,
    spec: JSON.stringify(spec),
    waits_for: JSON.stringify(waitsFor),
    state: 'waiting' as const,
    attempt: 0,
    ...end,
  }));
  for (let start = 0; start < rows.length; start += JOBS_PER_STATEMENT) {
    await db
      .insertInto('jobs')
      .values(rows.slice(start, start + JOBS_PER_STATEMENT))
      .execute();
  }
}

const BRANCH = 'refs/heads/';
/** A branch may be called `merge` as well. */
const MERGED = /^refs\/pull\/\d+\/merge$/;

/** An approval is for one pull request, so two of them share no run though they have one head. */
export function dedupeKey(run: Pick<PlannedRun, 'repo' | 'sha' | 'trust' | 'pipeline' | 'prNumber' | 'ref'>): string {
  // What a pull request would become is another commit than its head.
  const files = MERGED.test(run.ref) ? ` ${run.ref}` : '';
  const key = `${run.repo.id} ${run.sha} ${run.trust} ${run.pipeline}${files}`;
  return run.prNumber !== null && (run.trust === 'T3' || run.trust === 'T4') ? `${key} #${run.prNumber}` : key;
}

/** Told by the line, which names the repository the commits live in: a fork's `main` is never the base's `main`. */
function branchOf(run: PlannedRun): string | null {
  // Only the repository's own refs can be asked for, and what is asked for is on no line.
  if (isAskedFor(run.eventName)) return run.ref.startsWith(BRANCH) ? run.ref.slice(BRANCH.length) : null;
  const prefix = `${run.repo.id}:refs/heads/`;
  return run.line.startsWith(prefix) ? run.line.slice(prefix.length) : null;
}

/** What the scheduler and the workers do to jobs. */
import { sql, type SqlBool } from 'kysely';
import { needsContext } from '../core/contexts.ts';
import type { JobId, WorkerId } from '../core/job.ts';
import { isProven, type Outcome } from '../core/outcome.ts';
import type { Claim, Finish } from '../core/ports.ts';
import { unreachable } from '../core/result.ts';
import type { Decision } from '../core/schedule/schedule.ts';
import { rightsOf } from '../core/trust.ts';
import { recordDuration } from './durations.ts';
import { hasRoom } from './held.ts';
import { endAttempt, endJob, endRun, moveJob } from './moves.ts';
import { contextOf, jobOf, outcomeOf, runOf } from './rows.ts';
import { artifactsAtClaim, originsAtClaim, waitedFor } from './publications.ts';
import { keepResults } from './results.ts';
import { keepForReuse } from './reuse.ts';
import { settleRun } from './settle.ts';
import type { Db, JobRow, RunRow } from './schema.ts';

export async function applyDecisions(db: Db, decisions: readonly Decision[], now: Date): Promise<number> {
  const touched = new Set<number>();
  let effects = 0;
  for (const decision of decisions) {
    const job = await findJob(db, decision.job);
    if (job === undefined || job.attempt !== decision.attempt) continue;
    if (!(await applyDecision(db, job, decision, now))) continue;
    touched.add(job.run_id);
    effects += 1;
  }
  for (const run of touched) await settleRun(db, run, now);
  return effects;
}

/** False when the decision no longer fits the job. */
async function applyDecision(db: Db, job: JobRow, decision: Decision, now: Date): Promise<boolean> {
  switch (decision.action) {
    case 'queue':
      return job.state === 'waiting' && moveJob(db, job, 'queued', { queued_at: now.getTime() });
    case 'claim':
      return job.state === 'queued' && claimJob(db, job, decision, now);
    case 'finish':
      if (job.state === 'finished' || keepsItsLease(job, decision.outcome, now)) return false;
      return (job.state === 'running' ? endAttempt : endJob)(db, job, {
        outcome: decision.outcome,
        evidence: null,
        at: now,
      });
    case 'stop':
      return job.state === 'running' && stopJob(db, job, decision.outcome);
    default:
      return unreachable(decision);
  }
}

/** First cause wins. */
async function stopJob(db: Db, job: JobRow, outcome: Outcome): Promise<boolean> {
  if (outcome.result === 'success') throw new Error(`Internal error: job ${job.id} cannot be stopped with a success`);
  const asked = await db
    .updateTable('jobs')
    .set({ stop: JSON.stringify(outcome) })
    .where('id', '=', job.id)
    .where('attempt', '=', job.attempt)
    .where('stop', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return asked !== undefined;
}

async function claimJob(db: Db, job: JobRow, claim: Decision & { action: 'claim' }, now: Date): Promise<boolean> {
  const run = await db.selectFrom('runs').select('trust').where('id', '=', job.run_id).executeTakeFirstOrThrow();
  if (!rightsOf(run.trust).runs) throw new Error(`Internal error: job ${job.id} belongs to a run that nobody approved`);
  if (!(await hasRoom(db, claim.worker, job))) return false;
  const origins = await originsAtClaim(db, job);
  if (origins === undefined) return false;
  return moveJob(db, job, 'running', {
    ...(Object.keys(origins).length === 0 ? {} : { artifact_origins: JSON.stringify(origins) }),
    attempt: job.attempt + 1,
    worker: claim.worker,
    lease_until: claim.leaseUntil.getTime(),
    claimed_at: now.getTime(),
  });
}

/** The worker may have renewed its lease after the snapshot that found it lost. */
function keepsItsLease(job: JobRow, outcome: Outcome, now: Date): boolean {
  return outcome.reason === 'lost_worker' && job.lease_until !== null && job.lease_until >= now.getTime();
}

export async function claimsOf(db: Db, worker: WorkerId): Promise<readonly Claim[]> {
  const jobs = await db
    .selectFrom('jobs')
    .selectAll()
    .where('worker', '=', worker)
    .where(sql<SqlBool>`jobs.state = 'running'`)
    .orderBy('claimed_at')
    .orderBy('id')
    .execute();
  const claims: Claim[] = [];
  for (const job of jobs) {
    const run = await db.selectFrom('runs').selectAll().where('id', '=', job.run_id).executeTakeFirstOrThrow();
    const own = jobOf(job);
    const needed = await waitedFor(db, own);
    const needs = needsContext(own, needed);
    claims.push({
      job: own,
      run: runOf(run),
      context: contextOf(run),
      needs,
      artifacts: await artifactsAtClaim(db, job, needed),
      stop: own.ending ?? outcomeOf(run.ending),
    });
  }
  return claims;
}

export async function jobStarted(db: Db, id: JobId, attempt: number, at: Date): Promise<boolean> {
  const job = await findJob(db, id);
  if (job?.state !== 'running' || job.attempt !== attempt) return false;
  if (job.started_at === null) {
    await db
      .updateTable('jobs')
      .set({ started_at: at.getTime() })
      .where('id', '=', id)
      .where('attempt', '=', attempt)
      .execute();
  }
  return true;
}

export interface JobEnd extends Finish {
  readonly job: JobId;
  readonly attempt: number;
  readonly at: Date;
}

export async function finishJob(db: Db, end: JobEnd): Promise<boolean> {
  if (end.outcome.result === 'success' && end.evidence === null) {
    throw new Error(`Internal error: job ${end.job} cannot succeed without evidence`);
  }
  const job = await findJob(db, end.job);
  if (job?.state !== 'running' || job.attempt !== end.attempt) return false;
  if (end.outcome.result === 'success' && !isProven(end.evidence, jobOf(job).spec.lane !== undefined)) {
    throw new Error(`Internal error: job ${end.job} cannot succeed without the run of its workflow`);
  }
  if (!(await endAttempt(db, job, end))) return false;
  await keepResults(db, job, end);
  await keepForReuse(db, job, end);
  if (end.outcome.result === 'success' && end.reuse?.kind !== 'taken') await recordDuration(db, job, end.at);
  await settleRun(db, job.run_id, end.at);
  return true;
}

export interface CancelRequest {
  readonly run: number;
  readonly job: string | null;
  readonly outcome: Outcome;
  readonly at: Date;
}

export async function cancel(db: Db, request: CancelRequest): Promise<'cancelled' | 'finished' | 'unknown'> {
  const run = await db.selectFrom('runs').selectAll().where('id', '=', request.run).executeTakeFirst();
  if (run === undefined) return 'unknown';
  if (request.outcome.result === 'success')
    throw new Error(`Internal error: run ${run.id} cannot be cancelled with a success`);
  if (request.job !== null) return cancelJob(db, run, request.job, request);
  if (run.state === 'finished') return 'finished';
  await endRun(db, run, request.outcome, request.at);
  return 'cancelled';
}

async function cancelJob(
  db: Db,
  run: RunRow,
  name: string,
  request: CancelRequest,
): Promise<'cancelled' | 'finished' | 'unknown'> {
  const job = await db
    .selectFrom('jobs')
    .selectAll()
    .where('run_id', '=', run.id)
    .where('name', '=', name)
    .executeTakeFirst();
  if (job === undefined) return 'unknown';
  if (job.state === 'finished') return 'finished';
  if (job.state === 'running') {
    await stopJob(db, job, outcomeOf(run.ending) ?? request.outcome);
  } else {
    await endJob(db, job, { outcome: request.outcome, evidence: null, at: request.at });
    await settleRun(db, run.id, request.at);
  }
  return 'cancelled';
}

async function findJob(db: Db, id: JobId): Promise<JobRow | undefined> {
  return db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
}

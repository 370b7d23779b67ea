/** The Store port: its use-cases, each in a transaction of the right kind. */
import type { Store } from '../core/ports.ts';
import { approve } from './approvals.ts';
import { read, type Engine } from './engine.ts';
import { startGroupCommit, type CommitFigures } from './group-commit.ts';
import { askDispatch, dispatchAnswered, dispatchOf, takenRuns } from './dispatches.ts';
import { findIntake, lineOfIntake, postponeIntake, recordDelivery, unplannedIntakes } from './intakes.ts';
import { applyDecisions, cancel, claimsOf, finishJob, jobStarted } from './jobs.ts';
import { migrate } from './migrate.ts';
import { statusFailed, statusSent, unsentStatuses } from './outbox.ts';
import { applyPlan } from './plans.ts';
import { openWorkflowJobs, poolHistory } from './pool-history.ts';
import { forgetPool, notePool, pools, poolSnapshot, savePool, wishPool } from './pools.ts';
import { publishArtifacts } from './publications.ts';
import { changeRunner, countRule, planRunners, runners } from './runners.ts';
import { rerun } from './reruns.ts';
import { counts, findRun, listRuns, recentRuns, runsOfSha, snapshot } from './reads.ts';
import { artifactsRemoved, expiredArtifacts, resultsOf } from './results.ts';
import { findReusable } from './reuse.ts';
import { removeSecret, saveSecret, secretsOf } from './secrets.ts';
import { knownRepo } from './repositories.ts';
import { dueTimes, takeTime } from './timetable.ts';
import { holdRole, renewWorker } from './workers.ts';
import { recordNews, workflowRun } from './workflows.ts';

export interface OpenStore extends Store {
  /** For metrics: how well commits are shared. Counts since the store was opened. */
  commitFigures(): CommitFigures;
}

/**
 * Migrates the engine's database and serves the port on it; closing the store closes the engine. Every method rejects
 * with StoreUnavailable when the database is in trouble, and then nothing of it has happened.
 */
export async function openStore(engine: Engine): Promise<OpenStore> {
  await migrate(engine);
  const { write, figures, close } = startGroupCommit(engine);
  return {
    recordDelivery: (delivery, request, news = null) => write((db) => recordDelivery(db, delivery, request, news)),
    recordWorkflowNews: (news, at) => write((db) => recordNews(db, news, at)),
    workflowRun: (id) => read(engine, (db) => workflowRun(db, id)),
    dispatchOf: (job, attempt) => read(engine, (db) => dispatchOf(db, job, attempt)),
    askDispatch: (dispatch) => write((db) => askDispatch(db, dispatch)),
    dispatchAnswered: (job, attempt, answer) => write((db) => dispatchAnswered(db, job, attempt, answer)),
    takenRuns: (ids) => read(engine, (db) => takenRuns(db, ids)),
    unplannedIntakes: (now, limit) => read(engine, (db) => unplannedIntakes(db, now, limit)),
    lineOfIntake: (intake) => read(engine, (db) => lineOfIntake(db, intake)),
    applyPlan: (intake, plan, now) => write((db) => applyPlan(db, intake, plan, now)),
    postponeIntake: (intake, until, why) => write((db) => postponeIntake(db, intake, until, why)),
    findIntake: (by) => read(engine, (db) => findIntake(db, by)),
    knownRepo: (name) => read(engine, (db) => knownRepo(db, name)),

    dueTimes: (now, limit) => read(engine, (db) => dueTimes(db, now, limit)),
    takeTime: (due, next, ask) => write((db) => takeTime(db, due, next, ask)),

    snapshot: () => read(engine, snapshot),
    apply: (decisions, now) => write((db) => applyDecisions(db, decisions, now)),

    renewWorker: (worker, leaseUntil, now) => write((db) => renewWorker(db, worker, leaseUntil, now)),
    claimsOf: (worker) => read(engine, (db) => claimsOf(db, worker)),
    jobStarted: (job, attempt, at) => write((db) => jobStarted(db, job, attempt, at)),
    publishArtifacts: (job, attempt, publication) =>
      write((db) => publishArtifacts(db, { job, attempt, ...publication })),
    finishJob: (job, attempt, finish, at) => write((db) => finishJob(db, { job, attempt, ...finish, at })),
    findReusable: (of, now) => read(engine, (db) => findReusable(db, of, now)),
    cancel: (run, job, outcome, at) => write((db) => cancel(db, { run, job, outcome, at })),
    rerun: (run, asked, at) => write((db) => rerun(db, run, asked, at)),

    approve: (wish, approval) => write((db) => approve(db, wish, approval)),

    unsentStatuses: (now, limit) => read(engine, (db) => unsentStatuses(db, now, limit)),
    statusSent: (id, version, at) => write((db) => statusSent(db, id, version, at)),
    statusFailed: (id, version, why, retryAt) => write((db) => statusFailed(db, { id, version, why, retryAt })),

    findRun: (id) => read(engine, (db) => findRun(db, id)),
    resultsOf: (run) => read(engine, (db) => resultsOf(db, run)),
    expiredArtifacts: (now, limit) => read(engine, (db) => expiredArtifacts(db, now, limit)),
    artifactsRemoved: (artifacts) => write((db) => artifactsRemoved(db, artifacts)),
    listRuns: (filter, limit, cursor) => read(engine, (db) => listRuns(db, filter, limit, cursor)),
    runsOfSha: (prefix) => read(engine, (db) => runsOfSha(db, prefix)),
    recentRuns: (repoIds) => read(engine, (db) => recentRuns(db, repoIds)),
    counts: () => read(engine, counts),

    saveSecret: (secret, now) => write((db) => saveSecret(db, secret, now)),
    secretsOf: (repo) => read(engine, (db) => secretsOf(db, repo)),
    removeSecret: (repo, name) => write((db) => removeSecret(db, repo, name)),

    savePool: (pool, source, wish, at) => write((db) => savePool(db, { pool, source, wish, at })),
    wishPool: (name, wish, at) => write((db) => wishPool(db, name, wish, at)),
    forgetPool: (name) => write((db) => forgetPool(db, name)),
    pools: () => read(engine, pools),
    notePool: (name, condition) => write((db) => notePool(db, name, condition)),
    poolSnapshot: (worker) => read(engine, (db) => poolSnapshot(db, worker)),
    planRunners: (worker, wanted, room, at) => write((db) => planRunners(db, { worker, runners: wanted, room, at })),
    changeRunner: (id, from, change, at) => write((db) => changeRunner(db, { id, from, change, at })),
    countRule: (pool, rule, at) => write((db) => countRule(db, pool, rule, at)),
    runners: (limit) => read(engine, (db) => runners(db, limit)),
    poolHistory: (name, limit) => read(engine, (db) => poolHistory(db, name, limit)),
    openWorkflowJobs: (limit) => read(engine, (db) => openWorkflowJobs(db, limit)),

    holdRole: (role, owner, until, now) => write((db) => holdRole(db, { role, owner, until, now })),

    async close() {
      await close();
      await engine.close();
    },
    commitFigures: figures,
  };
}

/** Short ways to say what a store should hold. Times are seconds after one fixed instant. */
import type { Delivery, Intake, IntakeRequest } from '../../src/core/intake.ts';
import type { Job } from '../../src/core/job.ts';
import type { Evidence, Outcome } from '../../src/core/outcome.ts';
import type { IntakePlan, OutgoingStatus, PlannedRun, RunWithJobs, Store } from '../../src/core/ports.ts';
import { makeContext, makeSpec } from '../support/make.ts';

export function at(seconds: number): Date {
  return new Date(1_700_000_000_000 + seconds * 1000);
}

export const repo = { id: 7, owner: 'Acme', name: 'rocket' };
export const shaA = 'a'.repeat(40);
export const shaB = 'b'.repeat(40);
export const passed: Outcome = { result: 'success', reason: 'exit', message: 'passed in 3 s' };
export const failed: Outcome = { result: 'failure', reason: 'exit', message: 'exit 3', exitCode: 3 };
export const superseded: Outcome = { result: 'cancelled', reason: 'superseded', message: 'superseded by bbbbbbb' };
export const byAda: Outcome = { result: 'cancelled', reason: 'cancelled_by', message: 'cancelled by ada' };
export const evidence: Evidence = { exitCode: 0, logSha256: 'f'.repeat(64), logBytes: 12, droppedBytes: 0 };

export function delivery(id: string, change: Partial<Delivery> = {}): Delivery {
  const body = new TextEncoder().encode(`{"delivery":"${id}"}`);
  return { id, event: 'push', body, receivedAt: at(0), verdict: 'accepted', note: null, ...change };
}

export function head(change: Partial<IntakeRequest & { kind: 'head' }> = {}): IntakeRequest & { kind: 'head' } {
  return {
    kind: 'head',
    eventName: 'push',
    sha: shaA,
    trust: 'T2',
    event: {},
    repo,
    headRef: 'refs/heads/topic',
    headRepoId: repo.id,
    prNumber: null,
    baseRef: null,
    defaultBranch: 'main',
    actor: 'ada',
    ...change,
  };
}

/** A run of pipeline `ci` with jobs of these names; the second form gives a job what it waits for. */
export function planned(
  jobs: readonly (string | { name: string; waitsFor: string[] })[],
  change: Partial<PlannedRun> = {},
): PlannedRun {
  return {
    pipeline: 'ci',
    title: 'ci',
    concurrency: null,
    repo,
    sha: shaA,
    ref: 'refs/heads/topic',
    line: `${repo.id}:refs/heads/topic`,
    prNumber: null,
    eventName: 'push',
    trust: 'T2',
    context: makeContext({ refName: 'topic', actor: 'ada' }),
    jobs: jobs.map((job) =>
      typeof job === 'string'
        ? { spec: makeSpec(job), waitsFor: [] }
        : { spec: makeSpec(job.name, { needs: job.waitsFor }), waitsFor: job.waitsFor },
    ),
    outcome: null,
    leftOut: null,
    reported: true,
    ...change,
  };
}

export function plan(runs: readonly PlannedRun[], change: Partial<IntakePlan> = {}): IntakePlan {
  return { runs, ends: [], note: null, ...change };
}

let deliveries = 0;

/** Records a delivery that asks for this and returns its intake as the planner gets it. */
export async function intakeIn(store: Store, request: IntakeRequest = head()): Promise<Intake> {
  deliveries += 1;
  const id = `delivery-${deliveries}`;
  await store.recordDelivery(delivery(id), request);
  const intake = (await store.unplannedIntakes(at(1e6), 1000)).find((one) => one.deliveryId === id);
  if (intake === undefined) throw new Error(`no intake of ${id}`);
  return intake;
}

/** Makes one run the way the planner does. */
export async function runIn(
  store: Store,
  run: PlannedRun = planned(['build']),
  ends: IntakePlan['ends'] = [],
): Promise<RunWithJobs> {
  const intake = await intakeIn(store, head({ sha: run.sha, trust: run.trust }));
  const [id] = await store.applyPlan(intake, plan([run], { ends }), at(1));
  return findRun(store, id ?? 0);
}

export async function findRun(store: Store, id: number): Promise<RunWithJobs> {
  const run = await store.findRun(id);
  if (run === undefined) throw new Error(`no run ${id}`);
  return run;
}

export async function jobIn(store: Store, run: number, name: string): Promise<Job> {
  const job = (await findRun(store, run)).jobs.find((one) => one.name === name);
  if (job === undefined) throw new Error(`run ${run} has no job ${name}`);
  return job;
}

/** Queues the job and claims it for worker `w`; returns it as it then is. */
export async function claimIn(store: Store, run: number, name: string, seconds = 2): Promise<Job> {
  const { id, attempt } = await jobIn(store, run, name);
  await store.apply([{ job: id, attempt, action: 'queue' }], at(seconds));
  await store.apply([{ job: id, attempt, action: 'claim', worker: 'w', leaseUntil: at(60) }], at(seconds));
  return jobIn(store, run, name);
}

/** Runs a job from waiting to its end. */
export async function finishIn(store: Store, run: number, name: string, outcome: Outcome = passed): Promise<void> {
  const { id, attempt } = await claimIn(store, run, name);
  await store.finishJob(id, attempt, { outcome, evidence, outputs: {} }, at(5));
}

/** What the forge should be told now, by context. */
export async function desired(store: Store): Promise<Record<string, OutgoingStatus>> {
  const unsent = await store.unsentStatuses(at(1e6), 10_000);
  return Object.fromEntries(unsent.map((status) => [status.context, status]));
}

/** The forge takes all that it should be told. */
export async function sendAll(store: Store): Promise<void> {
  for (const status of await store.unsentStatuses(at(1e6), 10_000))
    await store.statusSent(status.id, status.version, at(10));
}

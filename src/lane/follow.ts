/** Follows the run of a workflow to its end: by what webhooks brought into the store, and by asking in case they are lost. */
import type { DispatchedRun } from '../core/lane/dispatch.ts';
import type { DispatchOrder } from '../core/lane/lane-port.ts';
import { endOf, hasMoved, nextStep, type Following } from '../core/lane/next-step.ts';
import { conclusionLine, progressLines } from '../core/lane/progress.ts';
import { minutes } from '../core/minutes.ts';
import type { Evidence, Outcome } from '../core/outcome.ts';
import type { Finish, ForgeTrouble } from '../core/ports.ts';
import type { WorkflowNews } from '../core/workflow.ts';
import type { LaneJob } from './parts.ts';

/** Rejects only when `detach` aborts, or when the log cannot be written. */
export async function followRun(job: LaneJob, order: DispatchOrder, run: DispatchedRun): Promise<Finish> {
  const { claim, clock, signals, bell, pace, log } = job;
  const { timeoutMs } = claim.job.spec;
  await log.say(`run ${run.id}: ${run.url}`);
  signals.started(run.at);
  const usedMs = Math.min(Math.max(clock.now().getTime() - run.at.getTime(), 0), timeoutMs);
  let of: Following = {
    ...{ sha: claim.run.sha, ref: order.ref, run: null, jobs: [], askedAt: null, notBefore: -Infinity },
    ...{ isConfirmed: false, deadline: clock.monotonicMs() + timeoutMs - usedMs, stop: null, cancel: null },
  };
  for (;;) {
    of = {
      ...of,
      ...(await known(job, run, of)),
      stop: signals.stop.aborted ? (signals.stop.reason as Outcome) : null,
    };
    signals.detach.throwIfAborted();
    if (!hasMoved(of)) await log.say(...progressLines(of.run, of.jobs));
    const step = nextStep(of, clock.monotonicMs(), pace);
    switch (step.kind) {
      case 'wait':
        await bell.wait(step.ms, [signals.detach, signals.stop]);
        break;
      case 'ask':
        of = { ...of, ...(await asked(job, run, of)) };
        break;
      case 'cancel':
        of = { ...of, ...(await cancelled(job, run, of)) };
        break;
      case 'end':
        return finish(job, run, of, endOf(of, `timed out after ${minutes(timeoutMs)}`));
    }
    signals.detach.throwIfAborted();
  }
}

/** What the store has of it; as before while it does not answer. */
async function known(
  { store, claim, onError }: LaneJob,
  { id }: DispatchedRun,
  before: Following,
): Promise<Pick<Following, 'run' | 'jobs'>> {
  try {
    const { run, jobs } = await store.workflowRun(id);
    return run?.repo.id === claim.run.repo.id ? { run, jobs } : { run: null, jobs: [] };
  } catch (error) {
    onError(error);
    return { run: before.run, jobs: before.jobs };
  }
}

type Learned = Pick<Following, 'askedAt' | 'notBefore' | 'isConfirmed'>;

/** No answer of the forge but one that tells of the run changes anything about it. */
async function asked(job: LaneJob, { id }: DispatchedRun, of: Following): Promise<Learned> {
  const { claim, clock, forge, store, signals, onError } = job;
  const { repo } = claim.run;
  const run = await forge.run(repo, id, signals.detach);
  const jobs = run.ok ? await forge.jobs(repo, id, signals.detach) : run;
  signals.detach.throwIfAborted();
  const news: WorkflowNews[] = [
    ...(run.ok ? [{ kind: 'run' as const, run: run.value }] : []),
    ...(jobs.ok ? jobs.value.map((one) => ({ kind: 'job' as const, job: one })) : []),
  ];
  try {
    if (news.length > 0) await store.recordWorkflowNews(news, clock.now());
  } catch (error) {
    onError(error);
  }
  const isOver = run.ok && jobs.ok && run.value.state === 'completed';
  return {
    askedAt: clock.monotonicMs(),
    isConfirmed: of.run?.state === 'completed' || isOver,
    notBefore: jobs.ok ? of.notBefore : await noteTrouble(job, jobs.problem, of.notBefore),
  };
}

async function cancelled(
  job: LaneJob,
  { id }: DispatchedRun,
  of: Following,
): Promise<Pick<Following, 'cancel' | 'notBefore'>> {
  const { claim, clock, forge, signals, log } = job;
  const since = of.cancel?.since ?? clock.monotonicMs();
  const sent = await forge.cancel(claim.run.repo, id, signals.detach);
  signals.detach.throwIfAborted();
  if (sent.ok) await log.say('hearth: GitHub was asked to cancel the run');
  const notBefore = sent.ok ? of.notBefore : await noteTrouble(job, sent.problem, of.notBefore);
  return { cancel: { since, triedAt: clock.monotonicMs(), isAccepted: sent.ok }, notBefore };
}

async function noteTrouble(
  { log, clock }: LaneJob,
  { message, retryAt }: ForgeTrouble,
  notBefore: number,
): Promise<number> {
  await log.say(`hearth: ${message}`);
  return retryAt === undefined ? notBefore : clock.monotonicMs() + retryAt.getTime() - clock.now().getTime();
}

async function finish(job: LaneJob, { id, url }: DispatchedRun, of: Following, ended: Outcome): Promise<Finish> {
  const { log, mask } = job;
  const outcome = { ...ended, message: mask(ended.message) };
  const over = of.run?.state === 'completed' && !hasMoved(of) ? of.run : undefined;
  if (over !== undefined) await log.say(conclusionLine(over));
  else if (of.run?.state !== 'completed') await log.say(`hearth: GitHub has not ended the run yet: ${url}`);
  if (outcome.result !== 'success') await log.say(`hearth: ${outcome.message}`);
  const { sha256: logSha256, bytes: logBytes } = await log.finish();
  const conclusion = over?.conclusion ?? null;
  if (over === undefined || conclusion === null) return { outcome, outputs: {}, evidence: null };
  const evidence: Evidence = {
    ...{ exitCode: outcome.result === 'success' ? 0 : 1, logSha256, logBytes, droppedBytes: 0 },
    workflow: { runId: id, attempt: over.attempt, url, conclusion },
  };
  return { outcome, outputs: { conclusion: mask(conclusion), 'run-id': String(id), url }, evidence };
}

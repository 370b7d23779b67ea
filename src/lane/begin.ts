/**
 * Begins the run of a workflow at most once for an attempt: what is about to be asked is on disk before, and what was asked
 * and not answered is looked for and not asked again, until it is known that there is nothing.
 */
import type { Dispatch, DispatchedRun } from '../core/lane/dispatch.ts';
import type { DispatchedRuns, DispatchOrder } from '../core/lane/lane-port.ts';
import { afterLook, matchRun } from '../core/lane/match.ts';
import { minutes } from '../core/minutes.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { ForgeTrouble } from '../core/ports.ts';
import { persist, type LaneJob } from './parts.ts';

export type Begun =
  { readonly kind: 'run'; readonly run: DispatchedRun } | { readonly kind: 'end'; readonly outcome: Outcome };

/** A state that another look may change: what is on record, and since when it is looked at. */
interface Asked {
  readonly dispatch: Dispatch;
  readonly since: number;
}

/** Rejects only when `detach` aborts. Only one job of a workflow may be in here at a time, or the runs could not be told apart. */
export async function beginRun(job: LaneJob, order: DispatchOrder): Promise<Begun> {
  const { claim, clock, signals, bell, pace, log } = job;
  const { timeoutMs } = claim.job.spec;
  const deadline = clock.monotonicMs() + timeoutMs;
  let stoppedAt: number | undefined;
  let asked = await askedAlready(job, undefined);
  for (;;) {
    if (asked?.dispatch.run) return { kind: 'run', run: asked.dispatch.run };
    if (signals.stop.aborted) stoppedAt ??= clock.monotonicMs();
    const step = asked === undefined ? await ask(job, order) : await look(job, order, asked);
    signals.detach.throwIfAborted();
    if ('kind' in step) return step;
    if (step.trouble !== undefined) await log.say(`hearth: ${step.trouble.message}`);
    const now = clock.monotonicMs();
    if (stoppedAt !== undefined && now >= stoppedAt + pace.cancelMs) {
      await log.say(`hearth: whether GitHub has begun the workflow is not known; look at ${pageOf(job, order)}`);
      return ended(signals.stop.reason as Outcome);
    }
    if (step.trouble !== undefined && now >= deadline) return tooLate(job, order, asked, step.trouble);
    asked = await askedAlready(job, asked);
    if (step.isChanged !== true) {
      const retryMs = (step.trouble?.retryAt?.getTime() ?? 0) - clock.now().getTime();
      await bell.wait(Math.max(pace.lookMs, Math.min(retryMs, deadline - now)), [signals.detach, signals.stop]);
    }
    signals.detach.throwIfAborted();
  }
}

/** What is on record now; of one and the same asking the look begins once. */
async function askedAlready(job: LaneJob, before: Asked | undefined): Promise<Asked | undefined> {
  const { id, attempt } = job.claim.job;
  const dispatch = await persist(job, () => job.store.dispatchOf(id, attempt));
  if (dispatch === undefined) return undefined;
  const isSame = before !== undefined && before.dispatch.asks === dispatch.asks;
  return { dispatch, since: isSame ? before.since : job.clock.monotonicMs() };
}

function tooLate(job: LaneJob, order: DispatchOrder, asked: Asked | undefined, { message }: ForgeTrouble): Begun {
  const why = `GitHub did not answer for ${minutes(job.claim.job.spec.timeoutMs)}: ${message}`;
  return asked === undefined ? ended(error('forge', why)) : gaveUp(job, order, why);
}

/** Not over yet: at once to be looked at again, or after a while. */
interface Again {
  readonly isChanged?: true;
  readonly trouble?: ForgeTrouble;
}

/** Nothing was asked yet. */
async function ask(job: LaneJob, order: DispatchOrder): Promise<Begun | Again> {
  const { signals, forge } = job;
  if (signals.stop.aborted) return ended(signals.stop.reason as Outcome);
  // Whatever is there now is not ours. It also says what the forge's clock shows.
  const before = await forge.dispatchedRuns(order, signals.detach);
  signals.detach.throwIfAborted();
  if (!before.ok) return before.problem.kind === 'retry' ? { trouble: before.problem } : refused(before.problem);
  return send(job, order, before.value);
}

/** The forge is asked, and nothing but its answer or the end of this process ends that. */
async function send(job: LaneJob, order: DispatchOrder, before: DispatchedRuns): Promise<Begun | Again> {
  const { claim, store, forge, signals, clock } = job;
  const { id: jobId, attempt } = claim.job;
  const noted = await persist(job, () =>
    store.askDispatch({
      ...{ jobId, attempt, repoId: claim.run.repo.id, workflow: order.workflow, ref: order.ref },
      ...{ askedAt: before.now, known: before.runs.map(({ id }) => id) },
    }),
  );
  if (!noted) return ended(error('lost_worker', 'the job was taken from this worker'));
  const sent = await forge.dispatch(order, signals.detach);
  if (sent.ok) {
    if (sent.value !== null) return take(job, order, { id: sent.value.runId, url: sent.value.url, at: clock.now() });
    await persist(job, () => store.dispatchAnswered(jobId, attempt, { kind: 'accepted' }));
    return { isChanged: true };
  }
  const { mayHaveBegun, ...trouble } = sent.problem;
  if (mayHaveBegun) return { trouble };
  await persist(job, () => store.dispatchAnswered(jobId, attempt, { kind: 'refused' }));
  return trouble.kind === 'retry' ? { trouble } : refused(trouble);
}

/** It was asked, perhaps by an earlier process, and nobody knows what became of that. */
async function look(job: LaneJob, order: DispatchOrder, { dispatch, since }: Asked): Promise<Begun | Again> {
  const { claim, store, forge, signals, clock, pace } = job;
  const listed = await forge.dispatchedRuns(order, signals.detach);
  signals.detach.throwIfAborted();
  if (!listed.ok) return { trouble: listed.problem };
  const ids = listed.value.runs.map(({ id }) => id);
  const taken = new Set(await persist(job, () => store.takenRuns(ids)));
  const match = matchRun(dispatch, claim.run.sha, listed.value.runs, taken);
  const next = afterLook(match, dispatch, clock.monotonicMs() - since, pace.settleMs);
  switch (next.kind) {
    case 'take':
      return take(job, order, { id: next.run.id, url: next.run.url, at: clock.now() });
    case 'look':
      return {};
    case 'ask':
      return signals.stop.aborted ? ended(signals.stop.reason as Outcome) : send(job, order, listed.value);
    case 'give up':
      return gaveUp(job, order, next.why);
  }
}

async function take(job: LaneJob, order: DispatchOrder, run: DispatchedRun): Promise<Begun> {
  const { claim, store } = job;
  const { id, attempt } = claim.job;
  const isOurs = await persist(job, () => store.dispatchAnswered(id, attempt, { kind: 'run', run }));
  return isOurs ? { kind: 'run', run } : gaveUp(job, order, `${run.url} stands for another job`);
}

function gaveUp(job: LaneJob, order: DispatchOrder, why: string): Begun {
  const next = `It is not asked for again; look at ${pageOf(job, order)}`;
  return ended(error('forge', `the workflow was asked for, and ${why}. ${next}`));
}

function pageOf({ forge }: LaneJob, { repo, workflow }: DispatchOrder): string {
  return forge.pageOf(repo, workflow);
}

/** Nothing was begun, and nothing will be until somebody has mended it. */
function refused({ message }: ForgeTrouble): Begun {
  return ended(error('config', message));
}

function ended(outcome: Outcome): Begun {
  return { kind: 'end', outcome };
}

/** The Executor port for jobs that run as a workflow of GitHub. It holds nothing that matters: all of it is in the store and at GitHub. */
import { orderLines } from '../core/lane/progress.ts';
import { readyDispatch } from '../core/lane/ready-dispatch.ts';
import type { DispatchOrder } from '../core/lane/lane-port.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { Claim, ExecutionSignals, Executor, Finish } from '../core/ports.ts';
import { beginRun, type Begun } from './begin.ts';
import { followRun } from './follow.ts';
import { openLaneLog } from './lane-log.ts';
import { createBell, TIMES, type LaneJob, type LaneParts } from './parts.ts';
import { createQueues, type Queues } from './queues.ts';

export interface LaneExecutor extends Executor {
  /** Something was heard of a workflow: whoever waits looks at once. */
  wake(): void;
}

export function githubLane(parts: LaneParts): LaneExecutor {
  const bell = createBell();
  const queues = createQueues();
  const pace = { ...TIMES, ...parts.times };

  async function attempt(claim: Claim, signals: ExecutionSignals): Promise<Finish> {
    const writer = await parts.logs.open(claim.run.id, claim.job.id, claim.job.attempt);
    try {
      const log = await openLaneLog(parts.logs, claim, writer, parts.mask);
      return await runJob({ ...parts, claim, signals, log, pace, bell }, queues);
    } finally {
      await writer.close();
    }
  }

  return {
    wake: bell.ring,
    async execute(claim, signals) {
      try {
        return await attempt(claim, signals);
      } catch (cause) {
        if (signals.detach.aborted) return undefined;
        parts.onError(cause);
        const why = cause instanceof Error ? cause.message : String(cause);
        return failed(error('forge', `Hearth could not follow the workflow: ${parts.mask(why)}`));
      }
    },
    release: () => Promise.resolve(),
    sweep: () => Promise.resolve(),
  };
}

async function runJob(job: LaneJob, queues: Queues): Promise<Finish> {
  const { claim, log } = job;
  const { lane } = claim.job.spec;
  if (lane === undefined) throw new Error(`Internal error: job ${claim.job.id} is none of GitHub's`);
  const order = readyDispatch(claim, lane);
  if (!order.ok) return endWithout(job, error('config', order.problem));
  await log.say(...orderLines(order.value, claim.run.sha));
  const begun = await begin(job, order.value, queues);
  return begun.kind === 'end' ? endWithout(job, begun.outcome) : followRun(job, order.value, begun.run);
}

async function begin(job: LaneJob, order: DispatchOrder, queues: Queues): Promise<Begun> {
  const { signals, claim } = job;
  const either = AbortSignal.any([signals.detach, signals.stop]);
  const leave = await queues.enter(`${claim.run.repo.id} ${order.workflow}`, either);
  try {
    // A stop is for `beginRun`: something may have been begun by an earlier process.
    signals.detach.throwIfAborted();
    return await beginRun(job, order);
  } finally {
    leave?.();
  }
}

/** Nothing of GitHub stands for it. */
async function endWithout({ log, mask }: LaneJob, outcome: Outcome): Promise<Finish> {
  const hidden = { ...outcome, message: mask(outcome.message) };
  await log.say(`hearth: ${hidden.message}`);
  await log.finish();
  return failed(hidden);
}

function failed(outcome: Outcome): Finish {
  return { outcome, outputs: {}, evidence: null };
}

/**
 * The worker: executes the jobs that the scheduler claimed for it. It holds nothing that matters in memory: after a
 * restart the same claims are read again and each is re-attached.
 */
import type { Publication } from './core/artifact.ts';
import type { JobId } from './core/job.ts';
import { error, type Outcome } from './core/outcome.ts';
import type { Claim, Clock, Executor, Store, WorkerInfo } from './core/ports.ts';

export interface WorkerParts {
  readonly store: Store;
  readonly executor: Executor;
  readonly clock: Clock;
  readonly leaseMs: number;
  /** Read anew at every renewal, since slots come and go. */
  readonly info: () => WorkerInfo;
  /** A job started or ended: scheduler and reporter should look. */
  readonly onChange: () => void;
  readonly onError: (error: unknown, claim: Claim) => void;
  /** For the log: an attempt is begun, or found again after a restart; and how it ended. */
  readonly onBegin?: (claim: Claim) => void;
  readonly onEnd?: (claim: Claim, outcome: Outcome) => void;
}

export interface Worker extends AsyncDisposable {
  /** Renews the lease. Call before the first tick and then every third of a lease. */
  renew(): Promise<void>;
  /** Takes over what an earlier process left. Call once, before the first tick. */
  recover(): Promise<void>;
  /** Starts claims that are new and stops those that are to end. */
  tick(signal: AbortSignal): Promise<void>;
}

interface Execution {
  readonly attempt: number;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  /** Its commands are over; what is left is to write it down and to clean up. */
  isOver: boolean;
}

/** Disposing detaches: jobs go on in their slots and the next process finds them. */
export function createWorker(parts: WorkerParts): Worker {
  const { store, executor, clock } = parts;
  const executions = new Map<JobId, Execution>();
  const detach = new AbortController();
  let nextTick = Promise.withResolvers<undefined>();

  /** Until the store took it: the job waits that long, since it may not get further than what is on record. */
  async function publish(claim: Claim, publication: Publication): Promise<void> {
    const { id, attempt } = claim.job;
    for (;;) {
      const tick = nextTick.promise;
      try {
        await store.publishArtifacts(id, attempt, publication);
        parts.onChange();
        return;
      } catch (error) {
        parts.onError(error, claim);
      }
      await tick;
      detach.signal.throwIfAborted();
    }
  }

  async function run(claim: Claim, stop: AbortSignal): Promise<void> {
    const { job } = claim;
    const finish = await executor.execute(claim, {
      stop,
      detach: detach.signal,
      started(at) {
        store.jobStarted(job.id, job.attempt, at).then(parts.onChange, (error: unknown) => {
          parts.onError(error, claim);
        });
      },
      published: (publication) => publish(claim, publication),
    });
    const execution = executions.get(job.id);
    if (execution !== undefined) execution.isOver = true;
    if (finish === undefined) return;
    await store.finishJob(job.id, job.attempt, finish, clock.now());
    parts.onEnd?.(claim, finish.outcome);
    const released = executor.release(claim);
    parts.onChange();
    await released;
  }

  function begin(claim: Claim): void {
    const stop = new AbortController();
    parts.onBegin?.(claim);
    const done = run(claim, stop.signal)
      // The outcome could not be written: the claim stays, and the next tick takes it up again.
      .catch((error: unknown) => {
        parts.onError(error, claim);
      })
      .finally(() => {
        executions.delete(claim.job.id);
        // The job may be claimed again already, for another attempt.
        if (!detach.signal.aborted) parts.onChange();
      });
    executions.set(claim.job.id, { attempt: claim.job.attempt, stop, done, isOver: false });
  }

  /** The store gave the job up, for want of a lease or otherwise: nobody will take its result, so it must not go on. */
  function stopTheLost(claims: readonly Claim[]): void {
    const held = new Set(claims.map(({ job }) => `${job.id}.${job.attempt}`));
    for (const [id, execution] of executions) {
      const isLost = !execution.isOver && !held.has(`${id}.${execution.attempt}`);
      if (isLost) execution.stop.abort(error('lost_worker', 'the job was taken from this worker'));
    }
  }

  return {
    async renew() {
      const now = clock.now();
      await store.renewWorker(parts.info(), new Date(now.getTime() + parts.leaseMs), now);
    },
    async recover() {
      await executor.sweep(await store.claimsOf(parts.info().id));
    },
    async tick(signal) {
      nextTick.resolve(undefined);
      nextTick = Promise.withResolvers();
      const claims = await store.claimsOf(parts.info().id);
      stopTheLost(claims);
      for (const claim of claims) {
        if (signal.aborted) return;
        const running = executions.get(claim.job.id);
        if (running === undefined) begin(claim);
        const execution = executions.get(claim.job.id);
        if (claim.stop !== null && execution?.attempt === claim.job.attempt && !execution.stop.signal.aborted) {
          execution.stop.abort(claim.stop);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      detach.abort(new Error('the worker was asked to leave'));
      nextTick.resolve(undefined);
      await Promise.all([...executions.values()].map(({ done }) => done));
    },
  };
}

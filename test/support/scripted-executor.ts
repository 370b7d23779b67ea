/** An executor whose jobs the test holds by the hand: wait until one starts, then say how it ends. */
import type { Publication } from '../../src/core/artifact.ts';
import type { Evidence, Outcome } from '../../src/core/outcome.ts';
import type { Claim, Executor, Finish } from '../../src/core/ports.ts';

export interface ScriptedJob {
  readonly claim: Claim;
  /** As after a step that publishes; resolves once it is on record. */
  publish(publication: Publication): Promise<void>;
  /** Ends the job. A success comes with evidence, as from a real executor. */
  end(outcome?: Outcome): void;
  /** Resolves with the reason once the job is asked to stop. */
  readonly stopped: Promise<Outcome>;
}

export interface ScriptedExecutor extends Executor {
  /** The named job's next start, past or future; each start is handed out once. */
  next(name: string): Promise<ScriptedJob>;
  /** Names of the jobs that were started, in order. */
  readonly starts: readonly string[];
  readonly released: readonly string[];
}

export const evidence: Evidence = { exitCode: 0, logSha256: '0'.repeat(64), logBytes: 0, droppedBytes: 0 };
export const passed: Outcome = { result: 'success', reason: 'exit', message: 'passed' };

/** A job that is asked to stop ends with the reason of the request, unless the test ended it before. */
export function scriptedExecutor(): ScriptedExecutor {
  const starts: string[] = [];
  const released: string[] = [];
  const ready: ScriptedJob[] = [];
  const waiting: { readonly name: string; readonly resolve: (job: ScriptedJob) => void }[] = [];
  return {
    starts,
    released,
    next(name) {
      const index = ready.findIndex((job) => job.claim.job.name === name);
      const found = index === -1 ? undefined : ready.splice(index, 1)[0];
      return found ? Promise.resolve(found) : new Promise((resolve) => waiting.push({ name, resolve }));
    },
    execute(claim, signals) {
      starts.push(claim.job.name);
      signals.started(new Date());
      return new Promise<Finish | undefined>((resolve) => {
        const finish = (outcome: Outcome): void => {
          resolve({ outcome, evidence: outcome.result === 'success' ? evidence : null, outputs: {} });
        };
        const stopped = new Promise<Outcome>((tell) => {
          signals.stop.addEventListener('abort', () => {
            tell(signals.stop.reason as Outcome);
            finish(signals.stop.reason as Outcome);
          });
        });
        signals.detach.addEventListener('abort', () => {
          resolve(undefined);
        });
        const job: ScriptedJob = {
          claim,
          stopped,
          publish: (publication) => signals.published(publication),
          end: (outcome = passed) => {
            finish(outcome);
          },
        };
        const index = waiting.findIndex(({ name }) => name === claim.job.name);
        if (index === -1) ready.push(job);
        else waiting.splice(index, 1)[0]?.resolve(job);
      });
    },
    release(claim) {
      released.push(claim.job.name);
      return Promise.resolve();
    },
    sweep: () => Promise.resolve(),
  };
}

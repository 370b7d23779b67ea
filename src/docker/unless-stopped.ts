/** Waiting that a stop, a detach or the job's own time limit ends, while what is waited for may go on for others. */
import type { Outcome } from '../core/outcome.ts';
import type { ExecutionSignals } from '../core/ports.ts';
import { Ended } from './ended.ts';

/**
 * Resolves or rejects as `work` does, unless the job is asked to stop, this process lets go of it, or `timeoutMs` is
 * over first. What `work` gives after that is handed to `tooLate`, so that it can be freed.
 */
export function unlessStopped<T>(
  work: Promise<T>,
  signals: Pick<ExecutionSignals, 'stop' | 'detach'>,
  timeoutMs: number,
  tooLate: (value: T) => void,
): Promise<T> {
  const timedOut: Outcome = {
    result: 'failure',
    reason: 'timeout',
    message: 'timed out before its commands could start',
  };
  return new Promise<T>((resolve, reject) => {
    let isOver = false;
    const finish = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      signals.stop.removeEventListener('abort', onStop);
      signals.detach.removeEventListener('abort', onDetach);
      settle();
    };
    const onStop = (): void => {
      finish(() => {
        reject(new Ended(signals.stop.reason as Outcome));
      });
    };
    const onDetach = (): void => {
      finish(() => {
        reject(new Error('this process lets go of the job'));
      });
    };
    const timer = setTimeout(
      () => {
        finish(() => {
          reject(new Ended(timedOut));
        });
      },
      Math.min(timeoutMs, 2 ** 31 - 1),
    );
    signals.stop.addEventListener('abort', onStop, { once: true });
    signals.detach.addEventListener('abort', onDetach, { once: true });
    if (signals.stop.aborted) onStop();
    if (signals.detach.aborted) onDetach();
    work.then(
      (value) => {
        if (isOver) tooLate(value);
        finish(() => {
          resolve(value);
        });
      },
      (cause: unknown) => {
        finish(() => {
          reject(cause instanceof Error ? cause : new Error(String(cause)));
        });
      },
    );
  });
}

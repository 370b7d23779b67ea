/** Whether a job that did not succeed gets another attempt. */
import type { ErrorReason, Outcome } from '../outcome.ts';

/** `infra` = the machine or Hearth failed; `exit:75` = a step ended with that code. */
export type RetryCause = 'infra' | 'timeout' | 'oom' | 'exit' | `exit:${number}`;

export interface Retry {
  /** Attempts after the first. */
  readonly max: number;
  readonly when: readonly RetryCause[];
}

/** An attempt that was followed by another one. */
export interface PastAttempt {
  readonly attempt: number;
  readonly outcome: Outcome;
}

/** Of the last nobody knows whether something goes on at the forge. */
const UNREPEATABLE: ReadonlySet<ErrorReason> = new Set(['config', 'image', 'forge']);
/** What a pipeline may have changed outside is not done twice unless it says that it may be. */
const UNASKED = 1;

/**
 * With `retry` in the file that decides. Without it the machine's own faults are tried once more, and only while no command
 * of the job has begun. What was cancelled, is misconfigured, cannot have its image built or may go on at the forge is never tried again.
 */
export function mayRetry(
  retry: Retry | null,
  past: readonly PastAttempt[],
  outcome: Outcome,
  hasStarted: boolean,
): boolean {
  const causes = causesOf(outcome);
  if (causes.length === 0) return false;
  if (retry === null) return !hasStarted && past.length < UNASKED && causes.includes('infra');
  return past.length < retry.max && causes.some((cause) => retry.when.includes(cause));
}

function causesOf(outcome: Outcome): readonly RetryCause[] {
  switch (outcome.result) {
    case 'failure':
      if (outcome.reason !== 'exit') return [outcome.reason];
      return outcome.exitCode === undefined ? ['exit'] : ['exit', `exit:${outcome.exitCode}`];
    case 'error':
      return UNREPEATABLE.has(outcome.reason) ? [] : ['infra'];
    case 'success':
    case 'cancelled':
    case 'skipped':
      return [];
  }
}

/**
 * How a run or a job ended. `failure` = the commands failed; `error` = we, the machine or the configuration failed.
 * The message is one sentence for people; result and reason are for machines and never change their spelling.
 */
export type Outcome =
  | { readonly result: 'success'; readonly reason: 'exit'; readonly message: string }
  | { readonly result: 'failure'; readonly reason: FailureReason; readonly message: string; readonly exitCode?: number }
  | { readonly result: 'error'; readonly reason: ErrorReason; readonly message: string }
  | { readonly result: 'cancelled'; readonly reason: CancelReason; readonly message: string }
  | { readonly result: 'skipped'; readonly reason: SkipReason; readonly message: string };

export type FailureReason = 'exit' | 'timeout' | 'oom';
export type ErrorReason = 'disk' | 'image' | 'checkout' | 'config' | 'forge' | 'lost_slot' | 'lost_worker';
export type CancelReason = 'superseded' | 'cancelled_by';
export type SkipReason = 'condition' | 'need_failed' | 'no_pipeline';

/**
 * What was observed when a job's commands ended. Nothing is green without it: the store refuses a success that has none.
 */
export interface Evidence {
  /** From the exit code file that the slot's supervisor wrote; of an image or a workflow of GitHub 0 for good and 1 for not. */
  readonly exitCode: number;
  /** SHA-256 (hex) of the masked job log as it stands on disk. */
  readonly logSha256: string;
  /** Size of that log. */
  readonly logBytes: number;
  /** Output that was dropped past the cap; the log says so at its end. */
  readonly droppedBytes: number;
  /** Of a job with `lane: github`: what was seen of its run there. */
  readonly workflow?: WorkflowEvidence;
}

export interface WorkflowEvidence {
  readonly runId: number;
  /** GitHub's number of the run's attempt. */
  readonly attempt: number;
  readonly url: string;
  /** GitHub's own word. */
  readonly conclusion: string;
}

/** Whether what was observed is enough to call a job good. */
export function isProven(evidence: Evidence | null, isOfForge: boolean): boolean {
  return evidence !== null && (!isOfForge || evidence.workflow?.conclusion === 'success');
}

export function succeeded(outcome: Outcome | null): boolean {
  return outcome?.result === 'success';
}

/** A failure that the pipeline tolerates (`continue-on-error`) does not stop what comes after it. */
export function lets(outcome: Outcome, continueOnError: boolean): boolean {
  return outcome.result === 'success' || (outcome.result === 'failure' && continueOnError);
}

export function error(reason: ErrorReason, message: string): Outcome {
  return { result: 'error', reason, message };
}

export function supersededBy(sha: string): Outcome {
  return { result: 'cancelled', reason: 'superseded', message: `superseded by ${sha.slice(0, 7)}` };
}

export function cancelledBy(who: string): Outcome {
  return { result: 'cancelled', reason: 'cancelled_by', message: `cancelled by ${who}` };
}

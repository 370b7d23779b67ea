/** What to do next about a run of a workflow that stands for a job. Pure; all times are monotonic milliseconds. */
import { error, type Outcome } from '../outcome.ts';
import type { WorkflowJob, WorkflowRun } from '../workflow.ts';
import { verdictOf } from './verdict.ts';

export interface Following {
  /** The commit that the job is about. */
  readonly sha: string;
  /** For sentences: the branch or tag that was dispatched. */
  readonly ref: string;
  /** The newest that is known of it, by webhook or by asking; null = nothing yet. */
  readonly run: WorkflowRun | null;
  readonly jobs: readonly WorkflowJob[];
  /** When the forge was asked last, whatever it said; null = never by this process. */
  readonly askedAt: number | null;
  /** Not to be asked before; it said so. */
  readonly notBefore: number;
  /** It was asked again after it was known to be completed. */
  readonly isConfirmed: boolean;
  /** Of `timeout-minutes`. */
  readonly deadline: number;
  /** The job is to end early. */
  readonly stop: Outcome | null;
  readonly cancel: Cancelling | null;
}

/** Somebody here wants the run to end. */
export interface Cancelling {
  readonly since: number;
  readonly triedAt: number;
  /** The forge has taken it. */
  readonly isAccepted: boolean;
}

export type Step =
  | { readonly kind: 'ask' }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'end' };

export interface Pace {
  /** How often what the webhooks brought is read. */
  readonly lookMs: number;
  /** How often the forge is asked, in case webhooks are lost. */
  readonly askMs: number;
  /** The same while it is being cancelled. */
  readonly urgentMs: number;
  /** Longest wait for a run that was cancelled. */
  readonly cancelMs: number;
}

export function nextStep(of: Following, now: number, pace: Pace): Step {
  const { run, askedAt, notBefore, cancel } = of;
  const mayAsk = now >= notBefore;
  if (run?.state === 'completed') return !of.isConfirmed && mayAsk ? { kind: 'ask' } : { kind: 'end' };
  if (cancel === null) {
    if (of.stop !== null || hasMoved(of)) return { kind: 'cancel' };
    // It may be over, and nobody has heard of it.
    if (now >= of.deadline)
      return mayAsk && (askedAt ?? -Infinity) < of.deadline ? { kind: 'ask' } : { kind: 'cancel' };
    return askEvery(pace.askMs, of, Math.min(now + pace.lookMs, of.deadline), now);
  }
  if (now >= cancel.since + pace.cancelMs) return { kind: 'end' };
  if (!cancel.isAccepted && mayAsk && now >= cancel.triedAt + pace.urgentMs) return { kind: 'cancel' };
  return askEvery(pace.urgentMs, of, Math.min(now + pace.lookMs, cancel.since + pace.cancelMs), now);
}

function askEvery(everyMs: number, { askedAt, notBefore }: Following, until: number, now: number): Step {
  const due = Math.max(notBefore, askedAt === null ? now : askedAt + everyMs);
  return now >= due ? { kind: 'ask' } : { kind: 'wait', ms: Math.max(1, Math.min(due, until) - now) };
}

/** Once `nextStep` says so. `timedOut` is the sentence for a run that took too long. */
export function endOf(of: Following, timedOut: string): Outcome {
  const { run, stop, cancel, ref, sha } = of;
  if (stop !== null) return stop;
  if (run !== null && hasMoved(of)) {
    const there = run.headSha.slice(0, 7);
    const next = 'Its result says nothing about this commit; run the newest commit';
    return error(
      'config',
      `${ref} was at ${there} and not at ${sha.slice(0, 7)} when GitHub began the workflow. ${next}`,
    );
  }
  const isOver = run?.state === 'completed';
  // What ended by itself before anybody cancelled it has an end of its own, however late that was heard of.
  if (run !== null && isOver && cancel?.isAccepted !== true) return verdictOf(run, of.jobs);
  return { result: 'failure', reason: 'timeout', message: timedOut };
}

/** A result for another commit is no evidence for this one. */
export function hasMoved({ run, sha }: Pick<Following, 'run' | 'sha'>): boolean {
  return run !== null && run.headSha !== sha;
}

import type { Job } from './job.ts';
import { lets, type Outcome } from './outcome.ts';
import { NO_PIPELINE } from './pipeline/pipeline.ts';
import type { Run } from './run.ts';
import { shown } from './shown.ts';

/** The four states GitHub knows. */
export type StatusState = 'pending' | 'success' | 'failure' | 'error';

export interface CommitStatus {
  readonly context: string;
  readonly state: StatusState;
  /** At most 140 characters, GitHub's limit. */
  readonly description: string;
  readonly rank: StatusRank;
}

/**
 * The order in which statuses leave within GitHub's write budget: the run's verdict, then failed jobs, then the run's
 * pending, other verdicts, and last the pendings of single jobs.
 */
export type StatusRank = 0 | 1 | 2 | 3 | 4;

const DESCRIPTION_LIMIT = 140;

export function runStatus(run: Pick<Run, 'pipeline' | 'state' | 'outcome' | 'trust' | 'config'>): CommitStatus {
  const context = run.pipeline === NO_PIPELINE ? 'hearth' : `hearth/${run.pipeline}`;
  if (run.outcome === null) {
    const waiting = run.trust === 'T4' ? `waiting for approval of this commit${unusedChanges(run)}` : 'queued';
    return status(context, 'pending', run.state === 'running' ? 'running' : waiting, 2);
  }
  return status(context, finalState(run.outcome, false), describe(run.outcome, false), 0);
}

/** Whoever approves should know that what the fork wrote there has no effect. */
function unusedChanges({ config }: Pick<Run, 'config'>): string {
  const [first, ...others] = config?.ignored ?? [];
  if (first === undefined) return '';
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  return `; its changes to ${shown(first)}${more} are not used`;
}

export function jobStatus(
  run: Pick<Run, 'pipeline'>,
  job: Pick<Job, 'name' | 'state' | 'outcome' | 'spec' | 'history'>,
): CommitStatus {
  const context = `hearth/${run.pipeline}/${job.name}`;
  const last = job.history.at(-1);
  if (job.outcome === null) {
    const doing = job.state === 'running' ? 'running' : 'queued';
    const again = last === undefined ? '' : ` again after: ${last.outcome.message}`;
    return status(context, 'pending', `${doing}${again}`, 4);
  }
  const state = finalState(job.outcome, job.spec.continueOnError);
  // A job that passed only when it was tried again says so.
  const attempts = last === undefined ? '' : ` (attempt ${last.attempt + 1})`;
  const text = `${describe(job.outcome, job.spec.continueOnError)}${attempts}`;
  return status(context, state, text, state === 'success' ? 3 : 1);
}

/** Skipped by a condition is green and says why; not run because something before it failed never is. */
function finalState(outcome: Outcome, continueOnError: boolean): StatusState {
  switch (outcome.result) {
    case 'success':
      return 'success';
    case 'failure':
      return lets(outcome, continueOnError) ? 'success' : 'failure';
    case 'skipped':
      return outcome.reason === 'condition' ? 'success' : 'error';
    case 'error':
    case 'cancelled':
      return 'error';
  }
}

function describe(outcome: Outcome, continueOnError: boolean): string {
  if (outcome.result === 'failure' && continueOnError) return `failed (allowed): ${outcome.message}`;
  if (outcome.result === 'skipped' && outcome.reason === 'condition') return `skipped: ${outcome.message}`;
  return outcome.message;
}

function status(context: string, state: StatusState, description: string, rank: StatusRank): CommitStatus {
  return { context, state, description: shorten(description), rank };
}

/** Cuts at a character, never inside a surrogate pair, and on one line. */
function shorten(text: string): string {
  const characters = [...text.replace(/\s+/g, ' ').trim()];
  if (characters.length <= DESCRIPTION_LIMIT) return characters.join('');
  return `${characters.slice(0, DESCRIPTION_LIMIT - 1).join('')}…`;
}

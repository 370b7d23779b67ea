/** What GitHub said of the runs and jobs of its own workflows. Every text in it comes from outside. Pure. */
import type { RepoRef } from './run.ts';

/** In the order in which they come: `waiting` covers all that may not be given to a runner yet. */
export const workflowStates = ['waiting', 'queued', 'in_progress', 'completed'] as const;
export type WorkflowState = (typeof workflowStates)[number];

/** One job of one attempt of a workflow run. */
export interface WorkflowJob {
  /** Unique on GitHub; another attempt of the run has other ones. */
  readonly id: number;
  readonly repo: RepoRef;
  readonly runId: number;
  readonly attempt: number;
  /** Name of the workflow; null where GitHub does not say. */
  readonly workflow: string | null;
  readonly name: string;
  readonly url: string;
  readonly headSha: string;
  /** What `runs-on` asks for. */
  readonly labels: readonly string[];
  readonly state: WorkflowState;
  /** null until it is completed. */
  readonly conclusion: string | null;
  /** Name of the runner that has it or had it. */
  readonly runner: string | null;
  /** When GitHub queued it; null where GitHub does not say. */
  readonly createdAt: Date | null;
  readonly startedAt: Date | null;
  readonly completedAt: Date | null;
}

export interface WorkflowRun {
  /** Stays the same when the run is tried again. */
  readonly id: number;
  readonly repo: RepoRef;
  readonly attempt: number;
  readonly event: string;
  readonly headSha: string;
  /** null for a tag or a detached commit. */
  readonly headBranch: string | null;
  /** File of the workflow: `.github/workflows/x.yml`; null where GitHub does not say. */
  readonly path: string | null;
  readonly title: string;
  readonly url: string;
  readonly state: WorkflowState;
  readonly conclusion: string | null;
  readonly createdAt: Date;
}

/** One observation, by webhook or by asking. */
export type WorkflowNews =
  { readonly kind: 'job'; readonly job: WorkflowJob } | { readonly kind: 'run'; readonly run: WorkflowRun };

/** The part of the store that keeps them. */
export interface WorkflowStore {
  /** What was learned by asking the forge. What is older than what is known changes nothing. May be repeated. */
  recordWorkflowNews(news: readonly WorkflowNews[], at: Date): Promise<void>;
  /** A run of a workflow and the jobs of its newest attempt, oldest first, as far as they were heard of. */
  workflowRun(id: number): Promise<{ readonly run: WorkflowRun | null; readonly jobs: readonly WorkflowJob[] }>;
}

/** Deliveries arrive in any order, so a later state is never taken back by an earlier one. */
export function isNewerState(state: WorkflowState, known: WorkflowState): boolean {
  return workflowStates.indexOf(state) >= workflowStates.indexOf(known) && known !== 'completed';
}

/** GitHub has more words than matter here: `requested`, `pending` and `waiting` are all not yet for a runner. */
export function workflowStateOf(status: string, conclusion: string | null): WorkflowState {
  if (conclusion !== null || status === 'completed') return 'completed';
  if (status === 'in_progress' || status === 'queued') return status;
  return 'waiting';
}

/** The port to the forge for jobs that run as a workflow of GitHub. */
import type { ForgeTrouble } from '../ports.ts';
import type { Result } from '../result.ts';
import type { RepoRef } from '../run.ts';
import type { WorkflowJob, WorkflowRun } from '../workflow.ts';

/** What of the forge such a job needs. No method rejects for what the forge or the network can do. */
export interface WorkflowForge {
  /** For people: where the runs of a workflow are listed. */
  pageOf(repo: RepoRef, workflow: string): string;
  /**
   * Begins a run. Never to be repeated before it is known that nothing was begun: two calls are two runs. Not aborted by
   * anything but its own time limit and the signal; after that `mayHaveBegun` is true.
   */
  dispatch(order: DispatchOrder, signal: AbortSignal): Promise<Result<Dispatched, DispatchTrouble>>;
  /** The newest runs that were dispatched of a workflow, 100 at most. May be repeated. */
  dispatchedRuns(
    of: Pick<DispatchOrder, 'repo' | 'workflow'>,
    signal: AbortSignal,
  ): Promise<Result<DispatchedRuns, ForgeTrouble>>;
  /** May be repeated. */
  run(repo: RepoRef, id: number, signal: AbortSignal): Promise<Result<WorkflowRun, ForgeTrouble>>;
  /** The jobs of the run's newest attempt. May be repeated. */
  jobs(repo: RepoRef, id: number, signal: AbortSignal): Promise<Result<readonly WorkflowJob[], ForgeTrouble>>;
  /** Asks a run to end; also fine for one that is over. May be repeated. */
  cancel(repo: RepoRef, id: number, signal: AbortSignal): Promise<Result<void, ForgeTrouble>>;
}

export interface DispatchOrder {
  readonly repo: RepoRef;
  /** File in `.github/workflows`. */
  readonly workflow: string;
  /** Name of a branch or tag, without `refs/…/`. */
  readonly ref: string;
  readonly inputs: Readonly<Record<string, string>>;
}

/** null = the forge has begun it and does not say which run it is: older servers do not. */
export type Dispatched = { readonly runId: number; readonly url: string } | null;

export interface DispatchTrouble extends ForgeTrouble {
  /** Nobody can tell from this answer, or from its absence, whether a run was begun. */
  readonly mayHaveBegun: boolean;
}

export interface DispatchedRuns {
  readonly runs: readonly WorkflowRun[];
  /** The forge's clock when it answered, in whole seconds. */
  readonly now: Date;
}

/** Workflows that jobs ask for, as the store keeps them. */
import type { JobId } from '../job.ts';

/** That an attempt of a job asks for a run of a workflow. Written before the forge is asked. */
export interface Dispatch {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly repoId: number;
  readonly workflow: string;
  /** Name of a branch or tag. */
  readonly ref: string;
  /** By the forge's clock. */
  readonly askedAt: Date;
  /** Runs of the workflow that were there before. */
  readonly known: readonly number[];
  /** How often the forge was asked, 1 or more. */
  readonly asks: number;
  /** The forge took it, without saying which run it is. */
  readonly isAccepted: boolean;
  readonly run: DispatchedRun | null;
}

export interface DispatchedRun {
  readonly id: number;
  readonly url: string;
  /** When it was known, by our clock; its time limit counts from here. */
  readonly at: Date;
}

export type DispatchAnswer =
  /** Nothing was begun, for sure. */
  { readonly kind: 'refused' } | { readonly kind: 'accepted' } | { readonly kind: 'run'; readonly run: DispatchedRun };

/** The part of the store that keeps dispatches. */
export interface DispatchStore {
  /** undefined = the forge was not asked for anything by this attempt. */
  dispatchOf(job: JobId, attempt: number): Promise<Dispatch | undefined>;
  /**
   * Notes that the forge is about to be asked, for the first time or once more: then all but the count stays. Refused (false) when the attempt is not
   * running any more, or has its run already.
   */
  askDispatch(dispatch: Omit<Dispatch, 'asks' | 'isAccepted' | 'run'>): Promise<boolean>;
  /** What came of it. false when there is no such dispatch, or another job has that run. May be repeated. */
  dispatchAnswered(job: JobId, attempt: number, answer: DispatchAnswer): Promise<boolean>;
  /** Those of the runs that some job of ours has. */
  takenRuns(ids: readonly number[]): Promise<readonly number[]>;
}

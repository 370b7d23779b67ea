/** A job that runs as a workflow of GitHub: what the file says of it, and what stands on the run. */

export interface LaneSpec {
  readonly kind: 'github';
  /** File in `.github/workflows`, without a folder. */
  readonly workflow: string;
  /** Inputs of the workflow; templates, evaluated when the job starts. */
  readonly inputs: Readonly<Record<string, string>>;
}

/** What jobs that need such a job get as `needs.<job>.outputs`. */
export const laneOutputs = ['conclusion', 'run-id', 'url'] as const;

/** Which run of the workflow stands for the job. */
export interface LaneRecord {
  readonly workflow: string;
  readonly runId: number;
  readonly url: string;
  /** GitHub's word for its end; null until the job is over. */
  readonly conclusion: string | null;
  /** GitHub's number of the attempt that ended; null until then. */
  readonly attempt: number | null;
}

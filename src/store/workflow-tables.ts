/** The tables of GitHub's workflows, as kysely sees them; see schema.ts. */
import type { ColumnType, Selectable } from 'kysely';
import type { WorkflowState } from '../core/workflow.ts';

type Fixed<T> = ColumnType<T, T, never>;

/** A workflow that a job asks for. */
export interface DispatchTable {
  job_id: Fixed<number>;
  attempt: Fixed<number>;
  repo_id: Fixed<number>;
  workflow: Fixed<string>;
  ref: Fixed<string>;
  /** By GitHub's clock. */
  asked_at: number;
  /** JSON: ids of the runs that were there before. */
  known: string;
  asks: number;
  accepted: 0 | 1;
  run_id: number | null;
  url: string | null;
  /** By our clock. */
  run_at: number | null;
}

export interface WorkflowRunTable {
  id: Fixed<number>;
  repo_id: Fixed<number>;
  repo_owner: string;
  repo_name: string;
  attempt: number;
  event: string;
  head_sha: string;
  head_branch: string | null;
  path: string | null;
  title: string;
  url: string;
  state: WorkflowState;
  conclusion: string | null;
  created_at: number;
  seen_at: number;
}

export interface WorkflowJobTable {
  id: Fixed<number>;
  repo_id: Fixed<number>;
  repo_owner: string;
  repo_name: string;
  run_id: Fixed<number>;
  attempt: number;
  workflow: string | null;
  name: string;
  url: string;
  head_sha: string;
  labels: string;
  state: WorkflowState;
  conclusion: string | null;
  runner: string | null;
  created_at: number | null;
  started_at: number | null;
  completed_at: number | null;
  first_seen_at: Fixed<number>;
  seen_at: number;
}

export type WorkflowRunRow = Selectable<WorkflowRunTable>;
export type WorkflowJobRow = Selectable<WorkflowJobTable>;
export type DispatchRow = Selectable<DispatchTable>;

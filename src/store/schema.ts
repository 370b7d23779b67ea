/**
 * The tables as kysely sees them; migrations/ makes them. Times are milliseconds since 1970, yes/no is 1/0 and nested
 * values are JSON text, so that every engine stores the same. rows.ts turns rows into the words of core/.
 */
import type { ColumnType, Generated, Kysely, Selectable } from 'kysely';
import type { DeliveryVerdict } from '../core/intake.ts';
import type { JobState } from '../core/job.ts';
import type { Outcome } from '../core/outcome.ts';
import type { EventName, RunState, TrustClass } from '../core/run.ts';
import type { StatusRank, StatusState } from '../core/commit-status.ts';
import type { PoolRuleTable, PoolTable, RunnerTable } from './pool-tables.ts';
import type { DispatchTable, WorkflowJobTable, WorkflowRunTable } from './workflow-tables.ts';

export interface Schema {
  readonly migrations: MigrationTable;
  readonly deliveries: DeliveryTable;
  readonly intakes: IntakeTable;
  readonly intake_runs: IntakeRunTable;
  readonly runs: RunTable;
  readonly jobs: JobTable;
  readonly statuses: StatusTable;
  readonly workers: WorkerTable;
  readonly roles: RoleTable;
  readonly secrets: SecretTable;
  readonly artifacts: ArtifactTable;
  readonly reusable: ReusableTable;
  readonly test_reports: TestReportTable;
  readonly images: ImageTable;
  readonly repositories: RepositoryTable;
  readonly timetable: TimetableTable;
  readonly job_durations: JobDurationTable;
  readonly workflow_runs: WorkflowRunTable;
  readonly workflow_jobs: WorkflowJobTable;
  readonly pools: PoolTable;
  readonly runners: RunnerTable;
  readonly pool_rules: PoolRuleTable;
  readonly dispatches: DispatchTable;
}

/** A connection to the store; inside a use-case always the one its transaction runs on. */
export type Db = Kysely<Schema>;

type Instant = number;
type Json = string;
type Flag = 0 | 1;
/** Written once, when the row is made. */
type Fixed<T> = ColumnType<T, T, never>;

export interface MigrationTable {
  number: number;
  name: string;
}

export interface DeliveryTable {
  id: Fixed<string>;
  event: string;
  /** As it came from the wire; null once retention let it go. */
  body: Uint8Array | null;
  received_at: Instant;
  verdict: DeliveryVerdict;
  note: string | null;
}

export interface IntakeTable {
  id: Generated<number>;
  delivery_id: Fixed<string>;
  /** The whole IntakeRequest. The three columns after it repeat what is searched for. */
  request: Fixed<Json>;
  repo_id: Fixed<number>;
  line: Fixed<string>;
  /** null for kind `gone`. */
  sha: Fixed<string | null>;
  received_at: Fixed<Instant>;
  tries: number;
  retry_at: Instant | null;
  /** Why planning was put off the last time. */
  why: string | null;
  planned_at: Instant | null;
  /** What the planner had to say about it. */
  note: string | null;
}

export interface IntakeRunTable {
  intake_id: Fixed<number>;
  run_id: Fixed<number>;
}

export interface RunTable {
  id: Generated<number>;
  repo_id: Fixed<number>;
  repo_owner: Fixed<string>;
  repo_name: Fixed<string>;
  /** `owner/name` in lower case, as GitHub compares names. */
  repo_key: Fixed<string>;
  sha: Fixed<string>;
  ref: Fixed<string>;
  line: string;
  /** Branch of the repository itself that the head is on; null for tags and forks. */
  branch: Fixed<string | null>;
  pr_number: number | null;
  event_name: Fixed<EventName>;
  /** Changes once at most, from T4 to T3. */
  trust: TrustClass;
  pipeline: Fixed<string>;
  title: Fixed<string>;
  concurrency: Fixed<Json | null>;
  /** What is searched for; see core/run.ts. */
  concurrency_key: string | null;
  state: RunState;
  result: Outcome['result'] | null;
  outcome: Json | null;
  ending: Json | null;
  context: Fixed<Json>;
  config: Fixed<Json | null>;
  approved_by: string | null;
  approved_at: Instant | null;
  reported: Fixed<Flag>;
  /** Unique while the run stands for its commit; null once it was cancelled, so that the commit may run again. */
  dedupe: string | null;
  created_at: Fixed<Instant>;
  finished_at: Instant | null;
  /** The run that this one repeats. */
  rerun_of: ColumnType<number | null, number | undefined, never>;
}

export interface JobTable {
  /** Ids of one run grow in the order of the pipeline file. */
  id: Generated<number>;
  run_id: Fixed<number>;
  name: Fixed<string>;
  spec: Fixed<Json>;
  waits_for: Fixed<Json>;
  state: JobState;
  result: Outcome['result'] | null;
  outcome: Json | null;
  evidence: Json | null;
  outputs: ColumnType<Json, Json | undefined, Json>;
  /** Attempts that were followed by another one. */
  history: ColumnType<Json, Json | undefined, Json>;
  attempt: number;
  worker: string | null;
  lease_until: Instant | null;
  /** The outcome that a running job is to be stopped with, when it alone was cancelled. */
  stop: Json | null;
  queued_at: Instant | null;
  claimed_at: Instant | null;
  started_at: Instant | null;
  finished_at: Instant | null;
  /** Where a job was observed that was taken over from an earlier run. */
  origin: ColumnType<Json | null, Json | undefined, Json>;
  /** Names of the artifacts that this attempt published; null = none. */
  published: ColumnType<Json | null, Json | null | undefined, Json | null>;
  /** By the name of a job whose artifacts alone it needs: where they were made, as it was when this attempt was claimed. */
  artifact_origins: ColumnType<Json | null, Json | undefined, Json | null>;
}

export interface StatusTable {
  id: Generated<number>;
  repo_id: Fixed<number>;
  sha: Fixed<string>;
  context: Fixed<string>;
  run_id: number;
  /** null for the run's own context. */
  job: string | null;
  state: StatusState;
  description: string;
  rank: StatusRank;
  version: number;
  sent_version: number;
  sent_at: Instant | null;
  dead: Flag;
  failures: number;
  retry_at: Instant | null;
  why: string | null;
  desired_at: Instant;
}

export interface WorkerTable {
  id: string;
  slots: number;
  details: Json;
  lease_until: Instant;
  platform: string | null;
  labels: Json | null;
  capacity: Json | null;
}

/** One row for each job by name; see durations.ts. */
export interface JobDurationTable {
  repo_id: Fixed<number>;
  pipeline: Fixed<string>;
  job: Fixed<string>;
  platform: Fixed<string>;
  /** The last ones in ms, the newest last. */
  recent: Json;
  median_ms: number;
  updated_at: Instant;
}

export interface RoleTable {
  role: string;
  owner: string;
  until: Instant;
}

export interface ArtifactTable {
  run_id: Fixed<number>;
  job_id: Fixed<number>;
  attempt: Fixed<number>;
  name: Fixed<string>;
  bytes: Fixed<number>;
  files: Fixed<number>;
  expires_at: Instant;
}

export interface TestReportTable {
  job_id: Fixed<number>;
  attempt: Fixed<number>;
  run_id: Fixed<number>;
  /** What is searched for: reports of one commit tell which tests are flaky. */
  repo_id: Fixed<number>;
  sha: Fixed<string>;
  report: Fixed<Json>;
}

export interface ImageTable {
  job_id: Fixed<number>;
  attempt: Fixed<number>;
  /** An ImageRecord. */
  record: Fixed<Json>;
}

/** The newest success with a key; see core/reuse.ts. */
export interface ReusableTable {
  repo_id: Fixed<number>;
  trust: Fixed<TrustClass>;
  key: Fixed<string>;
  run_id: number;
  job_id: number;
  attempt: number;
  /** How many artifacts it left. */
  artifacts: number;
  recorded_at: Instant;
}

export interface SecretTable {
  /** `owner/name` in lower case. */
  repo: Fixed<string>;
  name: Fixed<string>;
  sealed: string;
  trust: Json;
  /** null = all. */
  events: Json | null;
  set_at: Instant;
}

export type ArtifactRow = Selectable<ArtifactTable>;
export interface RepositoryTable {
  repo_id: number;
  owner: string;
  name: string;
  /** `owner/name` in lower case, as GitHub compares names. */
  key: string;
  default_branch: string;
  /** When any of it was last found to be new. */
  changed_at: Instant;
}

export interface TimetableTable {
  id: Generated<number>;
  repo_id: Fixed<number>;
  pipeline: Fixed<string>;
  cron: Fixed<string>;
  timezone: Fixed<string>;
  /** null = it never comes again. */
  next_at: Instant | null;
}

export type RunRow = Selectable<RunTable>;
export type JobRow = Selectable<JobTable>;
export type IntakeRow = Selectable<IntakeTable>;
export type StatusRow = Selectable<StatusTable>;
export type WorkerRow = Selectable<WorkerTable>;

/** The port to the store: all state, and the words its use-cases are made of. */
import type { ApprovalVerdict, ApprovalWish } from './approval.ts';
import type { ArtifactOf, KeptArtifact, Publication } from './artifact.ts';
import type { TestReport } from './junit.ts';
import type { CommitStatus } from './commit-status.ts';
import type { Value } from './expression/expression.ts';
import type { ImageRecord } from './image/image-spec.ts';
import type { DispatchStore } from './lane/dispatch.ts';
import type { Delivery, Intake, IntakeRequest, IntakeState, KnownRepo } from './intake.ts';
import type { Job, JobId, RunId, WorkerId } from './job.ts';
import type { Evidence, Outcome } from './outcome.ts';
import type { PoolStore } from './pool/pool-store.ts';
import type { Reusable, Reuse } from './reusable.ts';
import type { PastRun } from './schedule/prewarm.ts';
import type { RunResults } from './run-results.ts';
import type { RerunRequest, RerunVerdict } from './rerun.ts';
import type { Capacity } from './resources.ts';
import type { Approval, ConfigSource, RepoRef, Run, RunContext, TrustClass, EventName } from './run.ts';
import type { Decision, Snapshot } from './schedule/schedule.ts';
import type { SecretRecord, StoredSecret } from './secrets/secret-grants.ts';
import type { Concurrency, JobSpec } from './pipeline/pipeline.ts';
import type { DueTime, Timetable } from './timetable.ts';
import type { WorkflowNews, WorkflowStore } from './workflow.ts';

/**
 * All state. Every method is one use-case in one transaction: it happened wholly or not at all, and when its promise
 * resolves it is on disk. Methods may be called concurrently; their order is the order of their commits.
 */
export interface Store extends WorkflowStore, PoolStore, DispatchStore {
  /**
   * Records a delivery and, when it was accepted, the one thing it asks for and what it tells. Called once per request, before the answer.
   * A delivery id that is known changes nothing and answers 'duplicate'. A redelivery of one that was rejected is judged anew.
   */
  recordDelivery(
    delivery: Delivery,
    request: IntakeRequest | null,
    news?: WorkflowNews | null,
  ): Promise<'new' | 'duplicate'>;

  /**
   * Intakes that no planner has finished, oldest first, at most `limit`. Those set aside until later are left out, and so is
   * what was received after such a head of its repository and is none itself: it may end or approve what that one becomes.
   */
  unplannedIntakes(now: Date, limit: number): Promise<readonly Intake[]>;
  /** What the planner must know to judge the intake's line. */
  lineOfIntake(intake: Intake): Promise<{
    readonly newestSeen: { readonly id: number; readonly sha: string } | null;
    readonly live: readonly Run[];
  }>;
  /**
   * Turns an intake into runs, jobs and desired statuses, ends the runs it makes stale, and marks it planned.
   * Repeating it for a planned intake changes nothing. A plan whose (repository, sha, pipeline, trust) already has a
   * run that was not superseded joins that run. Returns the runs that now stand for the intake.
   */
  applyPlan(intake: Intake, plan: IntakePlan, now: Date): Promise<readonly RunId[]>;
  /** Sets an intake aside after a failure that may pass (no network). Counts the try. */
  postponeIntake(intake: Intake, until: Date, why: string): Promise<void>;

  /** Not what was planned, but what became of the asking; see `IntakeState`. By its number, or by the delivery that brought it. */
  findIntake(by: { readonly id: number } | { readonly delivery: string }): Promise<IntakeState | undefined>;
  /** What the newest accepted delivery said of a repository, by `owner/name` without regard to case. */
  knownRepo(name: string): Promise<KnownRepo | undefined>;

  /** Times of the timetable that have come, the longest due first, at most `limit`. */
  dueTimes(now: Date, limit: number): Promise<readonly DueTime[]>;
  /**
   * Moves an entry of the timetable on to `next` (null = it never comes again) and records what the time that came asks
   * for, if anything, in one transaction. Refused (false) when the entry is not as it was read, or when this very time has
   * asked before: so each time asks at most once, over restarts and with several processes.
   */
  takeTime(
    due: DueTime,
    next: Date | null,
    ask: { readonly delivery: Delivery; readonly request: IntakeRequest } | null,
  ): Promise<boolean>;

  /** Everything unfinished, read in one transaction. */
  snapshot(): Promise<Snapshot>;
  /**
   * Applies decisions as compare-and-set: one that no longer fits its job's state and attempt is dropped silently, since
   * the next snapshot shows the truth. Updates desired statuses. Returns the number that took effect.
   */
  apply(decisions: readonly Decision[], now: Date): Promise<number>;

  /** Announces a worker or renews it and the leases of all its claims. Called at start and every third of a lease. */
  renewWorker(worker: WorkerInfo, leaseUntil: Date, now: Date): Promise<void>;
  /** All claims of a worker that are unfinished, in order of claim; the worker starts or re-attaches each. */
  claimsOf(worker: WorkerId): Promise<readonly Claim[]>;
  /** The first process of the attempt was seen. Late attempts are refused (false). May be repeated. */
  jobStarted(job: JobId, attempt: number, at: Date): Promise<boolean>;
  /**
   * Records what a running attempt has published; from then on the jobs that wait for it alone may start, and it is listed.
   * Refused (false) when the job is finished or on another attempt. May be repeated.
   */
  publishArtifacts(job: JobId, attempt: number, publication: Publication): Promise<boolean>;
  /**
   * The attempt is over. Refused (false) when the job is finished already or on another attempt, so a second call is
   * harmless. A success without evidence is a bug and throws. Updates the run and the desired statuses.
   */
  finishJob(job: JobId, attempt: number, finish: Finish, at: Date): Promise<boolean>;
  /**
   * The newest success that was recorded under a key in this repository and trust class, as long as all that it left is
   * there for another hour. Read once for each job with `inputs`, before it runs.
   */
  findReusable(
    of: { readonly repoId: number; readonly trust: TrustClass; readonly key: string },
    now: Date,
  ): Promise<Reusable | undefined>;
  /** Asks a run, or one job of it, to end. What is not running ends at once; the scheduler stops the rest. */
  cancel(run: RunId, job: string | null, outcome: Outcome, at: Date): Promise<'cancelled' | 'finished' | 'unknown'>;

  /**
   * Makes a new run that repeats a finished one, as rerun.ts decides, and takes over the statuses of its commit. A run is
   * repeated once: of several callers at a time one makes the run and the others are told its number.
   */
  rerun(run: RunId, asked: RerunRequest, at: Date): Promise<RerunVerdict>;

  /**
   * Lets the waiting runs of a fork's commit run: all of that sha and pull request, from T4 to T3. Refused for any other
   * sha than the one named, and while something newer of the pull request is not planned. May be repeated.
   */
  approve(wish: ApprovalWish, approval: Approval): Promise<ApprovalVerdict>;

  /** Statuses whose desired version was not sent yet, by rank then age. */
  unsentStatuses(now: Date, limit: number): Promise<readonly OutgoingStatus[]>;
  /** The forge took this version (or it will never take it: `dead`). An older version does not cover a newer one. */
  statusSent(id: number, version: number, at: Date): Promise<void>;
  statusFailed(id: number, version: number, why: string, retryAt: Date | 'never'): Promise<void>;

  findRun(id: RunId): Promise<RunWithJobs | undefined>;
  /** Artifacts and tests of a run; empty for one that does not exist. */
  resultsOf(run: RunId): Promise<RunResults>;
  /** Artifacts whose time is over, oldest first, at most `limit`. */
  expiredArtifacts(
    now: Date,
    limit: number,
  ): Promise<readonly (ArtifactOf & { readonly run: Pick<Run, 'repo' | 'trust'> })[]>;
  /** Their files are gone. May be repeated. */
  artifactsRemoved(artifacts: readonly ArtifactOf[]): Promise<void>;
  /** Newest first. `cursor` is what the previous page returned as `next`. */
  listRuns(filter: RunFilter, limit: number, cursor: string | null): Promise<RunPage>;
  /** The newest run of each pipeline per commit whose sha begins with `prefix` (7 to 64 hex digits); at most 20 commits. */
  runsOfSha(prefix: string): Promise<readonly RunWithJobs[]>;
  /**
   * Of each of these repositories the newest run with jobs of each pipeline, once for T1 and once for T2, as far as it is
   * among the last 20; newest first. Read when something was received, to tell what it will probably need.
   */
  recentRuns(repoIds: readonly number[]): Promise<readonly PastRun[]>;
  /** Numbers for `/health`. */
  counts(): Promise<StoreCounts>;

  /** Keeps a secret in the place of an earlier one of that repository and name. May be repeated. */
  saveSecret(secret: StoredSecret, now: Date): Promise<'new' | 'replaced'>;
  /** All secrets of a repository (in any case), or of all (null), by repository and name. Texts stay sealed. */
  secretsOf(repo: string | null): Promise<readonly SecretRecord[]>;
  /** false when there is none. May be repeated. */
  removeSecret(repo: string, name: string): Promise<boolean>;

  /** A lease on a role (`planner`, `scheduler`, `reporter`); true while this owner holds it. Called every tick. */
  holdRole(role: string, owner: string, until: Date, now: Date): Promise<boolean>;

  close(): Promise<void>;
}

export type { RunResults } from './run-results.ts';

export interface IntakePlan {
  /** Runs to make, each with its jobs; empty when nothing in the commit wants the event. */
  readonly runs: readonly PlannedRun[];
  /** Live runs that end now. */
  readonly ends: readonly { readonly run: RunId; readonly outcome: Outcome }[];
  /** For the record, e.g. "no pipeline wants push to refs/heads/x". */
  readonly note: string | null;
  /** All times at which the default branch's pipelines want to run; absent = this plan says nothing about them. */
  readonly timetable?: Timetable;
}

export interface PlannedRun {
  readonly pipeline: string;
  /** See `Run.title`. */
  readonly title: string;
  readonly concurrency: Concurrency | null;
  readonly repo: RepoRef;
  readonly sha: string;
  readonly ref: string;
  readonly line: string;
  readonly prNumber: number | null;
  readonly eventName: EventName;
  readonly trust: TrustClass;
  /** See `Run.config`; absent = null. */
  readonly config?: ConfigSource;
  readonly context: RunContext;
  readonly jobs: readonly { readonly spec: JobSpec; readonly waitsFor: readonly string[] }[];
  /** Set for a run that is over before it began (broken file, stale head, no pipeline); it then has no jobs. */
  readonly outcome: Outcome | null;
  /** Why all jobs are left out (nothing they are for has changed); they and the run are then skipped. null = they run. */
  readonly leftOut: string | null;
  /** false for a run that is recorded only. */
  readonly reported: boolean;
  /** true: it neither joins the run that stands for its commit, nor does another one join it. */
  readonly standsAlone?: boolean;
}

export interface WorkerInfo {
  readonly id: WorkerId;
  readonly slots: number;
  /** Of the containers it starts: `linux/amd64`. */
  readonly platform?: string;
  /** What it offers to `runs-on` beside what every worker does. */
  readonly labels?: readonly string[];
  /** What it has for its jobs beside slots; absent = not measured, any job is taken to fit. */
  readonly capacity?: Capacity;
  /** For `/health`: which workspace strategy it uses and why, engine version, slots warm and busy … */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A job that a worker holds: all it needs to execute it. */
export interface Claim {
  readonly job: Job;
  readonly run: Run;
  readonly context: RunContext;
  /** The `needs` context of its expressions. */
  readonly needs: Value;
  /**
   * Of the jobs it waited for, in their order; the last one wins where two hold the same file. Of a job whose artifacts alone
   * it needs: these, of the attempt that had published them when this one was claimed.
   */
  readonly artifacts: readonly ArtifactOf[];
  /** Set when the attempt must be stopped; the outcome it will then take. */
  readonly stop: Outcome | null;
}

export interface OutgoingStatus extends CommitStatus {
  readonly id: number;
  readonly version: number;
  readonly repo: RepoRef;
  readonly sha: string;
  readonly runId: RunId;
  /** null for the run's own context. */
  readonly job: string | null;
  /** Where the workflow of GitHub that stands for the job shows its run; null = it has none. */
  readonly workflowUrl: string | null;
  readonly failures: number;
  readonly desiredAt: Date;
}

export interface RunWithJobs {
  readonly run: Run;
  readonly jobs: readonly Job[];
}

export interface RunFilter {
  /** `owner/name` */
  readonly repo?: string;
  /** Without prefix. */
  readonly branch?: string;
  readonly sha?: string;
  readonly state?: 'queued' | 'running' | 'finished';
}

export interface RunPage {
  readonly runs: readonly RunWithJobs[];
  readonly next: string | null;
}

export interface StoreCounts {
  readonly activeRuns: number;
  readonly queuedJobs: number;
  readonly oldestQueuedAt: Date | null;
  readonly unplanned: number;
  readonly unsentStatuses: number;
  readonly deadStatuses: number;
  readonly lastSuccessAt: Date | null;
  readonly firstRunAt: Date | null;
  readonly workers: readonly (WorkerInfo & { readonly leaseUntil: Date })[];
}

/** How an attempt ended, and what it leaves. */
export interface Finish {
  readonly outcome: Outcome;
  readonly evidence: Evidence | null;
  /** Of a job that got to its end; empty otherwise. */
  readonly outputs: Readonly<Record<string, string>>;
  /** What was kept of its workspace; absent = nothing. */
  readonly artifacts?: readonly KeptArtifact[];
  /** What its JUnit reports say; absent = it has none. */
  readonly tests?: TestReport | null;
  /** Of a job with `inputs`. */
  readonly reuse?: Reuse;
  /** Of a job that built one. */
  readonly image?: ImageRecord;
}

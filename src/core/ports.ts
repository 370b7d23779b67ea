/**
 * The ports: what the loops ask of the world. Adapters implement them, `daemon.ts` joins the two, tests may stand in
 * for whole outside systems. Each comment says when a method is called, how often, and whether it may be repeated.
 */
import type { ArtifactOf, Publication } from './artifact.ts';
import type { JobId, RunId } from './job.ts';
import type { Result } from './result.ts';
import type { RepoRef, Run } from './run.ts';
import type { Claim, OutgoingStatus, Finish } from './store-port.ts';
import type { Wish } from './schedule/prewarm.ts';

/** Wall clock and monotonic clock. Durations and deadlines use `monotonicMs`; `now` is for records and for display. */
export interface Clock {
  now(): Date;
  /** Milliseconds since an arbitrary start; never steps back. */
  monotonicMs(): number;
}

/** Randomness that must be unguessable or spread out. */
export interface Random {
  /** Lower-case hex of that many random bytes. */
  hex(bytes: number): string;
  /** Uniform in [0, 1). */
  fraction(): number;
}

/** Executes jobs in warm containers. One per worker process. */
export interface Executor {
  /**
   * Runs the claimed attempt, or re-attaches to it when an earlier process already began it: whatever happens, its
   * commands start at most once. Never rejects. `stop` aborts with an Outcome as its reason; the promise then resolves
   * with that outcome after the last process is dead. `detach` makes it return undefined at once and leave the job running.
   */
  execute(claim: Claim, signals: ExecutionSignals): Promise<Finish | undefined>;
  /** Frees what the attempt held: its slot, workspace and layers. Called after its outcome is on disk. May be repeated. */
  release(claim: Claim): Promise<void>;
  /** Removes what belongs to no unfinished claim. Called at start, after the claims were read. May be repeated. */
  sweep(claims: readonly Claim[]): Promise<void>;
}

/** What is made ready before jobs are claimed. One per worker process. */
export interface Preparations {
  /**
   * These are wished from now on, and nothing else: begins what is new, stops what is wished no more. Returns at once.
   * Called at every look at the store. What fails is counted and logged, and never tried again for the same wish.
   */
  prepare(wishes: readonly Wish[]): void;
  /** Ids of the wishes for which a layer is being built. */
  building(): ReadonlySet<string>;
}

export interface ExecutionSignals {
  readonly stop: AbortSignal;
  readonly detach: AbortSignal;
  /** Called once per attempt, or again after a re-attach, when its first process was seen. */
  started(at: Date): void;
  /**
   * Called after a step that publishes, once all of it lies whole on the disk, and again for that step after a re-attach.
   * Resolves when it is on record; the next step is not begun before. Rejects only when `detach` aborts.
   */
  published(publication: Publication): Promise<void>;
}

/** Where commit statuses go. */
export interface Forge {
  /**
   * Sends one status. May be repeated: GitHub keeps the newest per context. Aborting the signal ends it with 'retry';
   * whether the status arrived is then unknown.
   */
  setStatus(
    status: OutgoingStatus,
    targetUrl: string | null,
    signal?: AbortSignal,
  ): Promise<Result<void, ForgeTrouble>>;
}

/** What the forge knows of people. */
export interface People {
  /**
   * What a person may do in a repository, by login. Asked once for each comment that approves, again after trouble of the
   * kind 'retry'. The forge looks a login up as it is today, so the caller compares the id with that of the signed payload.
   */
  permissionOf(repo: RepoRef, login: string, signal?: AbortSignal): Promise<Result<Permission, ForgeTrouble>>;
}

export interface Permission {
  readonly mayWrite: boolean;
  /** The forge's id of whoever has that login now; null when it did not say. */
  readonly personId: number | null;
}

/** `retry` = it may pass, not before `retryAt` when the forge said so; `refused` = it never will. */
export interface ForgeTrouble {
  readonly kind: 'retry' | 'refused' | 'unconfigured';
  readonly message: string;
  readonly retryAt?: Date;
}

export type {
  Store,
  IntakePlan,
  PlannedRun,
  WorkerInfo,
  Claim,
  OutgoingStatus,
  RunWithJobs,
  RunResults,
  RunFilter,
  RunPage,
  StoreCounts,
  Finish,
} from './store-port.ts';
export type { JobSecrets, SecretTexts } from './secrets/secrets-port.ts';
export { FileTooLarge, type FetchRequest, type Git, type GitTrouble, type TreeFile } from './git-port.ts';

/** Artifacts on disk. */
export interface ArtifactFiles {
  /** A tar archive, streamed as it is made; undefined when its files are gone. Throws in the middle when reading fails. */
  tar(run: Pick<Run, 'repo' | 'trust'>, artifact: ArtifactOf): Promise<AsyncIterable<Uint8Array> | undefined>;
}

/** Job logs on disk. Paths are made from integers only. */
export interface JobLogs {
  /** Opens the attempt's log for appending; creates it. `bytes` is its length now, so a re-attach goes on from there. */
  open(run: RunId, job: JobId, attempt: number): Promise<JobLogWriter>;
  /** Size in bytes, or undefined when there is none (yet). */
  size(run: RunId, job: JobId, attempt: number): Promise<number | undefined>;
  /** Bytes from `start` up to but excluding `end`. */
  read(run: RunId, job: JobId, attempt: number, start: number, end: number): AsyncIterable<Uint8Array>;
}

export interface JobLogWriter {
  readonly bytes: number;
  append(chunk: Uint8Array): Promise<void>;
  /** Makes it durable and returns the digest of the whole file. */
  finish(): Promise<{ readonly sha256: string; readonly bytes: number }>;
  close(): Promise<void>;
}

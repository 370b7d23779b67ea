/** The part of the store that holds pools, their runners, and what was observed of them. */
import type { Amounts } from '../resources.ts';
import type { WorkflowJob } from '../workflow.ts';
import type { Pool, Scope } from './pool.ts';
import type { Rule } from './rules.ts';
import type { Runner, RunnerChange, RunnerId, RunnerState } from './runner.ts';
import type { WaitingJob } from './scale.ts';

export const poolWishes = ['registered', 'running', 'stopped', 'removed'] as const;
/** What somebody asked for: `registered` = checked and ready to start; `removed` = emptied, then forgotten. */
export type PoolWish = (typeof poolWishes)[number];

/** What the last look at everything a pool needs has found. */
export interface PoolCondition {
  /** `refused`: somebody has to change something; `trouble`: it may pass. Both are looked at again. */
  readonly state: 'unchecked' | 'ready' | 'refused' | 'trouble';
  /** What is wrong and what to do; what was seen when it is ready. */
  readonly message: string;
  readonly at: Date | null;
  /** Of the definition that was looked at. */
  readonly fingerprint: string | null;
  readonly seen: PoolSeen | null;
}

/** What a check has really observed. */
export interface PoolSeen {
  /** When; trouble that came later does not make it younger. */
  readonly at: Date;
  readonly platform: string;
  /** What `uname -m` said in a container of the image. */
  readonly machine: string;
  readonly isEmulated: boolean;
  /** What containers are made of: the name of the image may mean another one later. */
  readonly imageId: string;
  /** Of the runner's program in the image. */
  readonly version: string;
  /** Runners at once, and what each gets. */
  readonly most: number;
  readonly size: Amounts;
  readonly isClamped: boolean;
}

export interface PoolRecord {
  readonly pool: Pool;
  /** Changes when anything of the definition changes. */
  readonly fingerprint: string;
  /** The settings file, or somebody at the command line. */
  readonly source: 'file' | 'added';
  readonly wish: PoolWish;
  readonly condition: PoolCondition;
  readonly changedAt: Date;
}

export interface PoolSnapshot {
  readonly pools: readonly PoolRecord[];
  /** All of this worker that are not gone. */
  readonly runners: readonly Runner[];
  /** Jobs of workflows that GitHub has queued, the oldest first. */
  readonly waiting: readonly (WaitingJob & { readonly job: WorkflowJob })[];
  /** Names of this worker's runners that were given a job. */
  readonly withJob: ReadonlySet<string>;
  /** What running jobs of pipelines hold on this worker. */
  readonly held: Amounts;
  /** The oldest job of a pipeline that waits and wants cores, memory or disk. */
  readonly pressing: { readonly wants: Amounts; readonly since: Date } | null;
}

export interface NewRunner {
  readonly name: string;
  readonly pool: string;
  readonly fingerprint: string;
  readonly scope: Scope;
  readonly platform: string;
  readonly size: Amounts;
  readonly isEmulated: boolean;
}

/** What is on record of one pool, for people. */
export interface PoolHistory {
  readonly rules: readonly { readonly rule: Rule; readonly count: number; readonly at: Date }[];
  /** Jobs that its runners have done, the newest first, at most so many as were asked for. */
  readonly jobs: readonly WorkflowJob[];
  /** Of all of them since the first on record. */
  readonly usage: { readonly jobs: number; readonly ms: number; readonly minutes: number; readonly since: Date | null };
  /** The newest runner that GitHub gave a number, and the newest that it saw online. */
  readonly registered: Pick<Runner, 'name' | 'githubId' | 'plannedAt'> | null;
  readonly online: Pick<Runner, 'name' | 'githubId' | 'onlineAt'> | null;
  /** The newest success of the workflow that builds images on one of its runners. */
  readonly imagesBuilt: WorkflowJob | null;
}

export interface PoolStore {
  /** Writes a definition down. One that is known and the same changes nothing; `wish` null keeps what was wished. May be repeated. */
  savePool(
    pool: Pool,
    source: PoolRecord['source'],
    wish: PoolWish | null,
    at: Date,
  ): Promise<'new' | 'changed' | 'same'>;
  /** false when there is no such pool. May be repeated. */
  wishPool(name: string, wish: PoolWish, at: Date): Promise<boolean>;
  /** Forgets a pool that is to be removed and has no runner any more; false when that is not so (yet). May be repeated. */
  forgetPool(name: string): Promise<boolean>;
  pools(): Promise<readonly PoolRecord[]>;
  /** Only for the definition that the condition is about; false when it was changed since. */
  notePool(name: string, condition: PoolCondition): Promise<boolean>;
  /** What the pool loop decides on, from one transaction. Read at every tick. */
  poolSnapshot(worker: string): Promise<PoolSnapshot>;
  /**
   * Puts runners on record, as many of them, in their order, as still fit into `room` beside what runs by now; the rest is
   * left out. Nothing is at GitHub or in the engine before this.
   */
  planRunners(worker: string, runners: readonly NewRunner[], room: Amounts, at: Date): Promise<readonly Runner[]>;
  /**
   * Changes a runner as compare-and-set on its state; false when it has another one by now. A change to a state that
   * cannot follow is a bug and throws. A rule that is named is counted in the same transaction.
   */
  changeRunner(id: RunnerId, from: RunnerState, change: RunnerChange, at: Date): Promise<boolean>;
  /** Counts something that happened to no runner on record. */
  countRule(pool: string, rule: Rule, at: Date): Promise<void>;
  /** Every runner that is not gone, and the newest that are, at most `limit` of them. */
  runners(limit: number): Promise<readonly Runner[]>;
  poolHistory(name: string, limit: number): Promise<PoolHistory>;
  /** Jobs of workflows that are not over, the oldest first. */
  openWorkflowJobs(limit: number): Promise<readonly (WorkflowJob & { readonly firstSeenAt: Date })[]>;
}

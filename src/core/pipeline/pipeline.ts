import type { ContainerSpec, ServiceSpec } from '../containers.ts';
import type { CronEntry } from '../cron.ts';
import type { DispatchInputs } from '../dispatch.ts';
import type { Value } from '../expression/expression.ts';
import type { ImageSpec } from '../image/image-spec.ts';
import type { LaneSpec } from '../lane/lane-spec.ts';
import type { Axes } from '../plan/matrix.ts';
import type { Position, Problem } from '../problem.ts';
import type { Resources } from '../resources.ts';
import type { Retry } from '../schedule/retry.ts';
import type { VerifySpec } from '../verify/verify.ts';
import type { ArtifactSpec } from './artifact-schema.ts';
import type { SecretUse } from './secret-uses.ts';

/**
 * The pipeline as the rest of Hearth sees it: checked, with defaults filled in, names resolved.
 * `pipeline-file.ts` makes it from text; nothing else may.
 */
export interface Pipeline {
  readonly name: string;
  /** Path of the file inside the repository. */
  readonly file: string;
  readonly on: Triggers;
  readonly sidecar: Sidecar;
  readonly phases: readonly string[];
  readonly caches: Readonly<Record<string, CacheSpec>>;
  /** What people see of a run; null = the pipeline's name. */
  readonly runName: Template | null;
  readonly concurrency: ConcurrencyTemplate | null;
  /** Keys that are taken and do nothing, for whoever checks the file. */
  readonly notes: readonly Problem[];
  /** The `vars` context. */
  readonly vars: Readonly<Record<string, string>>;
  /** In the order of the file. */
  readonly jobs: readonly JobTemplate[];
}

export interface Triggers {
  readonly push?: EventFilter;
  readonly pull_request?: EventFilter;
  readonly merge_group?: EventFilter;
  /** By hand. */
  readonly workflow_dispatch?: { readonly inputs: DispatchInputs };
  readonly schedule?: readonly CronEntry[];
}

/** Lists of patterns; what is absent does not filter. Of each pair one is there at most. */
export interface EventFilter {
  /** Of a push the branch, of anything else the base branch. */
  readonly branches?: readonly string[];
  readonly branchesIgnore?: readonly string[];
  readonly tags?: readonly string[];
  readonly tagsIgnore?: readonly string[];
  readonly paths?: readonly string[];
  readonly pathsIgnore?: readonly string[];
  /** Of a pull request what happened to it; absent = its head changed. */
  readonly types?: readonly string[];
  /** Jobs of a pull request get its head merged into the base; absent = the head. */
  readonly checkout?: 'merge';
}

/** The warm image that slots are made from. */
export type Sidecar = SidecarSource & {
  /** Size of /dev/shm in bytes. Docker's own default of 64 MB makes browsers hang. */
  readonly shmBytes: number;
  /** Memory limit of a slot in bytes; absent = none. */
  readonly memoryBytes?: number;
  /** Nothing in the container can be written but the workspace and temporary folders. */
  readonly readOnly?: true;
};

export type SidecarSource =
  | { readonly kind: 'image'; readonly image: string }
  /** Paths are relative to the top of the repository. */
  | { readonly kind: 'build'; readonly context: string; readonly file: string };

export type CacheSpec =
  /** A dependency layer: built once per content of the `key` files, then mounted read-only by any number of jobs. */
  | {
      readonly kind: 'layer';
      readonly key: readonly string[];
      readonly paths: readonly string[];
      readonly install: string;
    }
  /** A named volume that jobs write to, kept between runs, at an absolute path inside the container. */
  | { readonly kind: 'volume'; readonly path: string };

/** A job as the file says it. Texts marked "template" may hold expressions; `expand.ts` turns it into the jobs of a run. */
export interface JobTemplate extends Omit<
  JobSpec,
  'key' | 'axes' | 'group' | 'shard' | 'timeoutMs' | 'continueOnError' | 'concurrency' | 'runsOn' | 'platform'
> {
  /** One text may be an expression that gives a list. */
  readonly runsOn?: Template | readonly Template[];
  /** The job runs once on each of them. */
  readonly platforms?: readonly string[];
  readonly concurrency: ConcurrencyTemplate | null;
  readonly parallel: number | null;
  readonly timeoutMinutes: number | Template;
  readonly continueOnError: boolean | Template;
  readonly strategy: Strategy | null;
  /** Of the job's key in the file. */
  readonly position: Position;
}

/** One at a time. Groups are compared without regard to case, as on GitHub. */
export interface Concurrency {
  readonly group: string;
  /** A newer one ends the one that runs, instead of waiting for it. */
  readonly cancelInProgress: boolean;
}

export interface ConcurrencyTemplate {
  readonly group: Template;
  readonly cancelInProgress: boolean | Template;
}

export interface Strategy {
  readonly matrix: MatrixTemplate | Template;
  readonly failFast: boolean | Template;
  /** null = as many as there are slots. */
  readonly maxParallel: number | Template | null;
}

/** A list that is a template is an expression that gives one. */
export interface MatrixTemplate {
  readonly axes: Readonly<Record<string, readonly Value[] | Template>>;
  readonly include: readonly Axes[] | Template;
  readonly exclude: readonly Axes[] | Template;
}

/** Text that may hold `${{ }}` expressions. */
export type Template = string;

export interface JobSpec {
  /** Unique in the run: the key in the file, with the values of its axes where it has a matrix: `test (18, linux)`. */
  readonly name: string;
  /** The key in the file, which all combinations of a matrix share. */
  readonly key: string;
  /** What people see; the name unless the file gives a `name`. */
  readonly title: string;
  /** Its combination of the matrix; empty without one. */
  readonly axes: Axes;
  /** Its place among the combinations; null without a matrix. */
  readonly group: JobGroup | null;
  /** `if`, evaluated once its needs are over; null = `success()`. */
  readonly condition: string | null;
  /** Keys. undefined = phases order this job; a list (also an empty one) = only these. */
  readonly needs: readonly string[] | undefined;
  /** Those of `needs` that may be absent from the file or from the run. */
  readonly optionalNeeds: readonly string[];
  /** Those of `needs` that are met by artifacts and not by the end of the job; absent = none. */
  readonly artifactNeeds?: readonly ArtifactNeed[];
  readonly phase: string | undefined;
  readonly steps: readonly StepSpec[];
  /** Pipeline env and job env merged; templates, evaluated when the job starts. */
  readonly env: Readonly<Record<string, Template>>;
  readonly timeoutMs: number;
  readonly continueOnError: boolean;
  /** Names of `Pipeline.caches`. */
  readonly caches: readonly string[];
  readonly concurrency: Concurrency | null;
  /** Exit codes of a step that are no failure. */
  readonly allowedExitCodes: readonly number[];
  /** false: once it has started, a newer head does not end the run. */
  readonly interruptible: boolean;
  readonly startDelayMs: number;
  /** Among jobs of the same run whose remaining paths are alike, and between runs: higher goes first. */
  readonly priority: number;
  readonly resources: Resources | null;
  /** Labels that a worker must have, all of them; absent = any worker. */
  readonly runsOn?: readonly string[];
  /** As Docker writes it; absent = any. */
  readonly platform?: string;
  /** null = only the machine's own faults, once, before anything ran. */
  readonly retry: Retry | null;
  /** Which part of `parallel` it is, from 1; null without. */
  readonly shard: { readonly index: number; readonly total: number } | null;
  /** Those it gets as variables or files, and those its expressions name. */
  readonly secrets: readonly SecretUse[];
  readonly artifacts: readonly ArtifactSpec[];
  /** Artifacts it asked for with actions/download-artifact; absent = none. */
  readonly downloads?: readonly Download[];
  /** Keys of needed jobs whose artifacts it does not get; absent = none. */
  readonly refusesArtifactsOf?: readonly string[];
  /** Patterns of all files that its result depends on; absent = it always runs. */
  readonly inputs?: readonly string[];
  /** Absent = the run's sidecar. */
  readonly container?: ContainerSpec;
  /** The job builds this, and has no steps; absent = it runs steps. */
  readonly image?: ImageSpec;
  /** The job runs as a workflow of GitHub, and has no steps; absent = it runs here. */
  readonly lane?: LaneSpec;
  /** Of an image that is built; absent = nothing is checked. */
  readonly verify?: VerifySpec;
  /** Absent = none. */
  readonly services?: readonly ServiceSpec[];
  /** What the job tells those that need it; templates, evaluated after its last step. */
  readonly outputs: Readonly<Record<string, Template>>;
}

/** A need that is met as soon as the artifact is published. */
export interface ArtifactNeed {
  /** Key of a job. */
  readonly job: string;
  readonly artifact: string;
}

/** A job of a run, before the run is made. */
export interface ExpandedJob {
  readonly spec: JobSpec;
  /** Names of jobs of the run, phases and keys of matrix jobs turned into them. */
  readonly waitsFor: readonly string[];
}

export interface JobGroup {
  /** From 0. */
  readonly index: number;
  readonly total: number;
  /** The others end when one fails. */
  readonly failFast: boolean;
  /** Most that run at once; null = as many as there are slots. */
  readonly maxParallel: number | null;
}

export interface Download {
  /** Key of the needed job, which is one job of the run at most. */
  readonly job: string;
  readonly name: string;
  /** The job is an error without it. */
  readonly isRequired: boolean;
}

export interface StepSpec {
  /** For `steps.<id>`; null without one. */
  readonly id: string | null;
  /** null = the first line of its script. */
  readonly name: Template | null;
  /** null = `success()`. */
  readonly condition: string | null;
  readonly run: Template;
  readonly env: Readonly<Record<string, Template>>;
  /** Relative to the workspace. */
  readonly workingDirectory: Template;
  /** `bash`, `sh`, `python` or a command with `{0}` in the place of the script; null = bash or sh, whichever there is. */
  readonly shell: string | null;
  /** null = only the job's. */
  readonly timeoutMinutes: number | Template | null;
  readonly continueOnError: boolean | Template;
  /** Names of the job's artifacts that are kept as soon as it has succeeded; absent = none. */
  readonly publish?: readonly string[];
}

/** Stands where a run has no pipeline (none at that commit, commit not there). No file can give this name. */
export const NO_PIPELINE = '(none)';

export const DEFAULT_TIMEOUT_MINUTES = 30;
export const DEFAULT_SHM_BYTES = 2 * 1024 ** 3;

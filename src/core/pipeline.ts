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
  /** In the order of the file. */
  readonly jobs: readonly JobSpec[];
}

export interface Triggers {
  readonly push?: BranchFilter;
  readonly pull_request?: BranchFilter;
}

/** Absent `branches` = every branch. For `pull_request` they are matched against the base branch, as on GitHub. */
export interface BranchFilter {
  readonly branches?: readonly string[];
}

/** The warm image that slots are made from. */
export type Sidecar = SidecarSource & {
  /** Size of /dev/shm in bytes. Docker's own default of 64 MB makes browsers hang. */
  readonly shmBytes: number;
  /** Memory limit of a slot in bytes; absent = none. */
  readonly memoryBytes?: number;
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

export interface JobSpec {
  /** Unique in the pipeline: the key in the file. */
  readonly name: string;
  /** What people see; the key unless the file gives a `name`. */
  readonly title: string;
  /** undefined = phases order this job; a list (also an empty one) = only these. */
  readonly needs: readonly string[] | undefined;
  readonly phase: string | undefined;
  readonly steps: readonly StepSpec[];
  /** Pipeline env and job env merged. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly continueOnError: boolean;
  /** Names of `Pipeline.caches`. */
  readonly caches: readonly string[];
}

export interface StepSpec {
  readonly name: string;
  readonly run: string;
  readonly env: Readonly<Record<string, string>>;
  /** Relative to the workspace. */
  readonly workingDirectory: string;
}

/** Stands where a run has no pipeline (none at that commit, commit not there). No file can give this name. */
export const NO_PIPELINE = '(none)';

export const DEFAULT_TIMEOUT_MS = 30 * 60_000;
export const DEFAULT_SHM_BYTES = 2 * 1024 ** 3;

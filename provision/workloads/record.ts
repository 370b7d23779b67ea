// What is kept of a run of a workload: docs/workloads/<workload>-<label>.json, and the part of a run's record that the page shows.

export interface WorkloadRecord {
  readonly workload: string;
  /** Which run of it: `cold`, `warm`. */
  readonly label: string;
  /** Who asked for it. */
  readonly by: 'hearth run' | 'a signed push';
  /** ISO 8601. */
  readonly at: string;
  readonly commit: string;
  /** Of the working tree: whether it was that commit and nothing else. */
  readonly isClean: boolean;
  readonly machine: { readonly cores: number; readonly platform: string; readonly memoryBytes: number };
  /** As `hearth run --record` writes them. */
  readonly runs: readonly RunRecord[];
}

export interface RunRecord {
  readonly pipeline: string;
  readonly outcome: OutcomeRecord | null;
  readonly jobs: readonly JobRecord[];
}

interface OutcomeRecord {
  readonly result: string;
  readonly message: string;
}

export interface JobRecord {
  readonly name: string;
  readonly outcome: OutcomeRecord | null;
  readonly timings: { readonly start_ms: number | null; readonly run_ms: number | null };
  readonly outputs: Readonly<Record<string, string>>;
  readonly image: ImageOfJob | null;
}

interface ImageOfJob {
  readonly digest: string;
  readonly platforms: readonly {
    readonly platform: string;
    readonly size_bytes: number;
    readonly build_ms: number;
    readonly steps: number;
    readonly cached_steps: number;
    readonly emulated: readonly string[];
    readonly verified: readonly string[];
  }[];
}

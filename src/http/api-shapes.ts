/** JSON as the API shows it: snake_case, stable, nothing that only the inside needs. */
import type { IntakeState } from '../core/intake.ts';
import type { ImageRecord } from '../core/image/image-spec.ts';
import type { Job } from '../core/job.ts';
import type { LaneRecord } from '../core/lane/lane-spec.ts';
import type { TestReport } from '../core/junit.ts';
import type { RunResults, RunWithJobs } from '../core/ports.ts';
import type { Evidence, Outcome } from '../core/outcome.ts';
import { fullName, type ConfigSource, type Run } from '../core/run.ts';
import type { Links } from './links.ts';

export interface RunJson {
  readonly id: number;
  /** `owner/name` */
  readonly repo: string;
  readonly ref: string;
  readonly sha: string;
  readonly pipeline: string;
  /** `run-name`, else the name of the pipeline. */
  readonly title: string;
  readonly state: Run['state'];
  /** A fork's pull request does not run before somebody here approved its commit. */
  readonly waiting_for: 'approval' | null;
  /** Who let a fork's commit run; null when nobody had to, or nobody has. */
  readonly approved: { readonly by: string; readonly at: string } | null;
  /** Where the pipeline was read: for a fork at its base, and which files of the fork have no effect. null = at `sha`. */
  readonly config: { readonly sha: string; readonly branch: string; readonly ignored: readonly string[] } | null;
  readonly outcome: OutcomeJson | null;
  /** ISO 8601. */
  readonly created_at: string;
  readonly finished_at: string | null;
  /** The run that this one repeats. */
  readonly rerun_of: number | null;
  readonly jobs: readonly JobJson[];
}

/** What `/api/v1/runs/:id` tells beside the run itself. */
export interface RunDetailsJson extends RunJson {
  readonly artifacts: readonly ArtifactJson[];
  /** By job, of those that kept JUnit reports. */
  readonly tests: Readonly<Record<string, TestsJson>>;
  /** By job, of those that built one. */
  readonly images: Readonly<Record<string, ImageJson>>;
  /** By job, of those that run as a workflow of GitHub. */
  readonly workflows: Readonly<Record<string, WorkflowJson>>;
}

export interface WorkflowJson {
  /** File in `.github/workflows`. */
  readonly workflow: string;
  readonly run_id: number;
  readonly url: string;
  /** GitHub's own word; null until the job is over. */
  readonly conclusion: string | null;
  /** Of the run on GitHub that ended; null until then. */
  readonly run_attempt: number | null;
}

export interface ImageJson {
  /** Of the index where there are several platforms, else of the manifest. */
  readonly digest: string;
  /** `registry/name:tag@sha256:…` */
  readonly pushed: readonly string[];
  readonly platforms: readonly PlatformImageJson[];
}

export interface PlatformImageJson {
  readonly platform: string;
  readonly digest: string;
  readonly id: string;
  /** Of its unpacked layers. */
  readonly size_bytes: number;
  readonly build_ms: number;
  /** Steps of the Dockerfile, and how many of them the layer cache answered. */
  readonly steps: number;
  readonly cached_steps: number;
  /** Targets whose RUN instructions went through an emulator. */
  readonly emulated: readonly string[];
  /** What `verify` saw, a sentence each. */
  readonly verified: readonly string[];
  /** What its FROM lines were resolved to: a digest of the registry, or an image that lay on the machine. */
  readonly bases: readonly {
    readonly name: string;
    readonly platform: string;
    readonly digest: string | null;
    readonly image_id: string | null;
  }[];
}

export interface ArtifactJson {
  readonly job: string;
  readonly name: string;
  readonly bytes: number;
  readonly files: number;
  readonly expires_at: string;
  /** A tar archive. */
  readonly url: string;
}

export interface TestsJson {
  readonly total: number;
  readonly failed: number;
  readonly skipped: number;
  /** The first 200. */
  readonly failures: readonly FailureJson[];
}

export interface FailureJson {
  readonly name: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly message: string;
  /** It also passed at this commit, in another attempt or run. */
  readonly flaky: boolean;
}

export interface OutcomeJson {
  readonly result: Outcome['result'];
  readonly reason: Outcome['reason'];
  /** One sentence for people; its words may change. */
  readonly message: string;
}

export interface JobJson {
  readonly name: string;
  /** Every job this one waits for, phases turned into names. */
  readonly needs: readonly string[];
  readonly phase: string | null;
  readonly state: Job['state'];
  readonly outcome: OutcomeJson | null;
  readonly attempt: number;
  /** The run in which it was observed, when this one took it over without running it; null = this run itself. */
  readonly from_run: number | null;
  /** Attempts before this one and what they came to. */
  readonly earlier_attempts: readonly { readonly attempt: number; readonly outcome: OutcomeJson }[];
  /** null = has not happened (yet). */
  readonly timings: {
    /** From ready to claimed. */
    readonly queued_ms: number | null;
    /** From claimed to its first process. */
    readonly start_ms: number | null;
    /** From its first process to its end. */
    readonly run_ms: number | null;
  };
  readonly log_url: string;
}

/** What became of something that was asked for. */
export interface IntakeJson {
  readonly id: number;
  /** The event that its runs have, such as `workflow_dispatch`. */
  readonly event: string;
  readonly repo: string;
  readonly state: 'waiting' | 'planned';
  /** Why it waits, or why nothing runs; null when there is nothing to say. */
  readonly note: string | null;
  /** Numbers of the runs that were made for it. */
  readonly runs: readonly number[];
}

export function intakeJson({ intake, isPlanned, note, runs }: IntakeState): IntakeJson {
  const { id, eventName, repo } = intake;
  return { id, event: eventName, repo: fullName(repo), state: isPlanned ? 'planned' : 'waiting', note, runs };
}

export function runJson({ run, jobs }: RunWithJobs, links: Pick<Links, 'jobLog'>): RunJson {
  return {
    id: run.id,
    repo: fullName(run.repo),
    ref: run.ref,
    sha: run.sha,
    pipeline: run.pipeline,
    title: run.title,
    state: run.state,
    waiting_for: run.trust === 'T4' && run.state === 'queued' ? 'approval' : null,
    approved: run.approval === null ? null : { by: run.approval.by, at: run.approval.at.toISOString() },
    config: run.config === null ? null : configJson(run.config),
    outcome: run.outcome === null ? null : outcomeJson(run.outcome),
    created_at: run.createdAt.toISOString(),
    finished_at: run.finishedAt?.toISOString() ?? null,
    rerun_of: run.rerunOf,
    jobs: jobs.map((job) => jobJson(run, job, links)),
  };
}

export function runDetailsJson(
  run: RunWithJobs,
  { artifacts, tests, flaky, images, workflows }: RunResults,
  links: Pick<Links, 'jobLog' | 'artifact'>,
): RunDetailsJson {
  return {
    ...runJson(run, links),
    artifacts: artifacts.map((artifact) => ({
      ...{ job: artifact.job, name: artifact.name, bytes: artifact.bytes, files: artifact.files },
      expires_at: artifact.expiresAt.toISOString(),
      url: links.artifact(run.run, artifact),
    })),
    tests: Object.fromEntries([...tests].map(([job, report]) => [job, testsJson(report, flaky)])),
    images: Object.fromEntries([...images].map(([job, record]) => [job, imageJson(record)])),
    workflows: Object.fromEntries([...workflows].map(([job, record]) => [job, workflowJson(record)])),
  };
}

/** What a run's JUnit reports told of one job. */
export function testsJson({ total, failed, skipped, failures }: TestReport, flaky: ReadonlySet<string>): TestsJson {
  return { total, failed, skipped, failures: failures.map((one) => ({ ...one, flaky: flaky.has(one.name) })) };
}

/** Durations of a job so far, in ms. */
export function timingsJson({ timings }: Pick<Job, 'timings'>): JobJson['timings'] {
  const { queuedAt, claimedAt, startedAt, finishedAt } = timings;
  return {
    queued_ms: between(queuedAt, claimedAt),
    start_ms: between(claimedAt, startedAt),
    run_ms: between(startedAt, finishedAt),
  };
}

export interface EvidenceJson {
  readonly exit_code: number;
  readonly log_sha256: string;
  readonly log_bytes: number;
  readonly dropped_bytes: number;
}

export function evidenceJson({ exitCode, logSha256, logBytes, droppedBytes }: Evidence): EvidenceJson {
  return { exit_code: exitCode, log_sha256: logSha256, log_bytes: logBytes, dropped_bytes: droppedBytes };
}

export function workflowJson({ workflow, runId, url, conclusion, attempt }: LaneRecord): WorkflowJson {
  return { workflow, run_id: runId, url, conclusion, run_attempt: attempt };
}

function jobJson(run: Run, job: Job, links: Pick<Links, 'jobLog'>): JobJson {
  return {
    name: job.name,
    needs: job.waitsFor,
    phase: job.spec.phase ?? null,
    state: job.state,
    outcome: job.outcome === null ? null : outcomeJson(job.outcome),
    attempt: job.attempt,
    from_run: job.origin?.runId ?? null,
    earlier_attempts: job.history.map(({ attempt, outcome }) => ({ attempt, outcome: outcomeJson(outcome) })),
    timings: timingsJson(job),
    log_url: links.jobLog(run, job.name),
  };
}

function outcomeJson({ result, reason, message }: Outcome): OutcomeJson {
  return { result, reason, message };
}

function configJson({ sha, branch, ignored }: ConfigSource): RunJson['config'] {
  return { sha, branch, ignored };
}

function between(from: Date | null, to: Date | null): number | null {
  return from === null || to === null ? null : to.getTime() - from.getTime();
}

export function imageJson({ digest, pushed, images }: ImageRecord): ImageJson {
  return {
    ...{ digest, pushed },
    platforms: images.map(({ platform, id, sizeBytes, buildMs, layers, emulated, verified, bases, digest: own }) => ({
      ...{ platform, digest: own, id, size_bytes: sizeBytes, build_ms: buildMs },
      ...{ steps: layers.total, cached_steps: layers.cached, emulated, verified },
      bases: bases.map(({ name, platform: of, digest: base, imageId }) => ({
        ...{ name, platform: of, digest: base, image_id: imageId },
      })),
    })),
  };
}

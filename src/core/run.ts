import type { Value } from './expression/expression.ts';
import type { Job, RunId } from './job.ts';
import { lets, succeeded, type Outcome } from './outcome.ts';
import type { CacheSpec, Concurrency, Sidecar } from './pipeline/pipeline.ts';

/**
 * Trust class of a run, decided by the server from signed fields only.
 * T1 default branch and tags · T2 branches of the repository itself · T3 fork pull request, approved for one sha ·
 * T4 fork pull request that nobody approved: never runs.
 */
export type TrustClass = 'T1' | 'T2' | 'T3' | 'T4';

export type EventName = 'push' | 'pull_request' | 'merge_group' | 'workflow_dispatch' | 'schedule' | 'manual';

/** Of what lies in the repository itself: the default branch and tags are protected, other branches are not. */
export function trustOf(ref: string, defaultBranch: string): TrustClass {
  return ref.startsWith('refs/tags/') || ref === `refs/heads/${defaultBranch}` ? 'T1' : 'T2';
}

export type RunState = 'queued' | 'running' | 'finished';

/** Not caused by a commit: such a run is on no line, stands for nothing else, and no newer head ends it. */
export function isAskedFor(event: EventName): event is 'workflow_dispatch' | 'schedule' {
  return event === 'workflow_dispatch' || event === 'schedule';
}

export interface Run {
  readonly id: RunId;
  readonly repo: RepoRef;
  readonly sha: string;
  /** Full ref as jobs see it: `refs/heads/…`, `refs/tags/…`, or `refs/pull/N/head`. */
  readonly ref: string;
  /** See {@link lineOf}; `asked:<intake>` when it was asked for. */
  readonly line: string;
  readonly prNumber: number | null;
  /** The event that made the run; a later event of the same sha joins it. */
  readonly eventName: EventName;
  readonly trust: TrustClass;
  readonly pipeline: string;
  /** What people see: `run-name`, else the pipeline's name. */
  readonly title: string;
  readonly state: RunState;
  /** Unfinished runs of one group go one after the other; see concurrency.ts. */
  readonly concurrency: Concurrency | null;
  readonly outcome: Outcome | null;
  /** Set once the run is to end early; its running jobs are then stopped and take this outcome. First cause wins. */
  readonly ending: Outcome | null;
  /** Where its pipeline was read; null = at its own sha. */
  readonly config: ConfigSource | null;
  /** Who let a fork's commit run; null when nobody had to, or nobody has yet. */
  readonly approval: Approval | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
  /** The run that this one repeats. */
  readonly rerunOf: RunId | null;
}

/** That somebody lets a fork's commit run. */
export interface Approval {
  /** For people: `an administrator`, or a login with the forge's id of the person. */
  readonly by: string;
  readonly at: Date;
}

/** A fork chooses the code, and never what runs it: pipeline files and what a sidecar is built from lie at the base. */
export interface ConfigSource {
  /** The head of the base branch when the run was planned. */
  readonly sha: string;
  /** Without prefix. */
  readonly branch: string;
  /** Class of that branch. */
  readonly trust: TrustClass;
  /** Files that the fork has changed without effect, at most 20. */
  readonly ignored: readonly string[];
}

/** A repository is known by the forge's id; the name is for people and URLs and may change. */
export interface RepoRef {
  readonly id: number;
  readonly owner: string;
  readonly name: string;
}

export function fullName(repo: RepoRef): string {
  return `${repo.owner}/${repo.name}`;
}

/** The commit whose files the jobs of a run get: of a pull request perhaps its head merged into the base. */
export function filesAt(run: Pick<Run, 'sha'>, { merge }: Pick<RunContext, 'merge'>): string {
  return merge?.sha ?? run.sha;
}

/** What every job of a run needs to know beside its own spec. Stored once with the run. */
export interface RunContext {
  /** `pull_request.checkout: merge`: a commit that only the mirror has, and what the head was merged into. */
  readonly merge?: { readonly sha: string; readonly base: string };
  readonly sidecar: Sidecar;
  readonly caches: Readonly<Record<string, CacheSpec>>;
  /** Branch or tag name without the prefix, as GITHUB_REF_NAME. */
  readonly refName: string;
  readonly headRef: string | null;
  readonly baseRef: string | null;
  readonly actor: string;
  /** `github.event`: see event.ts. */
  readonly event: Value;
  /** `inputs` of a run that was asked for by hand. */
  readonly inputs: Readonly<Record<string, Value>>;
  /** `vars` of the pipeline file. */
  readonly vars: Readonly<Record<string, string>>;
}

/**
 * A line of work: the sequence of heads in which a newer one makes older ones stale. It is keyed by the id of the
 * repository the commits live in, so a fork's `main` is never the base's `main`, and a branch and the pull request
 * opened from it are one line.
 */
export function lineOf(headRepoId: number | null, headRef: string, prNumber: number | null): string {
  return headRepoId === null ? `gone:${prNumber ?? 0}:${headRef}` : `${headRepoId}:${headRef}`;
}

/** What a run's jobs add up to, or null while one of them is unfinished. The worst outcome wins. */
export function runOutcome(jobs: readonly Job[], ending: Outcome | null): Outcome | null {
  if (jobs.some((job) => job.state !== 'finished')) return null;
  if (ending !== null) return ending;
  const bad = jobs.filter((job) => job.outcome === null || !lets(job.outcome, job.spec.continueOnError));
  const cause =
    bad.find((job) => job.outcome?.result === 'error') ??
    bad.find((job) => job.outcome?.result === 'failure') ??
    bad.find((job) => job.outcome?.result === 'cancelled') ??
    // Of a job whose failure is tolerated, an artifact that somebody waited for may never have come.
    bad.find((job) => job.outcome?.reason === 'need_failed');
  if (cause?.outcome) return { ...cause.outcome, message: `${cause.spec.title}: ${cause.outcome.message}` };
  const passed = jobs.filter((job) => succeeded(job.outcome)).length;
  const allowed = jobs.filter((job) => job.outcome?.result === 'failure').length;
  if (passed + allowed === 0) {
    const [message, ...others] = new Set(jobs.map((job) => job.outcome?.message));
    const isShared = message !== undefined && others.length === 0 && jobs.length > 1;
    return { result: 'skipped', reason: 'condition', message: isShared ? message : 'no job ran' };
  }
  const counted = `${passed} ${passed === 1 ? 'job' : 'jobs'} passed`;
  return {
    result: 'success',
    reason: 'exit',
    message: allowed === 0 ? counted : `${counted}, ${allowed} failed (allowed)`,
  };
}

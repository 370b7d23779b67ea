/** What the pool loop asks of GitHub and of the engine. */
import type { ForgeTrouble } from '../ports.ts';
import type { Amounts } from '../resources.ts';
import type { Result } from '../result.ts';
import type { Secret } from '../secrets/secret.ts';
import type { RepoRef } from '../run.ts';
import type { WorkflowJob, WorkflowRun } from '../workflow.ts';
import type { Pool, Scope } from './pool.ts';
import type { PoolSeen } from './pool-store.ts';
import type { ForgeRunner, RunnerContainer, Seeing } from './reconcile.ts';

/** GitHub's side of runners. Nothing rejects for what GitHub or the network can do; each method may be repeated. */
export interface RunnerForge {
  /** All runners that are registered there, whosever they are. */
  list(scope: Scope, signal?: AbortSignal): Promise<Result<readonly ForgeRunner[], ForgeTrouble>>;
  /**
   * Makes a registration for one job. The secret logs the runner in once, and is told nowhere else. When the answer is lost, a
   * registration by that name may exist: repeating is refused by GitHub, and the lists show it.
   */
  register(
    scope: Scope,
    runner: { readonly name: string; readonly labels: readonly string[]; readonly group: number },
    signal?: AbortSignal,
  ): Promise<Result<{ readonly githubId: number; readonly config: Secret }, ForgeTrouble>>;
  /** For servers that know no registration for one job: the runner registers itself with it, for one job. */
  registrationToken(scope: Scope, signal?: AbortSignal): Promise<Result<Secret, ForgeTrouble>>;
  /** `busy` = it has a job, and GitHub keeps it. What is gone already is gone. */
  deregister(scope: Scope, githubId: number, signal?: AbortSignal): Promise<Result<'gone' | 'busy', ForgeTrouble>>;
  /** Whether runners may be registered there, as far as that can be seen without doing it. */
  access(scope: Scope, signal?: AbortSignal): Promise<Result<{ readonly isPublic: boolean }, ForgeTrouble>>;
}

/** What GitHub tells of its workflows when it is asked. Nothing rejects; each method may be repeated. */
export interface WorkflowWork {
  /** Runs of a repository (`owner/name`) that are queued or in progress. */
  openRuns(repo: string, signal?: AbortSignal): Promise<Result<readonly WorkflowRun[], ForgeTrouble>>;
  /** Jobs of the newest attempt of a run. */
  jobsOfRun(repo: RepoRef, run: number, signal?: AbortSignal): Promise<Result<readonly WorkflowJob[], ForgeTrouble>>;
  /** One job as it is now; undefined when GitHub has it no more. */
  workflowJob(repo: RepoRef, id: number, signal?: AbortSignal): Promise<Result<WorkflowJob | undefined, ForgeTrouble>>;
}

export interface RunnerStart {
  readonly name: string;
  readonly scope: Scope;
  readonly platform: string;
  readonly size: Amounts;
  readonly imageId: string;
  readonly docker: Pool['docker'];
  /** What the runner logs in with; see RunnerForge. */
  readonly login:
    | { readonly kind: 'jit'; readonly config: Secret }
    | {
        readonly kind: 'token';
        readonly token: Secret;
        readonly url: string;
        readonly labels: readonly string[];
        readonly group: number;
      };
}

/** The engine's side of runners. */
export interface RunnerContainers {
  /** All containers with our label, running or not. Rejects when the engine does not answer. */
  list(): Promise<Seeing<RunnerContainer>>;
  /** Resolves with the container's id once it runs. Rejects when it could not be started; what was made of it is then found by `list`. */
  start(runner: RunnerStart): Promise<string>;
  /** Kills it and removes it with its volumes. One that is gone is no error. */
  remove(id: string): Promise<void>;
  /** Gets the image and looks what runs in it, really; a sentence when it is not as it should be. */
  check(
    pool: Pick<Pool, 'image' | 'platform' | 'emulation' | 'installEmulation' | 'minVersion'>,
    signal: AbortSignal,
  ): Promise<Result<Pick<PoolSeen, 'platform' | 'machine' | 'isEmulated' | 'imageId' | 'version'>, string>>;
  /** The last lines that it wrote, for a person; rejects when the engine does not answer. */
  lastLines(id: string): Promise<string>;
}

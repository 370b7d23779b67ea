/**
 * `hearth run`: the pipelines of the working tree here and now, through the same store, scheduler and executor as a push.
 * Its data folder is its own, one per working tree, and keeps slots and layers warm for the next call.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { defaultDataDirectory, loadEgressConfig, type EgressConfig } from '../config.ts';
import { formatProblem } from '../core/problem.ts';
import { selectJobs, type JobSelection } from '../core/plan/graph.ts';
import type { Intake } from '../core/intake.ts';
import { cancelledBy } from '../core/outcome.ts';
import type { Forge, Git, JobLogs, JobSecrets, PlannedRun, RunWithJobs, Store } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { RepoRef } from '../core/run.ts';
import { openGit } from '../git/open-git.ts';
import { NOTHING_FOUND, topOf } from './working-tree.ts';
import { currentBranch, snapshotWorkingTree } from '../git/working-tree.ts';
import { lockInstance } from '../instance-lock.ts';
import { createLog } from '../log.ts';
import { plannedRun } from '../planner/plan.ts';
import { readPipelines } from '../planner/pipelines.ts';
import { openJobLogs } from '../store/job-logs.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { systemClock, systemRandom } from '../system.ts';
import { givenSecrets } from '../secrets.ts';
import { openVault } from '../vault/vault.ts';
import { startWorkerSide, type WorkerSide } from '../worker-side.ts';
import { Complaint, exits, type ExitCode, type VerbContext } from './exit.ts';
import { localRepo } from './local-repo.ts';
import { watchRuns } from './watch.ts';

export interface RunOptions {
  /** Jobs named on the command line; none = all. */
  readonly jobs: readonly string[];
  readonly needs: boolean;
  readonly only: readonly string[];
  readonly skip: readonly string[];
  /** Values of matrix axes. */
  readonly axes: Readonly<Record<string, string>>;
  readonly pipeline?: string;
  /** File for what `-o json` prints, beside what is shown. */
  readonly record?: string;
  /** Names of secrets; their texts are in the environment, never on the command line. */
  readonly secrets: readonly string[];
}

const LOG_BYTES = 64 * 1024 ** 2;

export async function run(options: RunOptions, context: VerbContext): Promise<ExitCode> {
  const { environment } = context;
  const cwd = await topOf(context.cwd);
  const secrets = secretsFrom(environment, options.secrets);
  const egress = loadEgressConfig(environment);
  if (!egress.ok) {
    for (const problem of egress.problem) context.complain(formatProblem(problem));
    return exits.usage;
  }
  const { repo, place } = localRepo(cwd);
  const data = join(defaultDataDirectory(environment), 'local', place);
  await mkdir(data, { recursive: true, mode: 0o700 });
  await using opened = new AsyncDisposableStack();
  const lock = await lockInstance('run', data);
  if (lock === undefined) {
    context.complain(`Another \`hearth run\` is at work on ${cwd}; wait for it or stop it.`);
    return exits.usage;
  }
  opened.use(lock);

  const branch = (await currentBranch(cwd, environment)) ?? 'main';
  const ref = `refs/heads/${branch}`;
  const remote = join(data, 'origin', repo.owner, `${repo.name}.git`);
  const sha = await snapshotWorkingTree({ folder: cwd, repository: remote, ref, environment });
  const git = openGit({
    directory: join(data, 'git'),
    cloneUrl: `file://${data}/origin/{owner}/{repo}.git`,
    environment,
  });
  const fetched = await git.fetch({ repo, sha, ref });
  if (!fetched.ok) throw new Error(fetched.problem.message);

  const store = await openSqliteStore(join(data, 'hearth.db'));
  opened.defer(() => store.close());
  const intake = await recordIntake(store, repo, sha, ref, branch);
  const planned = await planLocal(git, intake, options);
  if (!planned.ok) {
    for (const line of planned.problem.lines) context.complain(line);
    return planned.problem.exit;
  }
  const logs = openJobLogs(data);
  const worker = opened.use(await startWorker(context, { store, git, logs, data, secrets, egress: egress.value }));
  const ids = await store.applyPlan(intake, { runs: planned.value, ends: [], note: null }, systemClock.now());
  worker.wake();
  context.interrupted.addEventListener('abort', () => {
    for (const id of ids)
      void store.cancel(id, null, cancelledBy('Ctrl-C'), systemClock.now()).then(() => {
        worker.wake();
      });
  });
  const recordFile = options.record === undefined ? undefined : resolve(context.cwd, options.record);
  const finished = await watchRuns({ store, logs, ids, context, logFolder: join(data, 'logs'), recordFile });
  if (context.interrupted.aborted) return exits.interrupted;
  return finished.every(isGood) ? exits.good : exits.bad;
}

/** Nothing that was asked for may pass unnoticed: a filter that matches nothing is a mistake, not a success. */
async function planLocal(
  git: Git,
  intake: Intake & { readonly kind: 'head' },
  options: RunOptions,
): Promise<Result<readonly PlannedRun[], { readonly exit: ExitCode; readonly lines: readonly string[] }>> {
  const found = await readPipelines(git, intake.repo, intake.sha);
  const wanted = found.filter(({ name }) => options.pipeline === undefined || name === options.pipeline);
  if (found.length === 0) return failed({ exit: exits.nothing, lines: [NOTHING_FOUND] });
  if (wanted.length === 0)
    return failed({
      exit: exits.usage,
      lines: [`There is no pipeline ${options.pipeline ?? ''}; there are ${found.map(({ name }) => name).join(', ')}.`],
    });
  const problems = wanted.flatMap(({ parsed }) => (parsed.ok ? [] : parsed.problem));
  if (problems.length > 0) return failed({ exit: exits.usage, lines: problems.map(formatProblem) });
  const { jobs: names, needs, only, skip, axes } = options;
  const selection: JobSelection = { names, needs, only, skip, axes };
  const runs: PlannedRun[] = [];
  for (const { parsed } of wanted) {
    if (!parsed.ok) continue;
    const planned = plannedRun(intake, parsed.value);
    if (!planned.ok) return failed({ exit: exits.usage, lines: planned.problem.map(formatProblem) });
    runs.push(planned.value);
  }
  const parts = selectJobs(runs, selection);
  if (!parts.ok) return failed({ exit: exits.usage, lines: parts.problem.map(formatProblem) });
  return success(
    runs.flatMap((one, index) => {
      const jobs = parts.value[index] ?? [];
      return jobs.length === 0 ? [] : [{ ...one, jobs }];
    }),
  );
}

async function recordIntake(
  store: Store,
  repo: RepoRef,
  sha: string,
  ref: string,
  defaultBranch: string,
): Promise<Intake & { readonly kind: 'head' }> {
  const id = randomUUID();
  const now = systemClock.now();
  await store.recordDelivery(
    { id, event: 'manual', body: new Uint8Array(), receivedAt: now, verdict: 'accepted', note: null },
    {
      kind: 'head',
      eventName: 'manual',
      sha,
      trust: 'T1',
      event: {},
      repo,
      headRef: ref,
      headRepoId: repo.id,
      prNumber: null,
      baseRef: null,
      defaultBranch,
      actor: 'local',
    },
  );
  const intakes = await store.unplannedIntakes(now, 1000);
  const own = intakes.find((intake) => intake.deliveryId === id);
  if (own?.kind !== 'head') throw new Error('Internal error: the intake that was just recorded is not there');
  return own;
}

function startWorker(
  context: VerbContext,
  parts: {
    readonly store: Store;
    readonly git: Git;
    readonly logs: JobLogs;
    readonly data: string;
    readonly secrets: JobSecrets;
    readonly egress: EgressConfig;
  },
): Promise<WorkerSide> {
  const forge: Forge = {
    setStatus: () => Promise.resolve(failed({ kind: 'unconfigured', message: 'a local run reports to nobody' })),
  };
  return startWorkerSide({
    ...parts,
    forge,
    workflows: null,
    clock: systemClock,
    random: systemRandom,
    log: createLog('error', 2),
    dataDirectory: parts.data,
    slots: availableParallelism(),
    labels: [],
    logBytes: LOG_BYTES,
    kept: null,
    dockerHost: context.environment['DOCKER_HOST'],
    ownSecrets: [],
    targetUrl: () => null,
    plans: null,
    pools: null,
  });
}

function secretsFrom(environment: VerbContext['environment'], names: readonly string[]): JobSecrets {
  const missing = names.filter((name) => (environment[name] ?? '') === '');
  if (missing.length > 0)
    throw new Complaint(
      exits.usage,
      missing.map((name) => `--secret ${name}: the environment has no ${name}; set it and export it.`).join('\n'),
    );
  const texts = Object.fromEntries(names.map((name) => [name.toUpperCase(), environment[name] ?? '']));
  // Nothing of such a run outlives the process, so neither need its key.
  return givenSecrets(texts, openVault(randomBytes(32)));
}

function isGood({ run: { outcome } }: RunWithJobs): boolean {
  return outcome?.result === 'success';
}

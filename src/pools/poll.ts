/** Asks GitHub what waits, for webhooks that did not come. What fails is told and changes nothing: it is never read as "nothing waits". */
import type { WorkflowWork } from '../core/pool/pool-ports.ts';
import type { PoolStore } from '../core/pool/pool-store.ts';
import { scopesOf } from '../core/pool/pool.ts';
import type { Clock } from '../core/ports.ts';
import type { WorkflowJob, WorkflowNews, WorkflowStore } from '../core/workflow.ts';

export interface PollParts {
  readonly store: Pick<PoolStore, 'pools' | 'openWorkflowJobs'> & Pick<WorkflowStore, 'recordWorkflowNews'>;
  readonly work: WorkflowWork;
  readonly clock: Clock;
  /** `owner/name` of the allow-list, for pools of organisations. */
  readonly repos: readonly string[];
  readonly onChange: () => void;
  readonly onTrouble: (repo: string, why: string) => void;
}

/** Calls of one poll of a repository, so that a busy one does not use up what GitHub allows in an hour. */
const MOST_ASKED = 30;
const MOST_OPEN = 5000;
/** A webhook needs some seconds; what was heard of so lately is not asked for. */
const FRESH_MS = 60_000;

/** One poll of everything that runs on pools. */
export async function pollOnce(parts: PollParts, signal: AbortSignal): Promise<void> {
  const pools = (await parts.store.pools()).filter(({ wish }) => wish === 'running');
  const open = await parts.store.openWorkflowJobs(MOST_OPEN);
  const repos = new Map<string, string>();
  for (const { pool } of pools) {
    const own = scopesOf(pool).flatMap((scope) =>
      'repo' in scope
        ? [scope.repo]
        : [...parts.repos, ...open.map(({ repo }) => `${repo.owner}/${repo.name}`)].filter((name) =>
            name.toLowerCase().startsWith(`${scope.organisation.toLowerCase()}/`),
          ),
    );
    for (const name of own.filter((one) => !one.endsWith('/*'))) repos.set(name.toLowerCase(), name);
  }
  for (const name of repos.values()) {
    if (signal.aborted) return;
    await pollRepo(parts, name, open, signal);
  }
}

async function pollRepo(
  { store, work, clock, onChange, onTrouble }: PollParts,
  name: string,
  open: readonly (WorkflowJob & { readonly firstSeenAt: Date })[],
  signal: AbortSignal,
): Promise<void> {
  const runs = await work.openRuns(name, signal);
  if (!runs.ok) {
    onTrouble(name, runs.problem.message);
    return;
  }
  const mine = open.filter(({ repo }) => `${repo.owner}/${repo.name}`.toLowerCase() === name.toLowerCase());
  const knownRuns = new Set(mine.map(({ runId }) => runId));
  // Runs nobody has told a job of come first: those are what was missed.
  const toAsk = runs.value
    .toSorted((a, b) => Number(knownRuns.has(a.id)) - Number(knownRuns.has(b.id)) || a.id - b.id)
    .slice(0, MOST_ASKED);
  const news: WorkflowNews[] = runs.value.map((run) => ({ kind: 'run', run }));
  const told = new Set<number>();
  for (const run of toAsk) {
    const jobs = await work.jobsOfRun(run.repo, run.id, signal);
    if (!jobs.ok) {
      onTrouble(name, jobs.problem.message);
      break;
    }
    for (const job of jobs.value) {
      told.add(job.id);
      news.push({ kind: 'job', job });
    }
  }
  const openRuns = new Set(runs.value.map(({ id }) => id));
  const now = clock.now().getTime();
  // Of a run that is over nobody tells the jobs any more; those that are open here are asked for one by one.
  const lost = mine
    .filter((job) => !told.has(job.id) && !openRuns.has(job.runId) && now - job.firstSeenAt.getTime() > FRESH_MS)
    .slice(0, MOST_ASKED);
  for (const job of lost) {
    const found = await work.workflowJob(job.repo, job.id, signal);
    if (!found.ok) {
      onTrouble(name, found.problem.message);
      break;
    }
    // A run that was deleted takes its jobs with it.
    const gone: WorkflowJob = { ...job, state: 'completed', conclusion: 'deleted', completedAt: clock.now() };
    news.push({ kind: 'job', job: found.value ?? gone });
  }
  await store.recordWorkflowNews(news, clock.now());
  onChange();
}

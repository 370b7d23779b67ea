/**
 * A GitHub that runs workflows as the test says: it takes dispatches, lists runs, tells of them and of their jobs, ends them
 * when asked, and sends the webhooks. Bodies that GitHub's description does not allow are refused, as there.
 */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { changed, examples } from './examples.ts';
import { sendJson, startFakeApi, type Asked } from './fake-api.ts';

export interface RunThere {
  readonly id: number;
  readonly url: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly headSha: string;
  readonly headBranch: string;
  readonly createdAt: string;
  attempt: number;
  status: string;
  conclusion: string | null;
  readonly jobs: JobThere[];
}

export interface JobThere {
  readonly id: number;
  readonly name: string;
  status: string;
  conclusion: string | null;
  runner: string | null;
}

export interface WorkflowsOptions {
  /** Where webhooks go; they may be turned off and on. */
  readonly deliver: (event: string, payload: unknown, id: string) => Promise<unknown>;
  readonly repo: { readonly id: number; readonly owner: string; readonly name: string };
}

export interface GithubWorkflows extends AsyncDisposable {
  readonly url: string;
  /** Oldest first. */
  readonly runs: readonly RunThere[];
  /** `POST …/dispatches` and so on, in order. */
  readonly calls: readonly string[];
  /** State of every status of a commit, with where it leads. */
  shown(
    sha: string,
  ): Readonly<Record<string, { readonly state: string; readonly url: string | null; readonly text: string }>>;
  /** Commit at which a branch or tag stands. */
  readonly heads: Map<string, string>;
  /** Whether a dispatch is answered with the run (200), as newer servers do, or without (204). */
  tellsRun: boolean;
  /** Webhooks are sent. */
  tells: boolean;
  /** What becomes of requests before they are looked at; undefined = they are answered. */
  trouble: ((call: string) => Trouble | undefined) | undefined;
  /** Moves a run on, and tells of it. */
  move(run: RunThere, change: { readonly status: string; readonly conclusion?: string }): Promise<void>;
  /** Moves a job of a run on, making it when there is none, and tells of it. */
  moveJob(
    run: RunThere,
    name: string,
    change: Partial<Pick<JobThere, 'status' | 'conclusion' | 'runner'>>,
  ): Promise<void>;
  /** A run that somebody else has dispatched. */
  dispatchByHand(ref: string): RunThere;
  /** Requests that were held are let go on. */
  release(): void;
}

/** `lost`: it is done, and the answer never arrives. `hold`: it waits until `release`, and is then done and answered. */
export type Trouble = { readonly status: number; readonly headers?: Record<string, string> } | 'lost' | 'hold';

const dispatchBody = z.strictObject({
  ref: z.string().min(1),
  inputs: z.record(z.string(), z.union([z.string(), z.boolean(), z.number()])).optional(),
  return_run_details: z.boolean().optional(),
});
const FILE = 'build.yml';
const STATUS = /\/statuses\/([0-9a-f]{40})$/;

export async function startGithubWorkflows({ deliver, repo }: WorkflowsOptions): Promise<GithubWorkflows> {
  const runs: RunThere[] = [];
  const calls: string[] = [];
  const statuses: { sha: string; context: string; state: string; url: string | null; text: string }[] = [];
  let nextId = 30433642;
  let released = Promise.withResolvers<undefined>();

  const place = `/repos/${repo.owner}/${repo.name}/actions`;
  const found = examples('workflow_run').find(
    ({ workflow_run: run }) => (run as { event: string }).event === 'workflow_dispatch',
  );
  const runExample = found ?? {};
  const jobExample = examples('workflow_job')[0] ?? {};
  const api = await startFakeApi((asked, response) => {
    void answer(asked, response);
  });

  const runJson = (run: RunThere): unknown => {
    const { id, url, attempt, status, conclusion } = run;
    const fields = {
      ...{
        id,
        html_url: url,
        run_attempt: attempt,
        status,
        conclusion,
        created_at: run.createdAt,
        event: 'workflow_dispatch',
      },
      ...{ head_sha: run.headSha, head_branch: run.headBranch, path: `.github/workflows/${FILE}` },
    };
    return { ...(runExample['workflow_run'] as object), ...fields };
  };
  const jobJson = (run: RunThere, { id, name, status, conclusion, runner }: JobThere): unknown => ({
    ...(jobExample['workflow_job'] as object),
    ...{ id, run_id: run.id, run_attempt: run.attempt, name, status, conclusion, runner_name: runner },
    ...{ head_sha: run.headSha, html_url: `${run.url}/job/${id}`, created_at: run.createdAt },
    started_at: status === 'queued' ? null : run.createdAt,
    completed_at: status === 'completed' ? new Date(Date.parse(run.createdAt) + 61_000).toISOString() : null,
  });
  const repository = {
    'repository.id': repo.id,
    'repository.name': repo.name,
    'repository.full_name': `${repo.owner}/${repo.name}`,
  };

  async function tell(event: string, payload: unknown): Promise<void> {
    if (github.tells) await deliver(event, payload, randomUUID());
  }
  const tellRun = (run: RunThere): Promise<void> =>
    tell('workflow_run', changed({ ...runExample, workflow_run: runJson(run), action: run.status }, repository));

  function begin(ref: string, inputs: Readonly<Record<string, unknown>>): RunThere {
    const id = nextId++;
    const run: RunThere = {
      ...{ id, url: `${api.url}/${repo.owner}/${repo.name}/actions/runs/${id}`, inputs, headBranch: ref },
      ...{ headSha: github.heads.get(ref) ?? '', createdAt: `${new Date().toISOString().slice(0, 19)}Z` },
      ...{ attempt: 1, status: 'queued', conclusion: null, jobs: [] },
    };
    runs.push(run);
    return run;
  }

  async function answer(asked: Asked, response: ServerResponse): Promise<void> {
    const [path = ''] = asked.path.split('?');
    const call = `${asked.method} ${path.replace(place, '')}`;
    const isStatus = STATUS.test(path);
    if (!isStatus) calls.push(call);
    const trouble = isStatus ? undefined : github.trouble?.(call);
    if (typeof trouble === 'object') {
      sendJson(response, trouble.status, { message: 'trouble' }, trouble.headers);
      return;
    }
    if (trouble === 'hold') await released.promise;
    const { status, body } = judge(asked, path, call);
    if (trouble === 'lost') response.destroy();
    else if (status === 204) response.writeHead(204).end();
    else sendJson(response, status, body);
  }

  function judge(
    { method, body }: Asked,
    path: string,
    call: string,
  ): { readonly status: number; readonly body?: unknown } {
    const sha = STATUS.exec(path)?.[1];
    if (sha !== undefined) {
      const sent = body as { context: string; state: string; target_url?: string; description: string };
      statuses.push({
        sha,
        context: sent.context,
        state: sent.state,
        url: sent.target_url ?? null,
        text: sent.description,
      });
      return { status: 201, body: sent };
    }
    if (call === `POST /workflows/${FILE}/dispatches`) return dispatch(body);
    if (call === `GET /workflows/${FILE}/runs`)
      return { status: 200, body: { total_count: runs.length, workflow_runs: runs.toReversed().map(runJson) } };
    if (call.includes('/workflows/')) return { status: 404, body: { message: 'Not Found' } };
    const [, id, what] = /\/actions\/runs\/(\d+)(?:\/(\w+))?$/.exec(path) ?? [];
    const run = runs.find((one) => one.id === Number(id));
    if (run === undefined) return { status: 404, body: { message: 'Not Found' } };
    if (method === 'GET' && what === undefined) return { status: 200, body: runJson(run) };
    if (method === 'GET' && what === 'jobs')
      return { status: 200, body: { total_count: run.jobs.length, jobs: run.jobs.map((job) => jobJson(run, job)) } };
    if (method !== 'POST' || what !== 'cancel') return { status: 404, body: { message: 'Not Found' } };
    if (run.status === 'completed')
      return { status: 409, body: { message: 'Cannot cancel a workflow run that is completed.' } };
    return { status: 202, body: {} };
  }

  function dispatch(body: unknown): { readonly status: number; readonly body?: unknown } {
    const order = dispatchBody.safeParse(body);
    if (!order.success) return { status: 422, body: { message: z.prettifyError(order.error) } };
    const { ref, inputs = {}, return_run_details: wantsRun } = order.data;
    if (!github.heads.has(ref)) return { status: 422, body: { message: `No ref found for: ${ref}` } };
    const run = begin(ref, inputs);
    return github.tellsRun && wantsRun === true
      ? {
          status: 200,
          body: { workflow_run_id: run.id, run_url: `${api.url}${place}/runs/${run.id}`, html_url: run.url },
        }
      : { status: 204 };
  }

  const github: GithubWorkflows = {
    url: api.url,
    runs,
    calls,
    heads: new Map(),
    tellsRun: true,
    tells: true,
    trouble: undefined,
    shown: (sha) =>
      Object.fromEntries(
        statuses
          .filter((one) => one.sha === sha)
          .map(({ context, state, url, text }) => [context, { state, url, text }]),
      ),
    async move(run, { status, conclusion = null }) {
      Object.assign(run, { status, conclusion });
      await tellRun(run);
    },
    async moveJob(run, name, change) {
      let job = run.jobs.find((one) => one.name === name);
      if (job === undefined)
        run.jobs.push((job = { id: nextId++, name, status: 'queued', conclusion: null, runner: null }));
      Object.assign(job, change);
      const payload = { ...jobExample, workflow_job: jobJson(run, job), action: job.status };
      await tell('workflow_job', changed(payload, repository));
    },
    dispatchByHand: (ref) => begin(ref, {}),
    release() {
      github.trouble = undefined;
      released.resolve(undefined);
      released = Promise.withResolvers();
    },
    async [Symbol.asyncDispose]() {
      released.resolve(undefined);
      await api[Symbol.asyncDispose]();
    },
  };
  return github;
}

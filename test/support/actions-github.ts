/**
 * GitHub as far as runner pools go: repositories, runners, workflow runs and jobs, over HTTP with GitHub's own paths, answers
 * and refusals. It gives queued jobs to runners that ask, as GitHub does: to any that is online, idle and has the labels.
 */
import type { ServerResponse } from 'node:http';
import { randomUUID } from 'node:crypto';
import { sendJson, startFakeApi, type Asked } from './fake-api.ts';

export interface JobOfGithub {
  readonly id: number;
  readonly runId: number;
  readonly repo: string;
  readonly labels: readonly string[];
  /** How a stand-in runner works on it. */
  readonly work: { readonly ms: number; readonly crashes: boolean };
  readonly workflow: string;
  state: 'queued' | 'in_progress' | 'completed';
  conclusion: string | null;
  runner: string | null;
  readonly createdAt: Date;
  startedAt: Date | null;
  completedAt: Date | null;
}

export interface RunnerOfGithub {
  readonly id: number;
  readonly name: string;
  readonly repo: string;
  readonly labels: readonly string[];
  readonly secret: string;
  isOnline: boolean;
  job: JobOfGithub | null;
}

export interface GithubOptions {
  /** `owner/name` → is it public? */
  readonly repos: Readonly<Record<string, { readonly id: number; readonly isPublic?: boolean }>>;
  readonly now?: () => Date;
  readonly host?: string;
  readonly scopes?: string;
  /** A status to answer a call with instead of doing it; 'lost' = it is done, and the answer is a 502. */
  readonly fault?: (asked: Asked) => number | 'lost' | undefined;
  /** Every `workflow_job` that GitHub would send. */
  readonly onWebhook?: (payload: Readonly<Record<string, unknown>>) => void;
}

export interface ActionsGithub extends AsyncDisposable {
  readonly url: string;
  readonly runners: ReadonlyMap<number, RunnerOfGithub>;
  readonly jobs: readonly JobOfGithub[];
  readonly asked: readonly Asked[];
  /** A workflow run with one job. */
  queue(job: {
    readonly labels: readonly string[];
    readonly repo?: string;
    readonly ms?: number;
    readonly crashes?: boolean;
    readonly workflow?: string;
  }): JobOfGithub;
  /** What a runner with this login sees: its job, if there is one for it now. */
  poll(secret: string): JobOfGithub | null | undefined;
  /** The runner is done with its job, and GitHub forgets it. */
  complete(secret: string): void;
  /** GitHub loses sight of it; a job it had fails. */
  lose(secret: string): void;
}

const HOST = '127.0.0.1';

export async function startActionsGithub(options: GithubOptions): Promise<ActionsGithub> {
  const { repos, now = () => new Date(), fault = () => undefined, onWebhook = () => undefined, host = HOST } = options;
  const runners = new Map<number, RunnerOfGithub>();
  const jobs: JobOfGithub[] = [];
  let ids = 100;
  const firstRepo = Object.keys(repos)[0] ?? '';

  function tell(job: JobOfGithub): void {
    onWebhook({
      action: job.state,
      workflow_job: jobAnswer(job),
      repository: repoAnswer(job.repo),
      sender: { login: 'x' },
    });
  }

  const repoAnswer = (full: string) => {
    const [owner = '', name = ''] = full.split('/');
    const known = Object.entries(repos).find(([one]) => one.toLowerCase() === full.toLowerCase())?.[1];
    return {
      ...{ id: known?.id ?? 0, name, full_name: full, owner: { login: owner, id: 1 }, default_branch: 'main' },
      ...{ private: known?.isPublic !== true, visibility: known?.isPublic === true ? 'public' : 'private' },
      permissions: { admin: true, push: true, pull: true },
    };
  };

  function jobAnswer(job: JobOfGithub) {
    return {
      ...{ id: job.id, run_id: job.runId, run_attempt: 1, workflow_name: job.workflow, name: `job ${job.id}` },
      ...{ html_url: `https://github.test/${job.repo}/jobs/${job.id}`, head_sha: 'a'.repeat(40), labels: job.labels },
      ...{ status: job.state, conclusion: job.conclusion, runner_name: job.runner },
      ...{
        created_at: seconds(job.createdAt),
        started_at: seconds(job.startedAt),
        completed_at: seconds(job.completedAt),
      },
    };
  }

  function runAnswer(job: JobOfGithub) {
    return {
      ...{ id: job.runId, run_attempt: 1, event: 'push', head_sha: 'a'.repeat(40), head_branch: 'main' },
      ...{ path: '.github/workflows/x.yml', name: job.workflow, display_title: job.workflow, status: job.state },
      ...{ html_url: `https://github.test/${job.repo}/runs/${job.runId}`, conclusion: job.conclusion },
      ...{ created_at: seconds(job.createdAt), repository: repoAnswer(job.repo) },
    };
  }

  function finish(job: JobOfGithub, conclusion: string): void {
    Object.assign(job, { state: 'completed', conclusion, completedAt: now() });
    tell(job);
  }

  function bySecret(secret: string): RunnerOfGithub | undefined {
    return [...runners.values()].find((runner) => runner.secret === secret);
  }

  const routes: readonly [RegExp, (found: readonly string[], asked: Asked, response: ServerResponse) => void][] = [
    [
      /^GET \/repos\/([^/]+\/[^/]+)$/,
      ([repo = ''], _asked, response) => {
        sendJson(response, 200, repoAnswer(repo), { 'x-oauth-scopes': options.scopes ?? 'repo' });
      },
    ],
    [
      /^GET \/repos\/([^/]+\/[^/]+)\/actions\/runners$/,
      ([repo = ''], asked, response) => {
        const all = [...runners.values()].filter((one) => one.repo.toLowerCase() === repo.toLowerCase());
        const some = pageOf(asked, all).map(runnerAnswer);
        sendJson(response, 200, { total_count: all.length, runners: some });
      },
    ],
    [
      /^POST \/repos\/([^/]+\/[^/]+)\/actions\/runners\/generate-jitconfig$/,
      ([repo = ''], { body }, response) => {
        const { name, labels } = body as { name: string; labels: string[] };
        if ([...runners.values()].some((one) => one.name === name)) {
          sendJson(response, 409, { message: 'Already exists' });
          return;
        }
        const runner: RunnerOfGithub = {
          ...{ id: (ids += 1), name, repo, labels, secret: randomUUID(), isOnline: false, job: null },
        };
        runners.set(runner.id, runner);
        const login = `${new URL(api.url).hostname} ${new URL(api.url).port} ${runner.secret}`;
        sendJson(response, 201, {
          runner: runnerAnswer(runner),
          encoded_jit_config: Buffer.from(login).toString('base64'),
        });
      },
    ],
    [
      /^DELETE \/repos\/([^/]+\/[^/]+)\/actions\/runners\/(\d+)$/,
      ([, id = ''], _asked, response) => {
        const runner = runners.get(Number(id));
        if (runner === undefined) sendJson(response, 404, { message: 'Not Found' });
        else if (runner.job !== null && runner.isOnline)
          sendJson(response, 422, { message: `Runner "${runner.name}" is still running a job` });
        else {
          runners.delete(runner.id);
          response.writeHead(204).end();
        }
      },
    ],
    [
      /^GET \/repos\/([^/]+\/[^/]+)\/actions\/runs$/,
      ([repo = ''], asked, response) => {
        const status = new URL(asked.path, 'http://x').searchParams.get('status');
        const all = jobs.filter((job) => job.repo.toLowerCase() === repo.toLowerCase() && job.state === status);
        sendJson(response, 200, { total_count: all.length, workflow_runs: pageOf(asked, all).map(runAnswer) });
      },
    ],
    [
      /^GET \/repos\/[^/]+\/[^/]+\/actions\/runs\/(\d+)\/jobs$/,
      ([id = ''], asked, response) => {
        const all = jobs.filter(({ runId }) => runId === Number(id));
        sendJson(response, 200, { total_count: all.length, jobs: pageOf(asked, all).map(jobAnswer) });
      },
    ],
    [
      /^GET \/repos\/[^/]+\/[^/]+\/actions\/jobs\/(\d+)$/,
      ([number = ''], _asked, response) => {
        const job = jobs.find(({ id }) => id === Number(number));
        if (job === undefined) sendJson(response, 404, { message: 'Not Found' });
        else sendJson(response, 200, jobAnswer(job));
      },
    ],
    // Not GitHub's: how stand-in runners speak. A line of text, so that a shell can read it.
    [
      /^POST \/_runner\/([\w-]+)\/poll$/,
      ([secret = ''], _asked, response) => {
        const job = github.poll(secret);
        response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' });
        if (job === undefined) response.end('gone\n');
        else response.end(job === null ? 'wait\n' : `job ${job.work.ms / 1000} ${job.work.crashes ? 'crash' : 'ok'}\n`);
      },
    ],
    [
      /^POST \/_runner\/([\w-]+)\/done$/,
      ([secret = ''], _asked, response) => {
        github.complete(secret);
        response.writeHead(200, { connection: 'close' }).end('bye\n');
      },
    ],
  ];

  const api = await startFakeApi((asked, response) => {
    const [path = ''] = asked.path.split('?');
    const line = `${asked.method} ${path}`;
    const refused = path.startsWith('/_runner/') ? undefined : fault(asked);
    if (typeof refused === 'number') {
      sendJson(response, refused, { message: 'a fault' });
      return;
    }
    for (const [pattern, answer] of routes) {
      const found = pattern.exec(line);
      if (found === null) continue;
      const [, repo = ''] = found;
      if (repo.includes('/') && !Object.keys(repos).some((one) => one.toLowerCase() === repo.toLowerCase()))
        sendJson(response, 404, { message: 'Not Found' });
      else if (refused === 'lost') {
        answer(found.slice(1), asked, nowhere());
        sendJson(response, 502, { message: 'the answer was lost' });
      } else answer(found.slice(1), asked, response);
      return;
    }
    sendJson(response, 404, { message: `no such path: ${line}` });
  }, host);

  const github: ActionsGithub = {
    url: api.url,
    runners,
    jobs,
    asked: api.asked,
    queue({ labels, repo = firstRepo, ms = 0, crashes = false, workflow = 'build' }) {
      const job: JobOfGithub = {
        ...{ id: (ids += 1), runId: (ids += 1), repo, labels, work: { ms, crashes }, workflow, state: 'queued' },
        ...{ conclusion: null, runner: null, createdAt: now(), startedAt: null, completedAt: null },
      };
      jobs.push(job);
      tell(job);
      return job;
    },
    poll(secret) {
      const runner = bySecret(secret);
      if (runner === undefined) return undefined;
      runner.isOnline = true;
      if (runner.job !== null) return runner.job;
      const has = new Set(runner.labels.map((label) => label.toLowerCase()));
      const job = jobs.find(
        (one) =>
          one.state === 'queued' &&
          one.repo.toLowerCase() === runner.repo.toLowerCase() &&
          one.labels.every((label) => has.has(label.toLowerCase())),
      );
      if (job === undefined) return null;
      runner.job = job;
      Object.assign(job, { state: 'in_progress', runner: runner.name, startedAt: now() });
      tell(job);
      return job;
    },
    complete(secret) {
      const runner = bySecret(secret);
      if (runner === undefined) return;
      runners.delete(runner.id);
      if (runner.job !== null) finish(runner.job, 'success');
    },
    lose(secret) {
      const runner = bySecret(secret);
      if (runner === undefined) return;
      runner.isOnline = false;
      if (runner.job !== null) finish(runner.job, 'failure');
      runner.job = null;
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
  return github;
}

function runnerAnswer({ id, name, labels, isOnline, job }: RunnerOfGithub) {
  return {
    ...{ id, name, os: 'linux', status: isOnline ? 'online' : 'offline', busy: job !== null, ephemeral: true },
    labels: labels.map((label, index) => ({ id: index + 1, name: label, type: 'custom' })),
    ...(isOnline ? { version: '2.331.0' } : {}),
  };
}

function pageOf<T>({ path }: Asked, all: readonly T[]): readonly T[] {
  const query = new URL(path, 'http://x').searchParams;
  const size = Number(query.get('per_page') ?? 30);
  const page = Number(query.get('page') ?? 1);
  return all.slice((page - 1) * size, page * size);
}

function seconds(date: Date | null): string | null {
  return date === null ? null : `${date.toISOString().slice(0, 19)}Z`;
}

/** Takes an answer that nobody gets. */
function nowhere(): ServerResponse {
  const sink = { writeHead: () => sink, end: () => sink };
  return sink as unknown as ServerResponse;
}

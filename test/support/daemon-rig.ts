/** The real daemon as a child process, with a git remote to push to and a GitHub that records statuses. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { RunJson } from '../../src/http/api-shapes.ts';
import { changed, examples } from './examples.ts';
import { makeGitRemote, type GitRemote } from './git-remote.ts';
import { startStatusRecorder, type StatusRecorder } from './status-recorder.ts';

const run = promisify(execFile);
const SECRET = 'It is a secret to everybody';
export const ADMIN_TOKEN = 'admin-token-for-tests';
export const REPO_ID = 186853002;

/** No run of the tests takes so long. */
const RUN_TIMEOUT_MS = 30_000;

type Role = 'serve' | 'web' | 'worker';

export interface DaemonRig extends AsyncDisposable {
  readonly data: string;
  readonly remote: GitRemote;
  readonly github: StatusRecorder;
  /** Of the process that listens. */
  readonly url: () => string;
  /** Starts a process of this role and resolves when it is ready. */
  start(role?: Role): Promise<void>;
  /** SIGKILL, and until the kernel has taken the process away. */
  kill(role?: Role): Promise<void>;
  signal(name: NodeJS.Signals, role?: Role): void;
  /** SIGTERM; returns the exit code. */
  stop(role?: Role): Promise<number | null>;
  /** Delivers a signed push of a branch head. */
  push(sha: string, options?: { readonly branch?: string; readonly deliveryId?: string }): Promise<Response>;
  pullRequest(sha: string, options?: PullRequestOptions): Promise<Response>;
  /** Somebody writes below a pull request. */
  comment(number: number, body: string, author: { readonly id: number; readonly login: string }): Promise<Response>;
  deliver(event: string, payload: unknown, deliveryId?: string): Promise<Response>;
  runs(query?: string): Promise<readonly RunJson[]>;
  /** The only run of a commit, once `isReady` holds for it. */
  runOf(sha: string, isReady?: (run: RunJson) => boolean): Promise<RunJson>;
  api(path: string, init?: RequestInit): Promise<Response>;
  /** What jobs wrote to the volume `effects` of the pipeline, one line each. */
  effects(): Promise<readonly string[]>;
  /** All that the processes said on standard error. */
  readonly complaints: readonly string[];
}

export interface PullRequestOptions {
  readonly action?: string;
  readonly number?: number;
  readonly branch?: string;
  /** The head lives in a fork of this repository id. */
  readonly forkId?: number;
}

export interface DaemonRigOptions {
  /** Program and first arguments; the role follows. Default: this repository's source. */
  readonly command?: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** A mock of GitHub's API that checks what is sent; null = statuses are only noted. */
  readonly githubMock?: string | null;
}

interface Process {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  url: string | null;
}

export async function makeDaemonRig({
  command: [program, ...first] = [process.execPath, join(import.meta.dirname, '../../src/main.ts')],
  env = {},
  githubMock = null,
}: DaemonRigOptions = {}): Promise<DaemonRig> {
  const data = await mkdtemp(join(tmpdir(), 'hearth-daemon-'));
  const remote = await makeGitRemote('Codertocat', 'Hello-World');
  const github = await startStatusRecorder(githubMock);
  const processes = new Map<Role, Process>();
  const complaints: string[] = [];

  function processOf(role: Role): Process {
    const found = processes.get(role);
    if (found === undefined) throw new Error(`no ${role} process is running`);
    return found;
  }
  const url = (): string => {
    const listening = [...processes.values()].find((process) => process.url !== null);
    if (listening?.url == null) throw new Error('no process listens');
    return listening.url;
  };
  const api = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url()}${path}`, { ...init, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });

  const rig: DaemonRig = {
    data,
    remote,
    github,
    url,
    complaints,
    api,
    async start(role = 'serve') {
      const child = spawn(program, [...first, role], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env['PATH'] ?? '',
          HEARTH_CONFIG: '',
          HEARTH_DATA: data,
          HEARTH_LISTEN: '127.0.0.1:0',
          HEARTH_WEBHOOK_SECRET: SECRET,
          HEARTH_REPOS: 'Codertocat/Hello-World',
          HEARTH_CLONE_URL: remote.cloneUrl,
          HEARTH_SLOTS: '2',
          HEARTH_ADMIN_TOKEN: ADMIN_TOKEN,
          HEARTH_PUBLIC_URL: 'https://ci.example.com',
          GITHUB_TOKEN: 'ghp_000000000000000000000000000000000000',
          GITHUB_API_URL: github.url,
          ...env,
        },
      });
      const ended = new Promise<number | null>((resolve) =>
        child.once('exit', (code) => {
          resolve(code);
        }),
      );
      const started: Process = { child, ended, url: null };
      createInterface({ input: child.stderr }).on('line', (line) => complaints.push(line));
      await new Promise<void>((resolve, reject) => {
        createInterface({ input: child.stdout }).on('line', (line) => {
          const said = JSON.parse(line) as { msg: string; level: string; url?: string };
          if (said.level === 'error') complaints.push(line);
          if (said.msg !== 'ready') return;
          started.url = said.url ?? null;
          resolve();
        });
        void ended.then((code) => {
          processes.delete(role);
          reject(new Error(`${role} ended with ${String(code)} before it was ready: ${complaints.join('\n')}`));
        });
      });
      processes.set(role, started);
    },
    async kill(role = 'serve') {
      const { child, ended } = processOf(role);
      child.kill('SIGKILL');
      await ended;
    },
    signal(name, role = 'serve') {
      processOf(role).child.kill(name);
    },
    async stop(role = 'serve') {
      const { child, ended } = processOf(role);
      child.kill('SIGTERM');
      return ended;
    },
    push: (sha, { branch = 'main', deliveryId } = {}) => rig.deliver('push', pushPayload(sha, branch), deliveryId),
    pullRequest: (sha, options = {}) => rig.deliver('pull_request', pullRequestPayload(sha, options)),
    comment: (number, body, author) => rig.deliver('issue_comment', commentPayload(number, body, author)),
    deliver(event, payload, deliveryId = randomUUID()) {
      const body = JSON.stringify(payload);
      const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
      const headers = {
        'content-type': 'application/json',
        'x-github-event': event,
        'x-github-delivery': deliveryId,
        'x-hub-signature-256': signature,
      };
      return fetch(`${url()}/webhook`, { method: 'POST', headers, body });
    },
    async runs(query = '') {
      return ((await (await api(`/api/v1/runs?limit=100${query}`)).json()) as { runs: RunJson[] }).runs;
    },
    async runOf(sha, isReady = ({ state }) => state === 'finished') {
      const deadline = performance.now() + RUN_TIMEOUT_MS;
      for (;;) {
        const found = await rig.runs(`&sha=${sha}`);
        if (performance.now() > deadline)
          throw new Error(`the run of ${sha} does not get there: ${JSON.stringify(found)}`);
        if (found.length > 1) throw new Error(`${found.length} runs of one commit: ${JSON.stringify(found)}`);
        if (found[0] !== undefined && isReady(found[0])) return found[0];
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async effects() {
      const { stdout } = await run('docker', ['volume', 'ls', '--quiet', '--filter', 'name=hearth-']);
      const lines: string[] = [];
      for (const name of stdout
        .trim()
        .split('\n')
        .filter((line) => line !== '')) {
        const { stdout: mountpoint } = await run('docker', ['volume', 'inspect', '--format', '{{.Mountpoint}}', name]);
        const { stdout: text } = await run('sh', [
          '-c',
          'cat "$1"/effects-of-"$2" 2>/dev/null || true',
          'sh',
          mountpoint.trim(),
          data.split('-').at(-1) ?? '',
        ]);
        lines.push(...text.split('\n').filter((line) => line !== ''));
      }
      return lines.sort();
    },
    async [Symbol.asyncDispose]() {
      for (const { child, ended } of [...processes.values()]) {
        child.kill('SIGCONT');
        child.kill('SIGTERM');
        await ended;
      }
      const label = (
        await run('docker', [
          'ps',
          '--all',
          '--quiet',
          '--filter',
          'name=hearth-',
          '--format',
          '{{.ID}} {{.Label "hearth.data"}}',
        ])
      ).stdout;
      const own = createHash('sha256').update(data).digest('hex').slice(0, 16);
      const ids = label
        .split('\n')
        .filter((line) => line.endsWith(` ${own}`))
        .map((line) => line.split(' ')[0] ?? '');
      if (ids.length > 0) await run('docker', ['rm', '--force', ...ids]);
      await github[Symbol.asyncDispose]();
      await remote[Symbol.asyncDispose]();
      await rm(data, { recursive: true, force: true });
    },
  };
  return rig;
}

const REPOSITORY = { id: REPO_ID, name: 'Hello-World', full_name: 'Codertocat/Hello-World', default_branch: 'main' };

function pushPayload(sha: string, branch: string): unknown {
  const payload = example('push', ({ deleted }) => deleted === false);
  return changed(payload, { ref: `refs/heads/${branch}`, after: sha, ...repositoryAt('repository') });
}

function pullRequestPayload(
  sha: string,
  { action = 'synchronize', number = 7, branch = 'feature', forkId }: PullRequestOptions,
): unknown {
  const payload = example('pull_request', (candidate) => candidate['action'] === 'opened');
  const fork =
    forkId === undefined
      ? {}
      : { 'pull_request.head.repo.id': forkId, 'pull_request.head.repo.full_name': 'someone/Hello-World' };
  return changed(payload, {
    action,
    number,
    'pull_request.number': number,
    'pull_request.head.sha': sha,
    'pull_request.head.ref': branch,
    'pull_request.base.ref': 'main',
    ...repositoryAt('repository'),
    ...repositoryAt('pull_request.base.repo'),
    ...repositoryAt('pull_request.head.repo'),
    ...fork,
  });
}

function commentPayload(
  number: number,
  body: string,
  { id, login }: { readonly id: number; readonly login: string },
): unknown {
  const payload = example('issue_comment', (candidate) => candidate['action'] === 'created');
  return changed(payload, {
    ...{ 'issue.number': number, 'issue.pull_request': { url: 'https://api.example/pulls' }, 'comment.body': body },
    ...{ 'comment.user.id': id, 'comment.user.login': login, 'sender.id': id, 'sender.login': login },
    ...repositoryAt('repository'),
  });
}

function repositoryAt(path: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(REPOSITORY).map(([key, value]) => [`${path}.${key}`, value]));
}

function example(
  event: string,
  isWanted: (payload: Readonly<Record<string, unknown>>) => boolean,
): Readonly<Record<string, unknown>> {
  const found = examples(event).find(isWanted);
  if (found === undefined) throw new Error(`there is no such example of ${event}`);
  return found;
}

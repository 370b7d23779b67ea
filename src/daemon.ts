/** The composition root: opens what a role needs, joins ports and adapters, and closes everything in reverse order. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './config.ts';
import { isAllowed } from './core/allow-list.ts';
import type { Store } from './core/ports.ts';
import { Secret } from './core/secrets/secret.ts';
import { openGit } from './git/open-git.ts';
import { createGithubApi, type GithubCredential } from './github/api.ts';
import { createGithubForge } from './github/client.ts';
import { createRunnerForge } from './github/runners.ts';
import { createWorkflowWork } from './github/workflow-work.ts';
import { createWorkflowForge } from './github/workflows.ts';
import type { HttpServer } from './http/server.ts';
import { lockInstance } from './instance-lock.ts';
import type { Log } from './log.ts';
import { listenForNudges, nudge } from './nudge.ts';
import { openArtifactFiles } from './store/artifact-files.ts';
import { openJobLogs } from './store/job-logs.ts';
import { openStoredSecrets } from './secrets.ts';
import { openSqliteStore } from './store/sqlite.ts';
import { systemClock, systemRandom } from './system.ts';
import { readKeyFile } from './vault/key-file.ts';
import { openVault, type Vault } from './vault/vault.ts';
import { openLinks, startWebSide } from './web-side.ts';
import { startWorkerSide, type WorkerSide } from './worker-side.ts';

/** `serve` = both; `web` listens and does not touch Docker; `worker` works and does not listen. */
export type Role = 'serve' | 'web' | 'worker';

export interface DaemonOptions {
  readonly config: Config;
  readonly role: Role;
  readonly log: Log;
  /** For git and Docker: PATH, proxies, DOCKER_HOST. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Daemon extends AsyncDisposable {
  /** Where it listens; null for a worker. */
  readonly url: string | null;
}

/** Another process of this role works on the same data folder. */
export class AlreadyRunning extends Error {
  override readonly name = 'AlreadyRunning';
}

/** Resolves when the role is ready. Disposing leaves running jobs in their slots for the next process. */
export async function startDaemon({ config, role, log, environment }: DaemonOptions): Promise<Daemon> {
  await using opened = new AsyncDisposableStack();
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  const sides = role === 'serve' ? (['web', 'worker'] as const) : ([role] as const);
  for (const side of sides) opened.use(await lockOrThrow(side, config.dataDirectory));
  const store = await openConfiguredStore(config);
  opened.defer(() => store.close());
  const clock = systemClock;
  const logs = openJobLogs(config.dataDirectory);
  const links = await openLinks(config, clock);
  const socket = join(config.dataDirectory, 'worker.sock');

  let worker: WorkerSide | undefined;
  if (role !== 'web') {
    const github = createGithubApi({
      apiUrl: config.github.apiUrl,
      credential: await readCredential(config),
      clock,
      onWarning: (message) => {
        log.warn({ reason: message }, 'the GitHub client warns');
      },
    });
    const forge = createGithubForge(github);
    worker = opened.use(
      await startWorkerSide({
        store,
        git: openGit({
          directory: join(config.dataDirectory, 'git'),
          cloneUrl: config.cloneUrl,
          token: (repo) => forge.readToken(repo),
          environment,
        }),
        forge,
        workflows: createWorkflowForge(github, { apiUrl: config.github.apiUrl, clock }),
        logs,
        clock,
        random: systemRandom,
        log,
        dataDirectory: config.dataDirectory,
        slots: config.slots,
        labels: config.labels,
        logBytes: config.logBytes,
        kept: config.kept,
        dockerHost: environment['DOCKER_HOST'],
        ownSecrets: knownSecrets(config),
        secrets: await openStoredSecrets(store, () => readVault(config.keyFile)),
        egress: config.egress,
        pools: {
          forge: createRunnerForge(github),
          work: createWorkflowWork(github),
          ...{ pools: config.pools, repos: config.repos, forgeUrl: forgeUrlOf(config.github.apiUrl) },
        },
        targetUrl: (status) => links.statusTarget(status),
        plans: { isAllowed: (repo) => isAllowed(repo, config.repos), people: forge },
      }),
    );
    const { wake } = worker;
    opened.use(await listenForNudges(socket, wake));
  }
  let server: HttpServer | undefined;
  if (role !== 'worker') {
    const wake =
      worker?.wake ??
      (() => {
        nudge(socket);
      });
    server = opened.use(
      await startWebSide({
        config,
        store,
        logs,
        artifacts: openArtifactFiles(config.dataDirectory),
        clock,
        log,
        links,
        nudge: wake,
      }),
    );
  }
  log.info({ role, url: server?.url, data: config.dataDirectory }, 'ready');
  const owned = opened.move();
  return { url: server?.url ?? null, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The store that the settings name. */
export async function openConfiguredStore(config: Config): Promise<Store> {
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  return openSqliteStore(join(config.dataDirectory, 'hearth.db'));
}

async function lockOrThrow(side: string, dataDirectory: string): Promise<AsyncDisposable> {
  const lock = await lockInstance(side, dataDirectory);
  if (lock !== undefined) return lock;
  throw new AlreadyRunning(
    `Another Hearth ${side} process works on ${dataDirectory}. Stop it first, or set HEARTH_DATA to another folder.`,
  );
}

/** `https://api.github.com` → `https://github.com`; a server of one's own has its API below `/api/v3`. */
function forgeUrlOf(apiUrl: string): string {
  return apiUrl.replace(/\/api\/v3$/, '').replace('//api.', '//');
}

async function readCredential({ github, secrets }: Config): Promise<GithubCredential | null> {
  if (github.credential === null) return null;
  if (github.credential.kind === 'token')
    return secrets.githubToken === null ? null : { kind: 'token', token: secrets.githubToken };
  const privateKey = new Secret(await readFile(github.credential.privateKeyFile, 'utf8'));
  return { kind: 'app', appId: github.credential.appId, privateKey };
}

async function readVault(keyFile: string): Promise<Vault | undefined> {
  const key = await readKeyFile(keyFile);
  return key === undefined ? undefined : openVault(key);
}

/** What this process holds and a job log must never show. */
function knownSecrets({ secrets }: Config): readonly string[] {
  const { webhook, githubToken, adminToken, deadmanUrl, notifyUrl, objectsUrl } = secrets;
  return [...webhook, githubToken, adminToken, deadmanUrl, notifyUrl, objectsUrl].flatMap((secret) =>
    secret === null ? [] : [secret.reveal()],
  );
}

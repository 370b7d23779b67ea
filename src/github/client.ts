/** GitHub's REST API as the Forge port. One attempt per call: the outbox is what repeats, across restarts. */
import { createAppAuth } from '@octokit/auth-app';
import { retry } from '@octokit/plugin-retry';
import { throttling } from '@octokit/plugin-throttling';
import { RequestError } from '@octokit/request-error';
import { Octokit } from '@octokit/rest';
import { z } from 'zod';
import type { Clock, Forge, ForgeTrouble, OutgoingStatus, People, Permission } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import { fullName, type RepoRef } from '../core/run.ts';
import type { Secret } from '../core/secrets/secret.ts';
import { troubleOf } from './forge-trouble.ts';

export type GithubCredential =
  | { readonly kind: 'token'; readonly token: Secret }
  /** `privateKey` is the PEM text. */
  | { readonly kind: 'app'; readonly appId: number; readonly privateKey: Secret };

export interface GithubOptions {
  /** Without a slash at its end. */
  readonly apiUrl: string;
  /** null = every status is refused as 'unconfigured'. */
  readonly credential: GithubCredential | null;
  readonly clock: Clock;
  /** What the API client wants people to know, such as deprecations. Holds no token. */
  readonly onWarning: (message: string) => void;
  /** Time for one request, in ms. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 15_000;
const ThrottledOctokit = Octokit.plugin(throttling, retry);

export interface GithubForge extends Forge, People {
  /** A token that may read this repository now, for git; undefined without a credential. Rejects when GitHub gives none. */
  readToken(repo: RepoRef): Promise<string | undefined>;
}

/** Sends nothing before the first call. Holds tokens in memory only. */
export function createGithubForge(options: GithubOptions): GithubForge {
  const { credential, clock, timeoutMs = TIMEOUT_MS } = options;
  if (credential === null) {
    const unconfigured = (purpose: string) =>
      failed({
        kind: 'unconfigured',
        message: `No GitHub credential; set GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE, to ${purpose}.`,
      } as const);
    return {
      setStatus: () => Promise.resolve(unconfigured('send statuses')),
      permissionOf: () => Promise.resolve(unconfigured('ask who may approve')),
      readToken: () => Promise.resolve(undefined),
    };
  }
  const octokit = createOctokit(options);
  const tokens = createTokens(credential, octokit);

  async function send(
    status: OutgoingStatus,
    targetUrl: string | null,
    token: string,
    signal: AbortSignal,
  ): Promise<Result<void, ForgeTrouble>> {
    const { repo, sha, state, context, description } = status;
    const response = await octokit.rest.repos.createCommitStatus({
      owner: repo.owner,
      repo: repo.name,
      sha,
      state,
      context,
      description,
      ...(targetUrl === null ? {} : { target_url: targetUrl }),
      headers: { authorization: `token ${token}` },
      // A repetition here would be forgotten by a restart and would not honour what the planner decided.
      request: { retries: 0, signal },
    });
    return isEcho(response.data, status)
      ? success(undefined)
      : failed({
          kind: 'retry',
          message: `GitHub's answer (${response.status}) does not repeat the status; something in between answered for it`,
        });
  }

  /** One attempt with a token that is good for the repository, and a second one when the token was stale. */
  async function attempt<T>(
    repo: RepoRef,
    stop: AbortSignal | undefined,
    call: (token: string, signal: AbortSignal) => Promise<Result<T, ForgeTrouble>>,
  ): Promise<Result<T, ForgeTrouble>> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = stop === undefined ? timeout : AbortSignal.any([stop, timeout]);
    try {
      const token = await tokens.get(repo);
      try {
        return await call(token, signal);
      } catch (error) {
        // An installation's token may have been revoked before its hour was over.
        if (!(error instanceof RequestError) || error.status !== 401 || !tokens.renewable) throw error;
        tokens.forget(repo);
        return await call(await tokens.get(repo), signal);
      }
    } catch (error) {
      return failed(explain(error, clock.now(), repo));
    }
  }

  async function askPermission(
    repo: RepoRef,
    login: string,
    token: string,
    signal: AbortSignal,
  ): Promise<Result<Permission, ForgeTrouble>> {
    const { data } = await octokit.rest.repos.getCollaboratorPermissionLevel({
      owner: repo.owner,
      repo: repo.name,
      username: login,
      headers: { authorization: `token ${token}` },
      request: { retries: 0, signal },
    });
    return readPermission(data);
  }

  return {
    readToken: (repo) => tokens.get(repo),
    permissionOf: (repo, login, stop) =>
      attempt(repo, stop, (token, signal) => askPermission(repo, login, token, signal)),
    setStatus: (status, targetUrl, stop) =>
      attempt(status.repo, stop, (token, signal) => send(status, targetUrl, token, signal)),
  };
}

const permissionAnswer = z.object({
  permission: z.string(),
  user: z.object({ id: z.int().positive(), type: z.string() }).nullish(),
});

/** `permission` is what GitHub makes of any role: maintain counts as write, triage as read. */
function readPermission(data: unknown): Result<Permission, ForgeTrouble> {
  const answer = permissionAnswer.safeParse(data);
  if (!answer.success)
    return failed({ kind: 'retry', message: "GitHub's answer does not tell a permission; something else answered" });
  const { permission, user } = answer.data;
  const isPerson = user?.type === 'User';
  return success({
    mayWrite: isPerson && (permission === 'admin' || permission === 'write'),
    personId: user?.id ?? null,
  });
}

function createOctokit({ apiUrl, onWarning }: GithubOptions): Octokit {
  const warn = (message: string): void => {
    onWarning(message);
  };
  const ignore = (): void => undefined;
  const log = { debug: ignore, info: ignore, warn, error: warn };
  return new ThrottledOctokit({
    baseUrl: apiUrl,
    userAgent: 'hearth',
    log,
    // Deprecations would otherwise go to the console.
    request: { log },
    // What the limits mean is decided by the planner of the outbox.
    throttle: { id: crypto.randomUUID(), onRateLimit: () => false, onSecondaryRateLimit: () => false },
    retry: { retries: 1 },
  });
}

interface Tokens {
  get(repo: RepoRef): Promise<string>;
  forget(repo: RepoRef): void;
  /** Whether asking again after `forget` can give another token. */
  readonly renewable: boolean;
}

function createTokens(credential: GithubCredential, octokit: Octokit): Tokens {
  if (credential.kind === 'token') {
    return { get: () => Promise.resolve(credential.token.reveal()), forget: () => undefined, renewable: false };
  }
  const auth = createAppAuth({
    appId: credential.appId,
    privateKey: credential.privateKey.reveal(),
    request: octokit.request,
  });
  const installations = new Map<number, number>();
  const stale = new Set<number>();

  async function installationOf(repo: RepoRef): Promise<number> {
    const known = installations.get(repo.id);
    if (known !== undefined) return known;
    const { token } = await auth({ type: 'app' });
    const { data } = await octokit.rest.apps.getRepoInstallation({
      owner: repo.owner,
      repo: repo.name,
      headers: { authorization: `bearer ${token}` },
    });
    installations.set(repo.id, data.id);
    return data.id;
  }

  return {
    renewable: true,
    async get(repo) {
      const { token } = await auth({
        type: 'installation',
        installationId: await installationOf(repo),
        repositoryIds: [repo.id],
        permissions: { contents: 'read', statuses: 'write' },
        refresh: stale.delete(repo.id),
      });
      return token;
    },
    forget(repo) {
      stale.add(repo.id);
      installations.delete(repo.id);
    },
  };
}

/** A page of HTML with status 200, or the answer to another question, is no success. */
function isEcho(data: unknown, status: OutgoingStatus): boolean {
  if (typeof data !== 'object' || data === null) return false;
  return 'context' in data && data.context === status.context && 'state' in data && data.state === status.state;
}

function explain(error: unknown, now: Date, repo: RepoRef): ForgeTrouble {
  if (!(error instanceof RequestError)) {
    // A key that is no key, or an answer without the promised fields: it may pass when somebody mends it.
    return {
      kind: 'retry',
      message: `The request to GitHub failed: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  if (error.response === undefined) return { kind: 'retry', message: `GitHub could not be reached: ${error.message}` };
  const isInstallation = new URL(error.request.url).pathname.endsWith('/installation');
  if (error.status === 404 && isInstallation) {
    return { kind: 'refused', message: `The GitHub App is not installed on ${fullName(repo)}; install it there.` };
  }
  return troubleOf({ status: error.status, headers: error.response.headers, message: error.message }, now);
}

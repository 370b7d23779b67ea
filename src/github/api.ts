/** Calls of GitHub's REST API with a token that is good for their subject. One attempt per call: whoever calls decides when to repeat. */
import { createAppAuth } from '@octokit/auth-app';
import { retry } from '@octokit/plugin-retry';
import { throttling } from '@octokit/plugin-throttling';
import { RequestError } from '@octokit/request-error';
import { Octokit } from '@octokit/rest';
import type { Clock, ForgeTrouble } from '../core/ports.ts';
import { failed, type Result } from '../core/result.ts';
import type { Secret } from '../core/secrets/secret.ts';
import { troubleOf, type Cures } from './forge-trouble.ts';

export type GithubCredential =
  | { readonly kind: 'token'; readonly token: Secret }
  /** `privateKey` is the PEM text. */
  | { readonly kind: 'app'; readonly appId: number; readonly privateKey: Secret };

export interface GithubOptions {
  /** Without a slash at its end. */
  readonly apiUrl: string;
  /** null = every call is refused as 'unconfigured'. */
  readonly credential: GithubCredential | null;
  readonly clock: Clock;
  /** What the API client wants people to know, such as deprecations. Holds no token. */
  readonly onWarning: (message: string) => void;
  /** Time for one request, in ms. */
  readonly timeoutMs?: number;
}

/** What a call is about: a repository, or an organisation as a whole. */
export type Subject =
  { readonly owner: string; readonly name: string; readonly id?: number } | { readonly organisation: string };

/** What an installation of an App is asked to allow for one call; a token of a person allows what it allows. */
export type Permissions = Readonly<Record<string, 'read' | 'write'>>;

export interface GithubApi {
  /** It lets one write out per second. */
  readonly octokit: Octokit;
  /** It lets out what it gets: whoever uses it keeps GitHub's limits. */
  readonly unpaced: Octokit;
  readonly hasCredential: boolean;
  /**
   * One attempt with a token that is good for the subject, and a second one when the token was stale. Never rejects for
   * what GitHub or the network can do.
   */
  call<T>(
    of: {
      readonly subject: Subject;
      readonly permissions: Permissions;
      /** In words: to … */
      readonly purpose: string;
      readonly cures: Cures;
      readonly signal?: AbortSignal | undefined;
    },
    call: (request: RequestParts) => Promise<Result<T, ForgeTrouble>>,
  ): Promise<Result<T, ForgeTrouble>>;
  /** Rejects when GitHub gives none; undefined without a credential. */
  token(subject: Subject, permissions: Permissions): Promise<string | undefined>;
}

/** To be spread into the parameters of a call of Octokit. */
export interface RequestParts {
  readonly headers: { readonly authorization: string };
  /** A repetition by the client would be forgotten by a restart and would not honour what was decided. */
  readonly request: { readonly retries: 0; readonly signal: AbortSignal };
}

const TIMEOUT_MS = 15_000;
const ThrottledOctokit = Octokit.plugin(throttling, retry);

/** Sends nothing before the first call. Holds tokens in memory only. */
export function createGithubApi(options: GithubOptions): GithubApi {
  const { credential, clock, timeoutMs = TIMEOUT_MS } = options;
  const octokit = createOctokit(options, 'paced');
  const tokens = credential === null ? null : createTokens(credential, octokit);
  return {
    octokit,
    unpaced: createOctokit(options, 'unpaced'),
    hasCredential: tokens !== null,
    async token(subject, permissions) {
      return tokens?.get(subject, permissions);
    },
    async call({ subject, permissions, purpose, cures, signal: stop }, call) {
      if (tokens === null)
        return failed({
          kind: 'unconfigured',
          message: `No GitHub credential; set GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE, to ${purpose}.`,
        });
      const timeout = AbortSignal.timeout(timeoutMs);
      const signal = stop === undefined ? timeout : AbortSignal.any([stop, timeout]);
      const withToken = async (): Promise<RequestParts> => ({
        headers: { authorization: `token ${await tokens.get(subject, permissions)}` },
        request: { retries: 0, signal },
      });
      try {
        const parts = await withToken();
        try {
          return await call(parts);
        } catch (error) {
          // An installation's token may have been revoked before its hour was over.
          if (!(error instanceof RequestError) || error.status !== 401 || !tokens.renewable) throw error;
          tokens.forget(subject);
          return await call(await withToken());
        }
      } catch (error) {
        return failed(explain(error, clock.now(), subject, cures));
      }
    },
  };
}

function createOctokit({ apiUrl, onWarning }: GithubOptions, pace: 'paced' | 'unpaced'): Octokit {
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
    throttle: {
      enabled: pace === 'paced',
      id: crypto.randomUUID(),
      onRateLimit: () => false,
      onSecondaryRateLimit: () => false,
    },
    retry: { retries: 1 },
  });
}

interface Tokens {
  get(subject: Subject, permissions: Permissions): Promise<string>;
  forget(subject: Subject): void;
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
  const installations = new Map<string, number>();
  const stale = new Set<string>();

  async function installationOf(subject: Subject): Promise<number> {
    const known = installations.get(keyOf(subject));
    if (known !== undefined) return known;
    const { token } = await auth({ type: 'app' });
    const headers = { authorization: `bearer ${token}` };
    const { data } =
      'organisation' in subject
        ? await octokit.rest.apps.getOrgInstallation({ org: subject.organisation, headers })
        : await octokit.rest.apps.getRepoInstallation({ owner: subject.owner, repo: subject.name, headers });
    installations.set(keyOf(subject), data.id);
    return data.id;
  }

  return {
    renewable: true,
    async get(subject, permissions) {
      const repositoryIds = 'id' in subject ? [subject.id] : undefined;
      const { token } = await auth({
        type: 'installation',
        installationId: await installationOf(subject),
        ...(repositoryIds === undefined ? {} : { repositoryIds }),
        permissions,
        refresh: stale.delete(keyOf(subject)),
      });
      return token;
    },
    forget(subject) {
      stale.add(keyOf(subject));
      installations.delete(keyOf(subject));
    },
  };
}

function keyOf(subject: Subject): string {
  if ('organisation' in subject) return `organisation ${subject.organisation}`;
  return subject.id === undefined ? `${subject.owner}/${subject.name}`.toLowerCase() : String(subject.id);
}

function nameOf(subject: Subject): string {
  return 'organisation' in subject ? subject.organisation : `${subject.owner}/${subject.name}`;
}

function explain(error: unknown, now: Date, subject: Subject, cures: Cures): ForgeTrouble {
  if (!(error instanceof RequestError)) {
    // A key that is no key, or an answer without the promised fields: it may pass when somebody mends it.
    return {
      kind: 'retry',
      message: `The request to GitHub failed: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  if (error.response === undefined) return { kind: 'retry', message: `GitHub could not be reached: ${error.message}` };
  const { pathname } = new URL(error.request.url);
  const isInstallation = pathname.endsWith('/installation');
  if (error.status === 404 && isInstallation) {
    return { kind: 'refused', message: `The GitHub App is not installed on ${nameOf(subject)}; install it there.` };
  }
  // What an App was not granted, no token of it can have.
  if (error.status === 422 && pathname.endsWith('/access_tokens'))
    return { kind: 'refused', message: `GitHub answered 422: ${error.message}. ${cures.forbidden}` };
  return troubleOf({ status: error.status, headers: error.response.headers, message: error.message }, now, cures);
}

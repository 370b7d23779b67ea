/** GitHub's side of runner pools. https://docs.github.com/en/rest/actions/self-hosted-runners */
import { RequestError } from '@octokit/request-error';
import PQueue from 'p-queue';
import { z } from 'zod';
import type { RunnerForge } from '../core/pool/pool-ports.ts';
import { scopeName, type Scope } from '../core/pool/pool.ts';
import type { ForgeRunner } from '../core/pool/reconcile.ts';
import type { ForgeTrouble } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import { Secret } from '../core/secrets/secret.ts';
import type { GithubApi, Permissions, RequestParts, Subject } from './api.ts';

const PER_PAGE = 100;
/** GitHub's most for one group. */
const MOST_PAGES = 100;

/**
 * GitHub counts 900 points a minute and five for a write, and others have seen it refuse more than about 170 registrations a
 * minute: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
const WRITES = { interval: 2000, intervalCap: 5 };

/** Writes wait for their turn; `pace` is for tests in which time is virtual. */
export function createRunnerForge(api: GithubApi, pace: Partial<typeof WRITES> = WRITES): RunnerForge {
  const { unpaced: octokit } = api;
  const writes = new PQueue({ concurrency: 8, ...pace });

  function call<T>(
    scope: Scope,
    purpose: string,
    signal: AbortSignal | undefined,
    work: (request: RequestParts) => Promise<Result<T, ForgeTrouble>>,
  ): Promise<Result<T, ForgeTrouble>> {
    const cures = {
      forbidden: `Give the credential the right to manage runners of ${scopeName(scope)}: ${rightOf(scope)}.`,
      unprocessable: 'Correct the pool, or remove the runner that has this name already.',
    };
    return api.call({ subject: subjectOf(scope), permissions: permissionsOf(scope), purpose, cures, signal }, work);
  }

  const inTurn: typeof call = (...args) => writes.add(() => call(...args));

  return {
    list: (scope, signal) =>
      call(scope, 'list runners', signal, async (request) => {
        const found: ForgeRunner[] = [];
        for (let page = 1; page <= MOST_PAGES; page++) {
          const query = { per_page: PER_PAGE, page, ...request };
          const { data } =
            'repo' in scope
              ? await octokit.rest.actions.listSelfHostedRunnersForRepo({ ...ownerAndRepo(scope), ...query })
              : await octokit.rest.actions.listSelfHostedRunnersForOrg({ org: scope.organisation, ...query });
          const parsed = runnerPage.safeParse(data);
          // Half a list would make runners look gone.
          if (!parsed.success) return strange('a list of runners');
          found.push(...parsed.data.runners.map(runnerOf));
          if (parsed.data.runners.length < PER_PAGE) break;
        }
        return success(found);
      }),

    register: (scope, { name, labels, group }, signal) =>
      inTurn(scope, 'register runners', signal, async (request) => {
        const body = { name, labels: [...labels], runner_group_id: group, work_folder: '_work', ...request };
        const { data } =
          'repo' in scope
            ? await octokit.rest.actions.generateRunnerJitconfigForRepo({ ...ownerAndRepo(scope), ...body })
            : await octokit.rest.actions.generateRunnerJitconfigForOrg({ org: scope.organisation, ...body });
        const parsed = registration.safeParse(data);
        if (!parsed.success) return strange('a registration');
        return success({ githubId: parsed.data.runner.id, config: new Secret(parsed.data.encoded_jit_config) });
      }),

    registrationToken: (scope, signal) =>
      inTurn(scope, 'register runners', signal, async (request) => {
        const { data } =
          'repo' in scope
            ? await octokit.rest.actions.createRegistrationTokenForRepo({ ...ownerAndRepo(scope), ...request })
            : await octokit.rest.actions.createRegistrationTokenForOrg({ org: scope.organisation, ...request });
        const parsed = z.object({ token: z.string().min(1) }).safeParse(data);
        return parsed.success ? success(new Secret(parsed.data.token)) : strange('a registration token');
      }),

    deregister: (scope, githubId, signal) =>
      inTurn(scope, 'remove runners', signal, async (request) => {
        try {
          const of = { runner_id: githubId, ...request };
          if ('repo' in scope)
            await octokit.rest.actions.deleteSelfHostedRunnerFromRepo({ ...ownerAndRepo(scope), ...of });
          else await octokit.rest.actions.deleteSelfHostedRunnerFromOrg({ org: scope.organisation, ...of });
          return success('gone');
        } catch (error) {
          if (!(error instanceof RequestError)) throw error;
          // Which of the two it is that GitHub does not find, the lists tell: where they are not found, nothing is.
          if (error.status === 404) return success('gone');
          if (error.status === 422) return success('busy');
          throw error;
        }
      }),

    access: (scope, signal) =>
      call(scope, 'look at what runners are for', signal, async (request) => {
        if ('organisation' in scope) {
          await octokit.rest.actions.listSelfHostedRunnersForOrg({ org: scope.organisation, per_page: 1, ...request });
          return success({ isPublic: false });
        }
        const { data, headers } = await octokit.rest.repos.get({ ...ownerAndRepo(scope), ...request });
        const parsed = repositoryAnswer.safeParse(data);
        if (!parsed.success) return strange('a repository');
        const missing = missingScope(headers['x-oauth-scopes'], parsed.data.permissions?.admin);
        if (missing !== undefined) return failed({ kind: 'refused', message: `${scope.repo}: ${missing}` });
        await octokit.rest.actions.listSelfHostedRunnersForRepo({ ...ownerAndRepo(scope), per_page: 1, ...request });
        return success({ isPublic: parsed.data.visibility === 'public' || !parsed.data.private });
      }),
  };
}

/** What can be told before a registration is tried: a classic token names its scopes, and a person's right is in the answer. */
function missingScope(scopes: string | undefined, isAdmin: boolean | undefined): string | undefined {
  const names = scopes?.split(',').map((one) => one.trim());
  if (names !== undefined && names.some((one) => one !== '') && !names.includes('repo'))
    return `the token has the scopes ${names.join(', ')}, and runners need \`repo\`; make one with it`;
  if (names !== undefined && isAdmin === false)
    return 'whoever owns the token is no administrator there, and only those may register runners';
  return undefined;
}

function rightOf(scope: Scope): string {
  return 'repo' in scope
    ? 'an App or a fine-grained token needs "Administration: write", a classic token the scope `repo`'
    : 'an App or a fine-grained token needs "Self-hosted runners: write", a classic token the scope `admin:org`';
}

function permissionsOf(scope: Scope): Permissions {
  return 'repo' in scope ? { administration: 'write' } : { organization_self_hosted_runners: 'write' };
}

export function subjectOf(scope: Scope): Subject {
  return 'repo' in scope ? nameParts(scope.repo) : { organisation: scope.organisation };
}

export function nameParts(repo: string): { readonly owner: string; readonly name: string } {
  const [owner = '', name = ''] = repo.split('/');
  return { owner, name };
}

function ownerAndRepo({ repo }: { readonly repo: string }): { readonly owner: string; readonly repo: string } {
  const { owner, name } = nameParts(repo);
  return { owner, repo: name };
}

const id = z.int().positive();
const runner = z.object({
  id,
  name: z.string(),
  status: z.string(),
  busy: z.boolean(),
  labels: z.array(z.object({ name: z.string() })),
  version: z.string().nullish(),
});
const runnerPage = z.object({ runners: z.array(runner) });
const registration = z.object({ runner: z.object({ id }), encoded_jit_config: z.string().min(1) });
const repositoryAnswer = z.object({
  private: z.boolean(),
  visibility: z.string().optional(),
  permissions: z.object({ admin: z.boolean() }).optional(),
});

function runnerOf({ id: number, name, status, busy, labels, version }: z.output<typeof runner>): ForgeRunner {
  return {
    ...{ id: number, name, isOnline: status === 'online', isBusy: busy },
    ...{ labels: labels.map((label) => label.name), version: version ?? null },
  };
}

function strange(what: string): Result<never, ForgeTrouble> {
  return failed({
    kind: 'retry',
    message: `GitHub's answer is no ${what.replace(/^a /, '')}; something in between answered for it`,
  });
}

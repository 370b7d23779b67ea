/** GitHub's REST API as the Forge port. */
import { z } from 'zod';
import type { Forge, ForgeTrouble, OutgoingStatus, People, Permission } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { RepoRef } from '../core/run.ts';
import type { GithubApi, RequestParts } from './api.ts';

export interface GithubForge extends Forge, People {
  /** A token that may read this repository now, for git; undefined without a credential. Rejects when GitHub gives none. */
  readToken(repo: RepoRef): Promise<string | undefined>;
}

const CURES = {
  forbidden: 'Give the credential write access to commit statuses of this repository.',
  unprocessable: 'The commit is unknown there or has 1000 statuses of this context.',
};
const PERMISSIONS = { contents: 'read', statuses: 'write' } as const;

export function createGithubForge(api: GithubApi): GithubForge {
  const { octokit } = api;

  async function send(
    status: OutgoingStatus,
    targetUrl: string | null,
    request: RequestParts,
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
      ...request,
    });
    return isEcho(response.data, status)
      ? success(undefined)
      : failed({
          kind: 'retry',
          message: `GitHub's answer (${response.status}) does not repeat the status; something in between answered for it`,
        });
  }

  async function askPermission(
    repo: RepoRef,
    login: string,
    request: RequestParts,
  ): Promise<Result<Permission, ForgeTrouble>> {
    const { data } = await octokit.rest.repos.getCollaboratorPermissionLevel({
      owner: repo.owner,
      repo: repo.name,
      username: login,
      ...request,
    });
    return readPermission(data);
  }

  return {
    readToken: (repo) => api.token(repo, PERMISSIONS),
    permissionOf: (subject, login, signal) =>
      api.call({ subject, permissions: PERMISSIONS, purpose: 'ask who may approve', cures: CURES, signal }, (request) =>
        askPermission(subject, login, request),
      ),
    setStatus: (status, targetUrl, signal) =>
      api.call(
        { subject: status.repo, permissions: PERMISSIONS, purpose: 'send statuses', cures: CURES, signal },
        (request) => send(status, targetUrl, request),
      ),
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

/** A page of HTML with status 200, or the answer to another question, is no success. */
function isEcho(data: unknown, status: OutgoingStatus): boolean {
  if (typeof data !== 'object' || data === null) return false;
  return 'context' in data && data.context === status.context && 'state' in data && data.state === status.state;
}

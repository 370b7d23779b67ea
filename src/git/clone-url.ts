/** Where a repository is fetched from: the operator's template with owner and name filled in. */
import { fullName, type RepoRef } from '../core/run.ts';

export interface CloneUrls {
  /** For GIT_ALLOW_PROTOCOL. */
  readonly protocols: string;
  /** Without credentials: it stands in argument lists and in the job's `.git/config`. */
  of(repo: RepoRef): string;
  /** Configuration that sends a token to this URL's server and to no other. */
  credentials(url: string, token: string): readonly (readonly [string, string])[];
}

const SAFE_PART = /^(?!\.{1,2}$)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}$/;

/** `template` is HEARTH_CLONE_URL. Throws when it is not usable: that is a mistake in the settings. */
export function cloneUrls(template: string): CloneUrls {
  const scheme = /^(https|http|file):\/\//.exec(template)?.[1];
  if (scheme === undefined) {
    throw new Error('HEARTH_CLONE_URL must begin with https://, http:// or file://. Correct it.');
  }
  if (scheme !== 'file' && new URL(template).username !== '') {
    throw new Error('HEARTH_CLONE_URL must not hold credentials. Set GITHUB_TOKEN instead.');
  }
  return {
    protocols: scheme,
    of: (repo) => {
      if (!SAFE_PART.test(repo.owner) || !SAFE_PART.test(repo.name))
        throw new Error(`${fullName(repo)} is not a repository name`);
      return template.replaceAll('{owner}', repo.owner).replaceAll('{repo}', repo.name);
    },
    credentials: (url, token) => {
      if (scheme === 'file') return [];
      const { origin, hostname } = new URL(url);
      if (scheme === 'http' && !['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return [];
      return [
        [
          `http.${origin}/.extraHeader`,
          `Authorization: Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`,
        ],
      ];
    },
  };
}

/** Which secrets a job gets. Decided from what the server knows of the run, never from names in a payload. */
import { fullName, type Run, type TrustClass } from '../run.ts';
import type { SecretUse } from '../pipeline/secret-uses.ts';
import { rightsOf } from '../trust.ts';

/** A secret of a repository, without its text. */
export interface SecretGrant {
  /** In upper case. */
  readonly name: string;
  /** Never T3 or T4: an outsider's code gets none, whatever is written here. */
  readonly trust: readonly TrustClass[];
  /** null = all events. */
  readonly events: readonly string[] | null;
}

/** As it is kept: the text is sealed, and opens only for this repository and name. */
export interface StoredSecret extends SecretGrant {
  /** `owner/name` in lower case. */
  readonly repo: string;
  readonly sealed: string;
}

export interface SecretRecord extends StoredSecret {
  readonly setAt: Date;
}

export interface GrantVerdict {
  readonly given: readonly string[];
  /** A sentence for each secret that the job needs and does not get. */
  readonly problems: readonly string[];
}

export function judgeSecrets(
  uses: readonly SecretUse[],
  grants: readonly SecretGrant[],
  run: Pick<Run, 'repo' | 'trust' | 'eventName'>,
): GrantVerdict {
  const given: string[] = [];
  const problems: string[] = [];
  for (const { name, isOptional } of uses) {
    const problem = problemOf(name, grants, run);
    if (problem === undefined) given.push(name);
    else if (!isOptional) problems.push(`secrets.${name}: ${problem}`);
  }
  return { given, problems: [...new Set(problems)] };
}

const OR_OPTIONAL = 'or let the job go without it: secrets: [{ name: NAME, optional: true }]';

function problemOf(
  name: string,
  grants: readonly SecretGrant[],
  { repo, trust, eventName }: Pick<Run, 'repo' | 'trust' | 'eventName'>,
): string | undefined {
  if (!rightsOf(trust).secrets)
    return `pull requests of forks get no secrets; leave the job out with "if", ${OR_OPTIONAL.replace('NAME', name)}`;
  const grant = grants.find((one) => one.name === name);
  if (grant === undefined) {
    if (name === 'GITHUB_TOKEN') return 'jobs get no token of GitHub; store one of your own under another name';
    return `${fullName(repo)} has no such secret; store it with: hearth secret set ${name} --repo ${fullName(repo)}`;
  }
  const ways = `grant it with hearth secret set, ${OR_OPTIONAL.replace('NAME', name)}`;
  if (!grant.trust.includes(trust))
    return `it is kept for ${grant.trust.join(', ')}, and this run is ${trust}; ${ways}`;
  if (grant.events !== null && !grant.events.includes(eventName))
    return `it is kept for ${grant.events.join(', ')}, and this run is for ${eventName}; ${ways}`;
  return undefined;
}

/** Secrets of repositories: sealed in the store, opened with the key file, given to jobs as far as they may have them. */
import { judgeSecrets } from './core/secrets/secret-grants.ts';
import type { Store } from './core/ports.ts';
import { failed, success } from './core/result.ts';
import { fullName } from './core/run.ts';
import type { JobSecrets, SecretTexts } from './core/secrets/secrets-port.ts';
import { BrokenSeal, type Vault } from './vault/vault.ts';

/** What a secret of a repository is bound to. The name of the repository is in lower case, that of the secret in upper. */
export function bindingOf(repo: string, name: string): string {
  return JSON.stringify(['secret', repo.toLowerCase(), name.toUpperCase()]);
}

const OF_ATTEMPT = 'secrets of an attempt';

/**
 * Those in the store. `readVault` gives undefined while there is no key file; it is asked again when a secret is needed, for
 * the first secret may be set while the daemon runs.
 */
export async function openStoredSecrets(
  store: Pick<Store, 'secretsOf'>,
  readVault: () => Promise<Vault | undefined>,
): Promise<JobSecrets> {
  let vault = await readVault();
  return {
    async of({ run, job }) {
      const uses = job.spec.secrets;
      if (uses.length === 0) return success({});
      const stored = await store.secretsOf(fullName(run.repo));
      const { given, problems } = judgeSecrets(uses, stored, run);
      if (problems.length > 0) return failed(problems);
      if (given.length > 0) vault ??= await readVault();
      const texts: Record<string, string> = Object.fromEntries(uses.map(({ name }) => [name, '']));
      const broken: string[] = [];
      for (const { name, sealed } of stored.filter((one) => given.includes(one.name))) {
        const text = unsealed(vault, sealed, bindingOf(fullName(run.repo), name));
        if (text === undefined)
          broken.push(`secrets.${name}: it does not open with this key file (HEARTH_KEY_FILE); set it again`);
        else texts[name] = text;
      }
      return broken.length > 0 ? failed(broken) : success(texts);
    },
    ...sealer(() => vault),
  };
}

/** Secrets that are only in memory, for a run that ends with its process. */
export function givenSecrets(texts: SecretTexts, vault: Vault): JobSecrets {
  return {
    of({ job, run }) {
      const grants = Object.keys(texts).map((name) => ({ name, trust: [run.trust], events: null }));
      const { given, problems } = judgeSecrets(job.spec.secrets, grants, run);
      if (problems.length > 0) return Promise.resolve(failed(problems.map(forLocalRun)));
      const used = job.spec.secrets.map(({ name }) => [name, given.includes(name) ? (texts[name] ?? '') : '']);
      return Promise.resolve(success(Object.fromEntries(used) as SecretTexts));
    },
    ...sealer(() => vault),
  };
}

function forLocalRun(problem: string): string {
  const name = /^secrets\.(\w+):/.exec(problem)?.[1] ?? 'NAME';
  return `secrets.${name}: it was not given; put it into the environment and add --secret ${name}`;
}

function sealer(vault: () => Vault | undefined): Pick<JobSecrets, 'seal' | 'unseal'> {
  const open = (): Vault => {
    const found = vault();
    if (found === undefined) throw new BrokenSeal('the key file is gone');
    return found;
  };
  return {
    seal: (texts) => open().seal(JSON.stringify(texts), OF_ATTEMPT),
    // What was sealed here is what `seal` was given.
    unseal: (sealed) => JSON.parse(open().open(sealed, OF_ATTEMPT)) as SecretTexts,
  };
}

function unsealed(vault: Vault | undefined, sealed: string, binding: string): string | undefined {
  try {
    return vault?.open(sealed, binding);
  } catch (cause) {
    if (cause instanceof BrokenSeal) return undefined;
    throw cause;
  }
}

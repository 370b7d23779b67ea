// What containers must know of this host's network to reach package registries as the host does: extra certificate
// authorities (networks that inspect TLS), an apt proxy, a package mirror, an npm registry.
import { existsSync, readFileSync } from 'node:fs';
import { run } from './command.ts';

/** Where Debian keeps all trusted certificates in one file, on the host and in the image. */
export const CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

/** The certificates in `bundle` that `known` lacks, as PEM texts in the order of `bundle`. */
export function extraCertificates(bundle: string, known: string): readonly string[] {
  const have = new Set(certificates(known));
  return [...new Set(certificates(bundle))].filter((certificate) => !have.has(certificate));
}

function certificates(bundle: string): readonly string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** The host's trusted certificates, or an empty text where it keeps none. */
export function hostCertificates(): string {
  return existsSync(CA_BUNDLE) ? readFileSync(CA_BUNDLE, 'utf8') : '';
}

/** The proxy lines of the host's apt configuration, ready for a file in apt.conf.d; empty without a proxy. */
export async function aptProxyConfiguration(): Promise<string> {
  const dump = await run('apt-config', ['dump']);
  return dump.stdout
    .split('\n')
    .filter((line) => /^Acquire::https?::Proxy(::\S+)? "[^"]+";$/i.test(line))
    .map((line) => `${line}\n`)
    .join('');
}

/** The archive this host takes `release` of Debian from, or Debian's own when the host uses none (Ubuntu, say). */
export async function debianMirror(release: string): Promise<string> {
  const format = '$(REPO_URI) $(RELEASE) $(ORIGIN)';
  const targets = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const ours = targets.stdout.split('\n').find((line) => line.endsWith(` ${release} Debian`));
  return ours?.split(' ')[0] ?? 'http://deb.debian.org/debian';
}

/** The npm registry this host was told to use, or undefined for npm's default. */
export async function npmRegistry(): Promise<string | undefined> {
  const asked = await run('npm', ['config', 'get', 'registry', '--location=global'], { deadline: 20_000 });
  const registry = asked.stdout.trim();
  if (asked.code !== 0 || !/^https?:\/\//.test(registry)) return undefined;
  return registry.replace(/\/$/, '') === 'https://registry.npmjs.org' ? undefined : registry;
}

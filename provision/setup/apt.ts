// Debian packages that set-up needs.
import { installPackages } from '../../src/docker/debian-packages.ts';
import { run } from './command.ts';
import { hasApt, isRoot } from './host.ts';
import type { Progress } from './progress.ts';
import { SetUpError } from './set-up-error.ts';

/**
 * Installs those of `packages` that are missing; may be repeated. Throws SetUpError, naming the command to run, when
 * this user or this system cannot install packages.
 */
export async function ensurePackages(progress: Progress, part: string, packages: readonly string[]): Promise<void> {
  if (!hasApt()) {
    throw new SetUpError(
      `${part} is missing and this system has no apt-get, so it cannot be installed from here.`,
      `Install what Debian calls ${packages.join(', ')} with this system's package manager, then run the same command again.`,
    );
  }
  const missing = await missingPackages(packages);
  if (missing.length === 0) return;
  if (!isRoot()) {
    throw new SetUpError(
      `${part} is missing and only root may install packages.`,
      `Run: sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing.join(' ')}\n` +
        `  then run the same command again.`,
    );
  }
  await progress.step(part, `installing ${missing.join(', ')}`, () => install(part, missing));
}

async function missingPackages(packages: readonly string[]): Promise<readonly string[]> {
  const query = await run('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\\n', ...packages]);
  const installed = new Set(
    query.stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return packages.filter((name) => !installed.has(name));
}

async function install(part: string, packages: readonly string[]): Promise<void> {
  const installed = await installPackages(run, packages);
  if (installed.ok) return;
  throw new SetUpError(
    `${part}: ${installed.problem}`,
    `Check that this host reaches its package mirror (apt-get update), then run the same command again.`,
  );
}

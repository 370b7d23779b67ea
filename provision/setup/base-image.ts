// The image everything else starts from: pulled where a registry answers, else built from the package archive.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePackages } from './apt.ts';
import { findCommand, lastLines, mustRun, run } from './command.ts';
import { hasApt, isRoot } from './host.ts';
import {
  aptProxyConfiguration,
  CA_BUNDLE,
  debianMirror,
  extraCertificates,
  hostCertificates,
  npmRegistry,
} from './host-network.ts';
import type { Progress } from './progress.ts';
import { SetUpError } from './set-up-error.ts';

/** The name public Dockerfiles use, so they build with a local image as with a pulled one. */
export const BASE_IMAGE = 'debian:bookworm-slim';

const PART = 'base image';
const RELEASE = 'bookworm';
/** A registry that has said nothing by then is taken as out of reach. */
export const REGISTRY_ANSWERS_WITHIN = 15_000;

/**
 * Makes sure `debian:bookworm-slim` is in the engine. May be repeated. Pulls it; without a registry, as root on a
 * Debian-like system, builds it with debootstrap (with git, ca-certificates and this host's certificate authorities
 * and proxy settings). Throws SetUpError, saying what to run, when neither works. Needs an engine that answers.
 */
export async function ensureBaseImage(progress: Progress, image: string = BASE_IMAGE): Promise<void> {
  if ((await run('docker', ['image', 'inspect', image])).code === 0) return;
  const pulled = await progress.step(PART, `asking the registry for ${image}`, () =>
    run('docker', ['pull', image], { firstOutputWithin: REGISTRY_ANSWERS_WITHIN }),
  );
  if (pulled.code === 0) return;
  progress.note(PART, `no registry gave it (${lastLines(pulled.stderr, 1)}), building it from Debian packages`);
  if (!isRoot() || !hasApt()) {
    throw new SetUpError(
      `The image ${image} is neither here nor in reach, and only root on Debian or Ubuntu can build it.`,
      `Make a registry reachable, or load the image (docker load), or run this command once as root.`,
    );
  }
  await buildBaseImage(progress, image);
}

async function buildBaseImage(progress: Progress, image: string): Promise<void> {
  await ensurePackages(progress, PART, ['debootstrap', 'debian-archive-keyring']);
  const folder = mkdtempSync('/var/tmp/hearth-base-image-');
  const root = join(folder, 'root');
  mkdirSync(root);
  try {
    await progress.step(PART, 'debootstrap', () => bootstrapDebian(root));
    await progress.step(PART, 'importing', async () => {
      await teachHostNetwork(root);
      slimDown(root);
      await importImage(root, image);
    });
  } catch (cause) {
    throw new SetUpError(
      `${image} could not be built: ${(cause as Error).message}`,
      'Check that this host reaches its package mirror and has 2 GB free, then run the same command again.',
      { cause },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function bootstrapDebian(root: string): Promise<void> {
  const mirror = await debianMirror(RELEASE);
  const debootstrap = findCommand('debootstrap') ?? 'debootstrap';
  await mustRun(debootstrap, ['--variant=minbase', '--include=ca-certificates,git', RELEASE, root, mirror]);
  const security = mirror.replace(/\/debian\/?$/, '/debian-security');
  const sources = [
    `deb ${mirror} ${RELEASE} main`,
    `deb ${mirror} ${RELEASE}-updates main`,
    ...(security === mirror ? [] : [`deb ${security} ${RELEASE}-security main`]),
  ];
  writeFileSync(join(root, 'etc/apt/sources.list'), `${sources.join('\n')}\n`);
}

async function teachHostNetwork(root: string): Promise<void> {
  const extra = extraCertificates(hostCertificates(), readFileSync(join(root, CA_BUNDLE), 'utf8'));
  // As local certificates they survive a later `apt-get install ca-certificates`, which rebuilds the bundle.
  extra.forEach((certificate, index) => {
    const file = join(root, `usr/local/share/ca-certificates/host-${index + 1}.crt`);
    writeFileSync(file, `${certificate}\n`);
  });
  if (extra.length > 0) await mustRun('chroot', [root, 'update-ca-certificates']);
  const proxy = await aptProxyConfiguration();
  if (proxy !== '') writeFileSync(join(root, 'etc/apt/apt.conf.d/90host-proxy'), proxy);
}

function slimDown(root: string): void {
  // The same choice as the published slim image: packages bring no manuals and translations into containers.
  const excluded = ['doc/*', 'man/*', 'info/*', 'locale/*'].map((path) => `path-exclude /usr/share/${path}\n`);
  const kept = 'path-include /usr/share/doc/*/copyright\n';
  writeFileSync(join(root, 'etc/dpkg/dpkg.cfg.d/docker'), excluded.join('') + kept);
  for (const path of ['var/cache/apt/archives', 'var/lib/apt/lists', 'usr/share/man', 'usr/share/locale', 'var/log']) {
    rmSync(join(root, path), { recursive: true, force: true });
    mkdirSync(join(root, path), { recursive: true });
  }
  mkdirSync(join(root, 'var/lib/apt/lists/partial'), { recursive: true });
  mkdirSync(join(root, 'var/cache/apt/archives/partial'), { recursive: true });
  // Bootstrapping copies the host's; the engine mounts its own.
  rmSync(join(root, 'etc/hostname'), { force: true });
  writeFileSync(join(root, 'etc/resolv.conf'), '');
}

async function importImage(root: string, image: string): Promise<void> {
  const registry = await npmRegistry();
  const changes = [
    'CMD ["bash"]',
    'LABEL hearth.base-image=debootstrap',
    // Node and npm carry their own lists of authorities; these add the system's.
    `ENV NODE_EXTRA_CA_CERTS=${CA_BUNDLE}`,
    `ENV npm_config_cafile=${CA_BUNDLE}`,
    ...(registry === undefined ? [] : [`ENV npm_config_registry=${registry}`]),
  ];
  const options = changes.map((change) => `--change '${change}'`).join(' ');
  const script = `set -o pipefail; tar -C "$1" -c . | docker import ${options} - "$2"`;
  await mustRun('bash', ['-c', script, 'import', root, image]);
}

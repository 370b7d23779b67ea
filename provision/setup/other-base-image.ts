// The base image of the platform this machine is not: pulled where a registry answers, else made of Debian packages.
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BASE_IMAGE, REGISTRY_ANSWERS_WITHIN } from './base-image.ts';
import { lastLines, mustRun, run } from './command.ts';
import type { OtherPlatform } from './platforms.ts';
import type { Progress } from './progress.ts';
import { SetUpError } from './set-up-error.ts';

/**
 * Makes sure `other.baseImage` is in the engine, with the right architecture. May be repeated; the engine keeps the
 * result. Needs the base image of this machine's own platform, no emulator and no root: without a registry the packages
 * are unpacked and configured in a container of that image by programs of this machine (a minute; an emulated
 * debootstrap takes five). Throws SetUpError, saying what to do, when neither works.
 */
export async function ensureOtherBaseImage(progress: Progress, other: OtherPlatform): Promise<void> {
  if ((await architectureOf(other.baseImage)) === other.architecture) return;
  const part = `base image for ${other.architecture}`;
  const pulled = await progress.step(part, `asking the registry for ${other.baseImage}`, () =>
    run('docker', ['pull', '--platform', other.platform, other.baseImage], {
      firstOutputWithin: REGISTRY_ANSWERS_WITHIN,
    }),
  );
  if (pulled.code === 0 && (await architectureOf(other.baseImage)) === other.architecture) return;
  progress.note(part, `no registry gave it (${lastLines(pulled.stderr, 1)}), making it of Debian packages`);
  const folder = mkdtempSync('/var/tmp/hearth-other-base-image-');
  try {
    await progress.step(part, 'mmdebstrap', () => makeRoot(folder, other));
    await progress.step(part, 'loading', () => loadImage(folder, other));
  } catch (cause) {
    throw new SetUpError(
      `${other.baseImage} could not be made: ${(cause as Error).message}`,
      `Check that containers reach the package mirror (docker run --rm ${BASE_IMAGE} apt-get update) and that 1 GB ` +
        'is free, then run the same command again.',
      { cause },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function architectureOf(image: string): Promise<string> {
  return (await run('docker', ['image', 'inspect', '--format', '{{.Architecture}}', image])).stdout.trim();
}

/**
 * Runs in a container that is thrown away, because packages' scripts run outside of the new root here: mmdebstrap's
 * `chrootless` mode has the essential packages configured by this machine's shell and Perl. Certificates come from the
 * image it runs in; as local ones they survive a later `apt-get install ca-certificates`.
 */
const MAKE_ROOT = `set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
apt-get install -y -qq --no-install-recommends mmdebstrap >&2
sources=/etc/apt/sources.list
[ -s "$sources" ] || sources=/etc/apt/sources.list.d/debian.sources
set --
[ ! -s /etc/apt/apt.conf.d/90host-proxy ] || set -- "$@" --aptopt=/etc/apt/apt.conf.d/90host-proxy
[ ! -s /etc/dpkg/dpkg.cfg.d/docker ] || set -- "$@" --dpkgopt=/etc/dpkg/dpkg.cfg.d/docker
cat >/tmp/authorities <<'HOOK'
for path in etc/ssl/certs/ca-certificates.crt usr/local/share/ca-certificates; do
  [ ! -e "/$path" ] || { mkdir -p "$1/\${path%/*}"; cp -RL "/$path" "$1/\${path%/*}/"; }
done
HOOK
mmdebstrap --mode=chrootless --variant=minbase --include=usr-is-merged --architectures="$ARCHITECTURE" --quiet "$@" \\
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --customize-hook='sh /tmp/authorities "$1"' bookworm - "$sources"
`;

async function makeRoot(folder: string, { architecture }: OtherPlatform): Promise<void> {
  const container = ['run', '--rm', '--interactive', '--env', `ARCHITECTURE=${architecture}`, BASE_IMAGE, 'sh', '-s'];
  const script = `file=$1; shift; exec docker "$@" >"$file"`;
  await mustRun('sh', ['-c', script, 'sh', join(folder, 'layer.tar'), ...container], { input: MAKE_ROOT });
}

/**
 * As an archive that carries its own description: `docker import --platform` records the engine's own architecture on
 * some engines, whatever it is told.
 */
async function loadImage(folder: string, { architecture, baseImage }: OtherPlatform): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(join(folder, 'layer.tar')), hash);
  const config = {
    architecture,
    os: 'linux',
    created: new Date().toISOString(),
    config: { Cmd: ['bash'], Env: await environmentOf(BASE_IMAGE), Labels: { 'hearth.base-image': 'mmdebstrap' } },
    rootfs: { type: 'layers', diff_ids: [`sha256:${hash.digest('hex')}`] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [baseImage], Layers: ['layer.tar'] }];
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  const script = 'set -o pipefail; tar -C "$1" -c manifest.json config.json layer.tar | docker load';
  await mustRun('bash', ['-c', script, 'load', folder]);
}

/** Of the image of this machine's platform: PATH, and what tells Node and npm about this host's network. */
async function environmentOf(image: string): Promise<readonly string[]> {
  const said = await mustRun('docker', ['image', 'inspect', '--format', '{{json .Config.Env}}', image]);
  return (JSON.parse(said.stdout) as readonly string[] | null) ?? [];
}

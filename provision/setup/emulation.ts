// Programs of the other architecture run in containers: by QEMU, which the kernel calls through binfmt_misc.
import { repairEmulator } from '../../src/docker/emulator-repair.ts';
import { lastLines, run } from './command.ts';
import { isRoot } from './host.ts';
import type { OtherPlatform } from './platforms.ts';
import type { Progress } from './progress.ts';
import { SetUpError } from './set-up-error.ts';

/**
 * Makes sure a container of `other.baseImage` runs, seen by its `uname -m`. May be repeated: where it runs already
 * (Docker Desktop, a host that was set up before) nothing is changed. Otherwise, as root, installs qemu-user-static and
 * registers it with the kernel until the next boot (with systemd the package does so at every boot). Throws SetUpError,
 * saying what to do, when it cannot. Needs the image.
 */
export async function ensureEmulation(progress: Progress, other: OtherPlatform): Promise<void> {
  const before = await tryIt(other);
  if (before === undefined) return;
  refuseWhatOnlyAPersonCanFix(other, before);
  const part = `emulation of ${other.architecture}`;
  await progress.step(part, 'installing and registering QEMU', () => repair(other));
  const after = await tryIt(other);
  if (after === undefined) return;
  throw new SetUpError(
    `QEMU is registered, but a container of ${other.platform} still does not run: ${after}`,
    `Run: docker run --rm --platform ${other.platform} ${other.baseImage} uname -m\n` +
      '  mend what it reports, then run the same command again.',
  );
}

/** Undefined when a container of the other platform says the machine's name, else what it said instead. */
async function tryIt({ platform, baseImage, machine }: OtherPlatform): Promise<string | undefined> {
  const args = ['run', '--rm', '--network', 'none', '--platform', platform, baseImage, 'uname', '-m'];
  const said = await run('docker', args, { deadline: 60_000 });
  if (said.code === 0 && said.stdout.trim() === machine) return undefined;
  return lastLines(said.stderr, 1) || `uname -m says ${said.stdout.trim()}`;
}

function refuseWhatOnlyAPersonCanFix({ platform }: OtherPlatform, problem: string): void {
  const host = process.env['DOCKER_HOST'] ?? '';
  if (host !== '' && !host.startsWith('unix://')) {
    throw new SetUpError(
      `The engine at DOCKER_HOST=${host} cannot run containers of ${platform}: ${problem}`,
      'Install qemu-user-static on the machine of that engine, then run the same command again.',
    );
  }
  if (isRoot()) return;
  throw new SetUpError(
    `Containers of ${platform} do not run here, and only root may register an emulator with the kernel: ${problem}`,
    'Run: sudo apt-get install -y --no-install-recommends qemu-user-static\n' +
      '  then run the same command again; where systemd is not running, run this command once as root instead.',
  );
}

async function repair(other: OtherPlatform): Promise<void> {
  const repaired = await repairEmulator({ root: '/', run }, other);
  if (repaired.ok) return;
  throw new SetUpError(
    `Containers of ${other.platform} do not run here: ${repaired.problem}`,
    'Do so as root on the host itself (not in a container), then run the same command again.',
  );
}

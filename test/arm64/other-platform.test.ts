/** Containers of the platform that this machine is not, after set-up: real ones, run by the kernel through QEMU. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { mustRun, run } from '../../provision/setup/command.ts';
import { otherPlatformOf } from '../../provision/setup/platforms.ts';
import { openProgress } from '../../provision/setup/progress.ts';
import { setUpOtherPlatform } from '../../provision/setup/set-up.ts';

const engine = await mustRun('docker', ['version', '--format', '{{.Server.Arch}}']);
const other = otherPlatformOf(engine.stdout.trim());

async function inOther(...command: readonly string[]): Promise<string> {
  const args = ['run', '--rm', '--platform', other.platform, other.baseImage, ...command];
  return (await mustRun('docker', args)).stdout.trim();
}

it('its programs run and say that machine', async () => {
  expect(await inOther('uname', '-m')).toBe(other.machine);
  expect(await inOther('dpkg', '--print-architecture')).toBe(other.architecture);
});

it('the image is of that architecture for the engine, too, and says what it was made from', async () => {
  const format = '{{.Os}}/{{.Architecture}} {{json .Config.Cmd}}';
  const { stdout } = await mustRun('docker', ['image', 'inspect', '--format', format, other.baseImage]);
  expect(stdout.trim()).toBe(`${other.platform} ["bash"]`);
});

it('its packages are all configured and whole', async () => {
  expect(await inOther('sh', '-c', "dpkg --audit && dpkg-query -W -f '${db:Status-Status}\\n' | sort -u")).toBe(
    'installed',
  );
  // Manuals and the like are left out on purpose.
  const verify = 'dpkg --verify libc6 bash coreutils apt | grep -v " /usr/share/"; true';
  expect(await inOther('sh', '-c', verify)).toBe('');
});

it('it installs packages by itself, and they run', async () => {
  const script =
    'apt-get update -qq && apt-get install -y -qq --no-install-recommends file >/dev/null 2>&1 && file -L /bin/sh';
  expect(await inOther('sh', '-c', script)).toMatch(/ELF 64-bit LSB .*(ARM aarch64|x86-64)/);
}, 300_000);

it('set-up that is repeated changes nothing and has no long step', async () => {
  const said: string[] = [];
  const before = await mustRun('docker', ['image', 'inspect', '--format', '{{.Id}}', other.baseImage]);
  await setUpOtherPlatform(openProgress({ write: (text) => said.push(text), now: () => 0 }));
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(`hearth set-up: ready: ${other.platform}, ${other.baseImage} (`);
  const after = await mustRun('docker', ['image', 'inspect', '--format', '{{.Id}}', other.baseImage]);
  expect(after.stdout).toBe(before.stdout);
});

it('the emulator works inside containers that do not have it', async (context) => {
  const entry = `/proc/sys/fs/binfmt_misc/hearth-${other.machine}`;
  const registered = await run('cat', [entry]);
  if (registered.code !== 0) context.skip('the emulator of this machine was not registered by Hearth');
  expect(readFileSync(entry, 'utf8')).toMatch(/^flags: \w*F/m);
});

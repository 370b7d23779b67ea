/** Whether a runner is emulated, seen from inside of it: in real containers of both platforms. */
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { mustRun } from '../../provision/setup/command.ts';
import { BASE_IMAGE } from '../../provision/setup/base-image.ts';
import { otherPlatformOf } from '../../provision/setup/platforms.ts';
import { root } from '../support/repository.ts';

const engine = (await mustRun('docker', ['version', '--format', '{{.Server.Arch}}'])).stdout.trim();
const other = otherPlatformOf(engine);
const machineOf: Readonly<Record<string, string>> = { amd64: 'x86_64', arm64: 'aarch64' };
const native = machineOf[engine];

/** What machine.sh says in a container, as which user ever; the script comes in by standard input, as it cannot be mounted. */
async function seenIn(platform: string, image: string, ...options: readonly string[]): Promise<unknown> {
  const script = join(root, 'ci/github/machine.sh');
  const args = ['run', '--rm', '--interactive', '--network', 'none', '--platform', platform, ...options, image, 'bash'];
  const { stdout } = await execa('docker', args, { inputFile: script });
  return JSON.parse(stdout);
}

it('a native container is not', async () => {
  const expected = { machine: native, program: native, emulated: false };
  expect(await seenIn(`linux/${engine}`, BASE_IMAGE)).toEqual(expected);
});

it.each([
  ['as root', []],
  [
    'as another user without any capability',
    ['--user', '1001', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
  ],
  ['as any process but the first', ['--init']],
])('an emulated one is, although uname says otherwise, %s', async (_, options) => {
  const expected = { machine: other.machine, program: native, emulated: true };
  expect(await seenIn(other.platform, other.baseImage, ...options)).toEqual(expected);
});

it('what cannot be seen is neither yes nor no', async () => {
  const options = ['--tmpfs', '/hidden:exec', '--env', 'PATH=/hidden:/usr/bin:/bin'];
  const script = `printf '#!/bin/sh\\nexit 1\\n' >/hidden/od; chmod +x /hidden/od; exec bash`;
  const args = ['run', '--rm', '--interactive', '--network', 'none', ...options, BASE_IMAGE, 'bash', '-c', script];
  const { stdout } = await execa('docker', args, { inputFile: join(root, 'ci/github/machine.sh') });
  expect(JSON.parse(stdout)).toEqual({ machine: native, program: '', emulated: null });
});

it('a native job is refused on it, with all reasons', async () => {
  // The check itself, with a stand-in for the engine's command line that answers as the engine outside would.
  const tools = `mkdir /stand-in && printf '#!/bin/sh\\ncase "$1" in version) echo ${engine} ;; run) df --output=avail -B1 / ;; esac\\n' >/stand-in/docker
    printf '#!/bin/sh\\ncase "$2" in .machine) echo ${other.machine} ;; .emulated) echo true ;; .program) echo ${native} ;; esac\\n' >/stand-in/jq
    chmod +x /stand-in/*; cat >/dev/null; export PATH=/stand-in:$PATH; bash /work/ci/github/check.sh`;
  const settings = {
    RUNNER_TYPE: 'native',
    ARCH: other.architecture,
    TAG_SUFFIX: '',
    FREE_BYTES: '1',
    BUILD_ID: 'x',
    OUT: '/out',
  };
  const env = Object.entries(settings).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  const args = [
    'create',
    '--platform',
    other.platform,
    '--network',
    'none',
    ...env,
    other.baseImage,
    'bash',
    '-c',
    tools,
  ];
  const { stdout: container } = await execa('docker', args);
  try {
    await execa('sh', ['-c', `tar -C '${root}' --transform 's,^,work/,' -c ci/github | docker cp - ${container}:/`]);
    const { exitCode, all } = await execa('docker', ['start', '--attach', container], { all: true, reject: false });
    expect(exitCode, all).toBe(1);
    expect(all.split('\n')).toEqual([
      expect.stringContaining(`this runner is emulated: its programs are for ${native}`),
      expect.stringContaining(`the engine is linux/${engine}, so containers of ${other.platform} are emulated`),
    ]);
  } finally {
    await execa('docker', ['rm', '--force', container]);
  }
});

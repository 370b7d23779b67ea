/** Emulation that is missing is told or brought, on the real kernel, with a binfmt_misc that nobody else uses. */
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { otherPlatformOf } from '../../provision/setup/platforms.ts';
import { emulatorFilesOf, entryNameOf, registrationOf } from '../../src/core/binfmt.ts';
import { dockerEngine } from '../../src/docker/engine.ts';
import {
  openEmulationMachine,
  type EmulationMachine,
  type Observed,
  type Scenario,
} from '../support/emulation-machine.ts';

const other = otherPlatformOf((await dockerEngine().platform()).replace('linux/', ''));
const own = entryNameOf(other);
const MOUNT = 'mount -t binfmt_misc none "$1"';
const EMULATOR = emulatorFilesOf(other)[0] ?? '';
const line = registrationOf(own, other, EMULATOR).replace(EMULATOR, `'"$SCRATCH_ROOT"'${EMULATOR}`);
const MOUNT_AND_REGISTER = `${MOUNT}; printf %s '${line}' >"$1/register"`;
const LINK = `mkdir -p "$SCRATCH_ROOT/usr/libexec/qemu-binfmt" && ln -s ${EMULATOR} "$SCRATCH_ROOT/usr/libexec/qemu-binfmt/"`;

let machine: EmulationMachine | undefined;

beforeAll(async () => {
  machine = await openEmulationMachine(other.baseImage);
});

beforeEach((context) => {
  if (machine === undefined) context.skip('this kernel keeps no binfmt_misc for each user namespace (before 6.7)');
});

afterAll(async () => {
  await machine?.[Symbol.asyncDispose]();
});

async function observe(scenario: Partial<Scenario>): Promise<Observed> {
  const observed = await machine?.observe({ machine: other, image: other.baseImage, mayInstall: true, ...scenario });
  if (observed === undefined) throw new Error('no machine');
  return observed;
}

async function problemOf(scenario: Partial<Scenario>): Promise<string> {
  const { results } = await observe(scenario);
  return results.map((result) => (result.ok ? `verified ${result.value.machine}` : result.problem)).join('\n');
}

const verified = { ok: true, value: expect.objectContaining({ machine: other.machine, isEmulated: true }) as unknown };

describe('a machine that may be changed', () => {
  it('has its emulator registered for all containers, and what says so is uname', async () => {
    const { results, entries } = await observe({});
    expect(results).toEqual([verified]);
    expect(Object.keys(entries)).toEqual([own]);
    expect(entries[own]).toMatch(/^enabled\n[^]*^flags: \w*F/m);
  });

  it('has an entry enabled that was disabled, and no other made', async () => {
    const named = MOUNT_AND_REGISTER.replace(own, 'theirs');
    const { results, entries } = await observe({ before: `${named}; echo 0 >"$1/theirs"` });
    expect(results).toEqual([verified]);
    expect(Object.keys(entries)).toEqual(['theirs']);
  });

  it('has all emulation switched on again', async () => {
    const { results } = await observe({ before: `${MOUNT_AND_REGISTER}; echo 0 >"$1/status"` });
    expect(results).toEqual([verified]);
  });

  it('is changed in nothing where containers run', async () => {
    const before = MOUNT_AND_REGISTER.replace(own, 'theirs');
    const { results, entries } = await observe({ before });
    expect(results).toEqual([verified]);
    expect(Object.keys(entries)).toEqual(['theirs']);
  });

  it('may be changed by several at once', async () => {
    for (const before of ['', MOUNT]) {
      const { results, entries } = await observe({ before, times: 6 });
      expect(results).toEqual(Array.from({ length: 6 }, () => verified));
      expect(Object.keys(entries)).toEqual([own]);
    }
  });

  it('gets the package that is missing, with fresh lists when the old ones do not do', async () => {
    const apt = `echo "$*" >>"$SCRATCH_ROOT/apt"; case "$1" in
      update) touch "$SCRATCH_ROOT/fresh" ;;
      install) [ -e "$SCRATCH_ROOT/fresh" ] && ${LINK} ;;
    esac`;
    const { results } = await observe({ hasEmulator: false, programs: { 'apt-get': apt } });
    expect(results).toEqual([verified]);
    const install = 'install -y --no-install-recommends -o DPkg::Lock::Timeout=120 qemu-user-static';
    const asked = await execa('sh', ['-c', `cat "${machine?.folder ?? ''}"/*/apt`]);
    expect(asked.stdout.split('\n')).toEqual([install, 'update', install]);
  });

  it('says what apt-get said when it is offline, and has nothing registered', async () => {
    const offline = 'echo "E: Could not resolve deb.debian.org" >&2; exit 100';
    const { results, entries } = await observe({ hasEmulator: false, programs: { 'apt-get': offline } });
    expect(entries).toEqual({});
    expect(results).toEqual([
      {
        ok: false,
        problem: expect.stringMatching(
          /could not be mended: `apt-get update` ended with 100:\nE: Could not resolve deb\.debian\.org\nMake this machine reach its package mirror/,
        ) as unknown,
      },
    ]);
  });

  it('says what is still wrong when an emulator was registered that does not work', async () => {
    const broken = `mkdir -p "$SCRATCH_ROOT/usr/libexec/qemu-binfmt" && cp /bin/false "$SCRATCH_ROOT${EMULATOR}"`;
    const said = await problemOf({ hasEmulator: false, programs: { 'apt-get': broken } });
    expect(said).toMatch(
      /the kernel does not know the format of its programs\. An emulator is registered .* docker run --rm/,
    );
    expect(said).not.toContain('verified');
  });
});

describe('a machine that may not be changed', () => {
  const closed = { mayInstall: false } as const;

  it.each([
    ['is not mounted', {}, /: its binfmt_misc is not mounted\. Run: sudo mount -t binfmt_misc/],
    ['is off', { before: `${MOUNT}; echo 0 >"$1/status"` }, /is switched off\. Run: echo 1 \| sudo tee \S+\/status/],
    ['has no entry', { before: MOUNT }, /not registered with the kernel\. Run: printf %s ':hearth-/],
    [
      'has one that is disabled',
      { before: `${MOUNT_AND_REGISTER}; echo 0 >"$1/${own}"` },
      /is registered as hearth-\w+ and disabled\. Run: echo 1 \| sudo tee/,
    ],
    [
      'has no emulator',
      { before: MOUNT, hasEmulator: false },
      /has no emulator \(qemu-user-static\)\. Run: sudo apt-get update && sudo apt-get install/,
    ],
  ] as const)('whose registry %s says so, with a command that is enough', async (_what, scenario, sentence) => {
    const said = await problemOf({ ...closed, ...scenario });
    expect(said).toMatch(sentence);
    expect(said).toMatch(/\nOr write install-emulation: true\.$/);
    const command = /Run: (.*)/.exec(said)?.[1] ?? '';
    const programs = { sudo: 'exec "$@"', 'apt-get': `[ "$1" = update ] || { ${LINK}; }` };
    // The folder of the registry is another one for each machine.
    const typed = command
      .replaceAll(/\/\S*\/proc\/sys\/fs\/binfmt_misc/g, '"$1"')
      .replaceAll(/\/tmp\/\S+?\/\d+\/usr/g, '/usr');
    const before = `${'before' in scenario ? scenario.before : ''}\n${typed}`;
    const next = await problemOf({ ...closed, ...scenario, before, programs });
    expect(next).not.toMatch(sentence);
  });

  it('is not taken for the machine of an engine that is elsewhere', async () => {
    const [remote, otherKernel] = await Promise.all([
      problemOf({ engine: { address: 'tcp://192.0.2.1:2375' } }),
      problemOf({ engine: { kernel: '1.0.0-linuxkit' } }),
    ]);
    for (const said of [remote, otherKernel]) {
      expect(said).toMatch(/, and it is on another machine, where nothing can be installed from here: A container of /);
      expect(said).toMatch(/Run there: sudo apt-get install -y --no-install-recommends qemu-user-static$/);
    }
  });

  it('names root to somebody who is not', async () => {
    expect(await problemOf({ isRoot: false })).toMatch(
      /, and only root may change that: its binfmt_misc is not mounted/,
    );
  });
});

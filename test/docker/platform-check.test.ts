/** Whether containers of this machine's own platform run, as they say themselves; and what is told without one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MACHINES } from '../../src/core/binfmt.ts';
import { dockerEngine } from '../../src/docker/engine.ts';
import { verifyPlatform, type PlatformCheckOptions, type PlatformWish } from '../../src/docker/platform-check.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const engine = dockerEngine();
const native = await engine.platform();
const [own, foreign] = [
  MACHINES.find(({ platform }) => platform === native),
  MACHINES.find(({ platform }) => platform !== native),
];
if (own === undefined || foreign === undefined) throw new Error(`no test for ${native}`);
const made: string[] = [];
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'hearth-platform-test-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
  if (made.length > 0) await engine.command(['image', 'rm', '--force', ...made]);
  expect(await engine.list('hearth.verify')).toEqual([]);
});

async function build(dockerfile: string, platform = native): Promise<string> {
  const tag = `hearth-test-platform:${made.length + 1}`;
  await writeFile(join(scratch, 'Dockerfile'), dockerfile);
  await execa('/usr/bin/docker', ['build', '--quiet', '--platform', platform, '--tag', tag, scratch], {
    env: { DOCKER_BUILDKIT: '1' },
  });
  made.push(tag);
  return tag;
}

function check(wish: Partial<PlatformWish>, options: PlatformCheckOptions = {}): ReturnType<typeof verifyPlatform> {
  return verifyPlatform(
    engine,
    { platform: native, image: TEST_IMAGE, emulation: 'never', mayInstall: false, ...wish },
    options,
  );
}

async function problemOf(wish: Partial<PlatformWish>, options: PlatformCheckOptions = {}): Promise<string> {
  const checked = await check(wish, options);
  return checked.ok ? `verified ${checked.value.machine}` : checked.problem;
}

describe('the own platform', () => {
  it.each(['never', 'allow'] as const)('with emulation: %s is what a container says it is', async (emulation) => {
    const imageId = (await engine.image(TEST_IMAGE))?.id;
    const value = { platform: native, machine: own.machine, isEmulated: false, imageId };
    expect(await check({ emulation })).toEqual({ ok: true, value });
    expect(await check({ emulation, platform: own.machine })).toEqual({ ok: true, value });
  });

  it('is asked whatever the image would start by itself', async () => {
    const image = await build(`FROM ${TEST_IMAGE}\nENTRYPOINT ["false"]\nCMD ["x"]\nUSER 1000\nWORKDIR /tmp`);
    expect(await check({ image })).toMatchObject({ ok: true, value: { machine: own.machine } });
  });

  it('is not believed to an image that says another machine, or more', async () => {
    const lying = (says: string): string =>
      `FROM ${TEST_IMAGE}\nRUN printf '#!/bin/sh\\necho "${says}"\\n' >/usr/bin/uname`;
    expect(await problemOf({ image: await build(lying('pdp11')) })).toMatch(
      new RegExp(`says pdp11 to uname -m instead of ${own.machine}, so it is not for ${native}\\. Use an image`),
    );
    expect(await problemOf({ image: await build(lying(`${own.machine}\\nx`)) })).toMatch(/says ".*" to uname -m/);
    expect(await problemOf({ image: await build(`${lying(own.machine)}; echo 'exit 3' >>/usr/bin/uname`) })).toMatch(
      /`uname -m` ended with exit code 3\. Use an image for \S+ that has uname\. Its last lines:/,
    );
  });

  it('of an image without uname is not known', async () => {
    expect(await problemOf({ image: await build('FROM scratch\nCOPY Dockerfile /') })).toMatch(
      /could not be asked for its machine: `uname -m` ended with exit code 127\. Use an image .* that has uname/,
    );
  });

  it('of a container that does not answer is not known, and the container is gone', async () => {
    const image = await build(`FROM ${TEST_IMAGE}\nRUN printf '#!/bin/sh\\nsleep 1000\\n' >/usr/bin/uname`);
    expect(await problemOf({ image }, { answerMs: 3000 })).toMatch(
      /had not said its machine \(uname -m\) after [\d.]+ s and was killed\. See what keeps the engine busy/,
    );
    expect(await engine.list('hearth.verify')).toEqual([]);
    const stop = new AbortController();
    const checked = check({ image }, { signal: stop.signal });
    const refused = expect(checked).rejects.toThrow('nobody waits');
    await expect.poll(async () => engine.command(['ps', '--quiet', '--filter', 'label=hearth.verify'])).not.toBe('');
    stop.abort(new Error('nobody waits'));
    await refused;
    expect(await engine.list('hearth.verify')).toEqual([]);
  });

  it('cannot be emulated', async () => {
    expect(await problemOf({ emulation: 'require' })).toBe(
      `The engine runs ${native} natively, and emulation: require is for trying emulation. ` +
        `Write emulation: allow or never, or platform: ${foreign.platform}.`,
    );
  });
});

describe('another platform', () => {
  it('is refused where emulation is not wanted, with the ways out', async () => {
    expect(await problemOf({ platform: foreign.platform, emulation: 'never' })).toBe(
      `The engine runs ${native}, and ${foreign.platform} would have to be emulated, which emulation: never forbids. ` +
        `Use a machine of ${foreign.platform}, or write emulation: allow (start and work take several times as long), or platform: ${native}.`,
    );
  });

  it('that is unknown is refused with those that are not', async () => {
    expect(await problemOf({ platform: 'linux/s390x', emulation: 'allow' })).toBe(
      'platform linux/s390x is not known. Write linux/amd64 or linux/arm64.',
    );
  });
});

describe('an image', () => {
  it('that is nowhere is told with what the registry said', async () => {
    const image = '127.0.0.1:9/team/runner:1';
    expect(await problemOf({ image })).toMatch(
      /^There is no image 127\.0\.0\.1:9\/team\/runner:1 for \S+ on this machine, and it could not be pulled: .*connection refused[^]*\nCorrect the name, log in to its registry \(docker login\)/,
    );
  });

  it('for another platform only is not run', async () => {
    const image = await build('FROM scratch\nCOPY Dockerfile /', foreign.platform);
    const said = await problemOf({ image });
    expect(said).toContain(`(what is here is for ${foreign.platform}), and it could not be pulled: `);
    expect((await engine.image(image))?.platform).toBe(foreign.platform);
  });

  it('with a name that is none is not asked for', async () => {
    expect(await problemOf({ image: '--privileged' })).toMatch(
      /^"--privileged" is not the name of an image\. Write one/,
    );
  });
});

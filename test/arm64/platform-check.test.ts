/** Whether containers of the other platform run here, asked of the real engine; and the images they are made from. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { otherPlatformOf } from '../../provision/setup/platforms.ts';
import { dockerEngine } from '../../src/docker/engine.ts';
import { verifyPlatform, type PlatformWish } from '../../src/docker/platform-check.ts';
import { openTestRegistry, type TestRegistry } from '../support/registry.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const engine = dockerEngine();
const native = await engine.platform();
const other = otherPlatformOf(native.replace('linux/', ''));
const otherId = (await engine.image(other.baseImage))?.id;

function check(wish: Partial<PlatformWish>): ReturnType<typeof verifyPlatform> {
  const { platform, baseImage: image } = other;
  return verifyPlatform(engine, { platform, image, emulation: 'allow', mayInstall: false, ...wish });
}

afterAll(async () => {
  expect(await engine.list('hearth.verify')).toEqual([]);
});

const value = { platform: other.platform, machine: other.machine, isEmulated: true, imageId: otherId };

it.each(['allow', 'require'] as const)('with emulation: %s is what an emulated container says', async (emulation) => {
  expect(await check({ emulation })).toEqual({ ok: true, value });
});

it('an image that is here under the name that Docker Hub has for the platform is found by its own', async () => {
  expect(await check({ image: TEST_IMAGE })).toEqual({ ok: true, value });
  expect((await engine.image(TEST_IMAGE))?.platform).toBe(native);
});

describe('an image that is here for the own platform only', () => {
  let registry: TestRegistry;
  let image: string;
  let before: readonly string[];
  const kept = async (): Promise<readonly string[]> =>
    (await engine.command(['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}', 'hearth/platform'])).split('\n');

  beforeAll(async () => {
    before = await kept();
    registry = await openTestRegistry({ isOpen: true });
    image = `${registry.host}/team/runner:1`;
    await engine.command(['tag', other.baseImage, image]);
    await engine.command(['push', '--quiet', image]);
    await engine.command(['tag', TEST_IMAGE, image]);
  });

  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    const own = (await kept()).filter((name) => !before.includes(name));
    await engine.command(['image', 'rm', image, ...own]);
  });

  it('is pulled for the other one, once, and whoever uses its name keeps what he had', async () => {
    const nativeId = (await engine.image(TEST_IMAGE))?.id;
    expect(await check({ image })).toMatchObject({ ok: true, value: { machine: other.machine } });
    expect((await engine.image(image))?.id).toBe(nativeId);
    await registry.stop();
    expect(await check({ image })).toMatchObject({ ok: true, value: { machine: other.machine } });
    expect(await check({ image, platform: native })).toMatchObject({ ok: true, value: { imageId: nativeId } });
  });
});

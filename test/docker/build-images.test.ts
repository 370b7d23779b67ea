/** The scripts of the workflow that builds images on runner pools, run for real. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGithubScripts, type Ended, type GithubScripts } from '../support/github-scripts.ts';
import { root } from '../support/repository.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const mark = `test-${randomUUID().slice(0, 8)}`;
const here = process.arch === 'x64' ? 'amd64' : 'arm64';
const there = here === 'amd64' ? 'arm64' : 'amd64';
const machine = { amd64: 'x86_64', arm64: 'aarch64' };

let scripts: GithubScripts;

beforeAll(async () => {
  scripts = await openGithubScripts();
});

afterAll(async () => {
  await scripts[Symbol.asyncDispose]();
});

async function docker(...args: readonly string[]): Promise<string> {
  return (await execa('docker', args)).stdout.trim();
}

/** Fails with what the script said. */
async function mustRun(script: string, env: Readonly<Record<string, string>>): Promise<void> {
  const { code, said } = await scripts.run(script, env);
  expect(code, said).toBe(0);
}

async function json(path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(scripts.folder, path), 'utf8')) as unknown;
}

describe('the check before a build', () => {
  const env = {
    RUNNER_TYPE: 'native',
    ARCH: here,
    TAG_SUFFIX: 'nightly.1',
    FREE_BYTES: '1000000',
    BUILD_ID: `${mark}-c`,
  };
  const check = (name: string, more: Readonly<Record<string, string>>): Promise<Ended> =>
    scripts.run('check.sh', { ...env, OUT: join(scripts.folder, name), ...more });

  it('lets a native machine with room go on, and writes down what it saw', async () => {
    expect(await check('good', {})).toMatchObject({ code: 0 });
    expect(await json('good/machine.json')).toMatchObject({
      ...{ arch: here, machine: machine[here], program: machine[here], emulated: false, engine: here },
      free_bytes: { workspace: expect.any(Number) as number, storage: expect.any(Number) as number },
    });
  });

  it('tells everything that is wrong at once, and runs nothing of an input', async () => {
    const hurt = join(scripts.folder, 'hurt');
    const suffix = `x$(touch ${hurt})`;
    const more = { ARCH: there, TAG_SUFFIX: suffix, FREE_BYTES: '999999999999999999' };
    const { code, said } = await check('bad', more);
    expect(code).toBe(1);
    expect(said.split('\n')).toEqual([
      expect.stringContaining(`check.sh: tag-suffix is "${suffix}"; use at most 64 letters`),
      expect.stringContaining(`check.sh: this runner is ${machine[here]}, and the job is for linux/${there}`),
      expect.stringContaining(`the engine is linux/${here}, so containers of linux/${there} are emulated`),
      expect.stringMatching(/the workspace has \d+ bytes free, fewer than 999999999999999999; /),
      expect.stringMatching(/the engine's storage has \d+ bytes free, fewer than 999999999999999999; /),
    ]);
    await expect(readFile(hurt)).rejects.toThrow('ENOENT');
    await expect(json('bad/machine.json')).rejects.toThrow('ENOENT');
  });

  it.each([
    ['FREE_BYTES', '15G', 'FREE_BYTES is "15G", not a number of bytes'],
    ['RUNNER_TYPE', 'emulation', 'RUNNER_TYPE is "emulation", not one of: multi large native'],
    ['BUILD_ID', 'a b', 'BUILD_ID is "a b"'],
  ])('refuses %s=%s', async (name, value, expected) => {
    const { code, said } = await check('refused', { [name]: value });
    expect([code, said]).toEqual([1, expect.stringContaining(expected)]);
  });

  it('compares bytes as numbers: 9 is less than 10, and a short number less than a long one', async () => {
    const { free_bytes: free } = (await json('good/machine.json')) as { free_bytes: { workspace: number } };
    // As texts, "9…" with fewer digits would be more than any number that begins with a smaller digit.
    const less = '9'.repeat(String(free.workspace).length - 1);
    expect((await check('numbers', { FREE_BYTES: less })).code).toBe(0);
  });
});

describe('the federation', () => {
  const id = `${mark}-fed`;
  const env = () => ({ WORKLOAD: 'federation', ARCH: here, BUILD_ID: id, OUT: join(scripts.folder, 'fed') });

  it('is built, tried by its ten criteria, told and saved; and nothing of it stays in the engine', async () => {
    const bystander = `build-images/bystander:${mark}`;
    await docker('tag', TEST_IMAGE, bystander);
    const check = { RUNNER_TYPE: 'multi', TAG_SUFFIX: '', FREE_BYTES: '1000000' };
    try {
      await mustRun('check.sh', { ...env(), ...check });
      await mustRun('build.sh', env());
      const short = { FEDERATION_DURATION_MS: '30000', FEDERATION_INTERVAL_MS: '2200' };
      const tried = await scripts.run('test.sh', { ...env(), ...short });
      const { criteria } = (await json('fed/criteria.json')) as {
        readonly criteria: readonly { readonly number: number; readonly passed: boolean }[];
      };
      const failed = criteria.filter(({ passed }) => !passed).map(({ number }) => number);
      // How quick agents are is a matter of what else this machine does during tests; everything else has to pass.
      expect(
        failed.filter((number) => ![1, 7].includes(number)),
        tried.said,
      ).toEqual([]);
      expect(tried.code, tried.said).toBe(failed.length === 0 ? 0 : 1);
      const told = await scripts.run('result.sh', { ...env(), RUN_TESTS: 'true', SAVE: 'false' });
      expect(told.code, told.said).toBe(tried.code);
      await mustRun('result.sh', { ...env(), RUN_TESTS: 'false', SAVE: 'true' });

      const result = await json('fed/result/result.json');
      const names = ['federation-hub', 'federation-agent', 'federation-monitor'];
      const image = { platform: `linux/${here}`, id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string };
      expect(result).toMatchObject({
        workload: 'federation',
        machine: { arch: here },
        images: names.map((name) => ({ name, ...image, bytes: expect.any(Number) as number })),
        tests: null,
      });
      for (const name of names) {
        const archive = join(scripts.folder, 'fed/images', `${name}.tar.gz`);
        expect((await execa('tar', ['-tzf', archive])).stdout).toContain('manifest.json');
      }
    } finally {
      expect(await scripts.run('clean.sh', env())).toEqual({ code: 0, said: '' });
      expect(await docker('images', '-q', bystander)).not.toBe('');
      await docker('image', 'rm', bystander);
    }
    expect(await docker('ps', '-aq', '--filter', `label=dev.hearth.build-images=${id}`)).toBe('');
    expect(await docker('network', 'ls', '-q', '--filter', `label=dev.hearth.build-images=${id}`)).toBe('');
    expect(await docker('images', '-q', '--filter', `reference=build-images/*:${id}`)).toBe('');
  }, 900_000);
});

describe('a suite', () => {
  /** The scripts with another suite in the place of the federation's. */
  async function withSuite(name: string, script: string): Promise<Ended> {
    const copy = join(scripts.folder, name);
    await mkdir(join(copy, 'ci'), { recursive: true });
    await cp(join(root, 'ci/github'), join(copy, 'ci/github'), { recursive: true });
    await writeFile(join(copy, 'ci/github/try-federation.sh'), script);
    await using own = await openGithubScripts(copy);
    const env = { WORKLOAD: 'federation', ARCH: here, BUILD_ID: mark, OUT: join(copy, 'out') };
    await mkdir(env.OUT, { recursive: true });
    for (const [name, text] of [['machine', '{}'] as const, ['images', '[]'] as const])
      await writeFile(join(env.OUT, `${name}.json`), text);
    return await own.run('test.sh', env);
  }

  const resultOf = (name: string): Promise<Ended> =>
    scripts.run('result.sh', {
      ...{ WORKLOAD: 'federation', ARCH: here, BUILD_ID: mark, RUN_TESTS: 'true', SAVE: 'false' },
      OUT: join(scripts.folder, name, 'out'),
    });

  it('that passes is told with what it checked, and is not run twice', async () => {
    const suite = `echo ran; echo '{"suite": "s", "checks": 10, "not_judged": []}' >"$OUT/suite.json"`;
    const first = await withSuite('passes', suite);
    expect(first.code, first.said).toBe(0);
    expect(await resultOf('passes')).toMatchObject({ code: 0 });
    expect(await json('passes/out/result/result.json')).toMatchObject({ tests: { suite: 's', checks: 10 } });
    const { code, said } = await withSuite('passes', suite);
    expect([code, said]).toEqual([1, expect.stringContaining('tests.json is there already')]);
  });

  it.each([
    ['checks nothing', `echo '{"checks": 0}' >"$OUT/suite.json"`, 'the suite of federation ran no check'],
    ['says nothing', 'true', 'the suite of federation has not said what it checked'],
    ['says no number', `echo '{"checks": "all"}' >"$OUT/suite.json"`, 'has not said what it checked'],
    ['fails', `echo '{"checks": 10}' >"$OUT/suite.json"; exit 3`, 'do not what they should'],
  ])('that %s has not passed, and there is no result', async (name, script, expected) => {
    const { code, said } = await withSuite(name, script);
    expect([code, said]).toEqual([1, expect.stringContaining(expected)]);
    const result = await resultOf(name);
    expect([result.code, result.said]).toEqual([1, expect.stringContaining('were to be tried and were not')]);
  });
});

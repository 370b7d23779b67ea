/** What the workflow on runner pools does with what its build jobs found out: push, to a real registry on loopback, and the manifest. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseReference } from '../../src/core/image/reference.ts';
import { openRegistry, type Credentials } from '../../src/docker/registry.ts';
import { setUpBuildx } from '../support/buildx.ts';
import { openGithubScripts, type Ended, type GithubScripts } from '../support/github-scripts.ts';
import { openTestRegistry, REGISTRY_USER, type TestRegistry } from '../support/registry.ts';

const exec = promisify(execFile);
const mark = `test-${randomUUID().slice(0, 8)}`;
const revision = '0123456789abcdef0123456789abcdef01234567';
const names = { llama: ['llama-server'], federation: ['federation-hub', 'federation-agent', 'federation-monitor'] };
const arches = ['amd64', 'arm64'] as const;

let scripts: GithubScripts;
let open: TestRegistry;
let closed: TestRegistry;

beforeAll(async () => {
  scripts = await openGithubScripts();
  open = await openTestRegistry({ isOpen: true });
  closed = await openTestRegistry({ isOpen: false });
});

afterAll(async () => {
  await Promise.all([open[Symbol.asyncDispose](), closed[Symbol.asyncDispose](), scripts[Symbol.asyncDispose]()]);
});

/** An image of a platform whose programs need not run here. */
async function saved(folder: string, name: string, arch: string): Promise<string> {
  const context = join(scripts.folder, `context-${randomUUID()}`);
  await mkdir(context, { recursive: true });
  await writeFile(join(context, 'Dockerfile'), `FROM scratch\nCOPY file /file\n`);
  await writeFile(join(context, 'file'), `${name} for ${arch}\n`);
  const tag = `build-images/${name}:${mark}-${arch}`;
  const env = { ...process.env, DOCKER_BUILDKIT: '1', PATH: `${join(scripts.folder, 'bin')}:${process.env['PATH']}` };
  await exec('docker', ['build', '-q', '--platform', `linux/${arch}`, '-t', tag, context], { env });
  const { stdout } = await exec('docker', ['image', 'inspect', '-f', '{{.Id}}', tag]);
  await exec('sh', ['-c', `docker save ${tag} | gzip -1 >'${join(folder, `${name}.tar.gz`)}'`]);
  await exec('docker', ['image', 'rm', tag]);
  return stdout.trim();
}

interface JobResult {
  readonly workload: string;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly images: readonly Readonly<Record<string, unknown>>[];
  readonly tests: Readonly<Record<string, unknown>> | null;
}

/** What `result.sh` leaves of one job, with images that are as small as can be. */
async function jobResult(results: string, workload: keyof typeof names, arch: string, isSaved: boolean): Promise<void> {
  const folder = join(results, `images-${workload}-${arch}`);
  await mkdir(folder, { recursive: true });
  const images = [];
  for (const name of names[workload]) {
    const id = isSaved ? await saved(folder, name, arch) : `sha256:${name}`;
    images.push({ name, platform: `linux/${arch}`, id, bytes: 12 });
  }
  const report = {
    machine: arch === 'amd64' ? 'x64' : arch,
    prompt: 'Hello',
    tokens: [1, 2, 3],
    text: '',
    servers: [],
  };
  const result: JobResult = {
    workload,
    machine: {
      arch,
      machine: arch,
      program: arch,
      emulated: false,
      engine: arch,
      free_bytes: { workspace: 1, storage: 2 },
    },
    images,
    tests: { suite: `${workload} suite`, checks: 3, not_judged: [], details: workload === 'llama' ? report : {} },
  };
  await writeFile(join(folder, 'result.json'), JSON.stringify(result));
}

async function allResults({ isSaved }: { readonly isSaved: boolean }): Promise<string> {
  const results = join(scripts.folder, `results-${randomUUID()}`);
  for (const workload of ['llama', 'federation'] as const)
    for (const arch of arches) await jobResult(results, workload, arch, isSaved);
  return results;
}

async function changed(results: string, job: string, change: (result: JobResult) => JobResult): Promise<void> {
  const file = join(results, job, 'result.json');
  await writeFile(file, JSON.stringify(change(JSON.parse(await readFile(file, 'utf8')) as JobResult)));
}

async function digestsAt(
  reference: string,
  credentials: Credentials | null,
): Promise<Readonly<Record<string, string>>> {
  const parsed = parseReference(reference);
  if (parsed === undefined) throw new Error(reference);
  const found = await openRegistry().manifest(parsed, credentials);
  if (!found.ok) throw new Error(found.problem.message);
  const { manifests } = JSON.parse(found.value.bytes.toString()) as {
    readonly manifests: readonly { readonly digest: string; readonly platform: Readonly<Record<string, string>> }[];
  };
  return Object.fromEntries(manifests.map((one) => [`linux/${one.platform['architecture']}`, one.digest]));
}

describe('the push', () => {
  let whole: string;
  /** One image of both platforms; the rest goes the same way. */
  let results: string;
  const push = (registry: string, more: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    scripts.run('push.sh', {
      ...{ RESULTS: results, REGISTRY: registry, REPOSITORY: 'Octo/Hello', REVISION: revision, TAG_SUFFIX: 'try' },
      ...{ BUILD_ID: `${mark}-push`, OUT: join(scripts.folder, 'push'), ...more },
    });
  const pushed = async () =>
    JSON.parse(await readFile(join(scripts.folder, 'push/pushed.json'), 'utf8')) as readonly {
      readonly name: string;
      readonly reference: string;
      readonly platforms: Readonly<Record<string, string>>;
    }[];

  beforeAll(async () => {
    whole = await allResults({ isSaved: true });
    results = join(scripts.folder, 'results-llama');
    for (const job of ['images-llama-amd64', 'images-llama-arm64'])
      await cp(join(whole, job), join(results, job), { recursive: true });
  });

  it('keeps one manifest per image over both platforms, by the digests that it tells', async () => {
    const { code, said } = await push(open.host, { RESULTS: whole });
    expect(code, said).toBe(0);
    const told = await pushed();
    expect(told.map(({ reference }) => reference)).toEqual(
      ['federation-agent', 'federation-hub', 'federation-monitor', 'llama-server'].map(
        (name) => `${open.host}/octo/hello/${name}:sha-0123456789ab-try`,
      ),
    );
    for (const { reference, platforms } of told) expect(await digestsAt(reference, null)).toEqual(platforms);
    const { stdout } = await exec('docker', ['images', '-q', '--filter', `reference=${open.host}/*/*/*`]);
    expect(stdout).toBe('');
  });

  it('again changes nothing', async () => {
    const before = await pushed();
    expect((await push(open.host)).code).toBe(0);
    expect(await pushed()).toEqual(before.slice(-1));
  });

  it('goes by the buildx plugin where there is one, to the same digests', async () => {
    const before = await pushed();
    const { config } = await setUpBuildx(join(scripts.folder, 'config'));
    const { code, said } = await push(open.host, { DOCKER_CONFIG: config, TAG_SUFFIX: '' });
    expect(code, said).toBe(0);
    const told = await pushed();
    expect(told.map(({ platforms }) => platforms)).toEqual(before.map(({ platforms }) => platforms));
    const [first] = told;
    expect(first?.reference).toBe(`${open.host}/octo/hello/llama-server:sha-0123456789ab`);
    for (const { reference, platforms } of told) expect(await digestsAt(reference, null)).toEqual(platforms);
  });

  it('logs in for itself alone: the token stands nowhere afterwards', async () => {
    const scratch = join(scripts.folder, 'scratch');
    await mkdir(scratch);
    const user = { TMPDIR: scratch, REGISTRY_USER: REGISTRY_USER.username, REGISTRY_TOKEN: REGISTRY_USER.password };
    const refused = await push(closed.host, { ...user, REGISTRY_TOKEN: 'wrong' });
    expect([refused.code, refused.said]).toEqual([1, expect.stringContaining(`${closed.host} refuses the login: `)]);
    const { code, said } = await push(closed.host, user);
    expect(code, said).toBe(0);
    expect(said).not.toContain(REGISTRY_USER.password);
    const [first] = await pushed();
    expect(await digestsAt(first?.reference ?? '', REGISTRY_USER)).toEqual(first?.platforms);
    expect(await readdir(scratch)).toEqual([]);
    const own = await readFile(join(process.env['HOME'] ?? '', '.docker/config.json'), 'utf8').catch(() => '');
    expect(own).not.toContain(closed.host);
  });

  it('refuses an archive that is not the image that was tried, and one that is missing', async () => {
    await changed(results, 'images-llama-arm64', (result) => ({
      ...result,
      images: result.images.map((image) => ({ ...image, id: `sha256:${'0'.repeat(64)}` })),
    }));
    const other = await push(open.host, { TAG_SUFFIX: 'other' });
    expect(other.code).toBe(1);
    expect(other.said).toMatch(/the archive of llama-server for linux\/arm64 holds sha256:.*, and not sha256:0000/);
    await rm(join(results, 'images-llama-arm64/llama-server.tar.gz'));
    const missing = await push(open.host, { TAG_SUFFIX: 'missing' });
    expect([missing.code, missing.said]).toEqual([1, expect.stringMatching(/llama-server\.tar\.gz is missing/)]);
    await expect(digestsAt(`${open.host}/octo/hello/llama-server:sha-0123456789ab-missing`, null)).rejects.toThrow();
  });

  it('refuses what is no tag, and nothing at all', async () => {
    const { code, said } = await push(open.host, { TAG_SUFFIX: 'a b' });
    expect([code, said]).toEqual([1, expect.stringContaining('"sha-0123456789ab-a b" is no tag')]);
    const nothing = await push(open.host, { RESULTS: join(scripts.folder, 'push') });
    expect([nothing.code, nothing.said]).toEqual([1, expect.stringContaining('has no result.json')]);
  });
});

describe('the manifest', () => {
  let number = 0;
  async function manifest(change: (results: string) => Promise<void>, more: Readonly<Record<string, string>> = {}) {
    const results = await allResults({ isSaved: false });
    await change(results);
    const out = join(scripts.folder, `manifest-${++number}`);
    const summary = `${out}.md`;
    const env = {
      RESULTS: results,
      REVISION: revision,
      RUN_TESTS: 'false',
      PUSH: 'false',
      RUNNER_TYPE: 'multi',
      BUILD_ID: mark,
    };
    const ended = await scripts.run('manifest.sh', { ...env, OUT: out, GITHUB_STEP_SUMMARY: summary, ...more });
    const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
    return { ...ended, text: await read(join(out, 'manifest.json')), summary: await read(summary) };
  }
  const whole = async (): Promise<void> => {};

  it('has every image of both platforms with digest and size, as JSON and in the summary', async () => {
    const { code, said, text, summary } = await manifest(whole);
    expect(code, said).toBe(0);
    const { images, tests, machines } = JSON.parse(text) as Record<string, readonly unknown[]>;
    expect(images).toHaveLength(8);
    expect(images).toContainEqual({
      ...{ name: 'llama-server', platform: 'linux/arm64', id: 'sha256:llama-server', bytes: 12 },
      ...{ workload: 'llama', pushed: null },
    });
    expect([tests?.length, machines?.length]).toEqual([4, 4]);
    expect(summary).toContain('| federation-hub | linux/amd64 | 12 | `sha256:federation-hub` | no |');
  });

  it('is made of tried images only after the servers of both architectures said the same', async () => {
    try {
      const good = await manifest(whole, { RUN_TESTS: 'true' });
      expect(good.code, good.said).toBe(0);
      expect(good.said).toMatch(/x64 and arm64 gave the same tokens\./);
      const other = await manifest(
        (results) =>
          changed(results, 'images-llama-arm64', (result) => ({
            ...result,
            tests: { ...result.tests, details: { machine: 'arm64', prompt: 'Hello', tokens: [1, 2, 4] } },
          })),
        { RUN_TESTS: 'true' },
      );
      expect([other.code, other.said, other.text]).toEqual([1, expect.stringMatching(/differ from token 3 on/), '']);
    } finally {
      await scripts.run('clean.sh', { BUILD_ID: mark, OUT: scripts.folder });
    }
  }, 300_000);

  const untried = (results: string) => changed(results, 'images-federation-arm64', (one) => ({ ...one, tests: null }));
  const unchecked = (results: string) =>
    changed(results, 'images-federation-arm64', (one) => ({ ...one, tests: { ...one.tests, checks: 0 } }));
  const emulated = (results: string) =>
    changed(results, 'images-llama-arm64', (one) => ({ ...one, machine: { ...one.machine, emulated: true } }));
  const unseen = (results: string) =>
    changed(results, 'images-llama-arm64', (one) => ({ ...one, machine: { ...one.machine, emulated: null } }));
  const lost = (results: string) => rm(join(results, 'images-llama-arm64'), { recursive: true });
  const native = { RUNNER_TYPE: 'native' };
  it.each([
    ['a job that tried nothing', untried, { RUN_TESTS: 'true' }, 'federation on arm64 was not tried'],
    ['a job that checked nothing', unchecked, { RUN_TESTS: 'true' }, 'federation on arm64 was not tried'],
    ['an emulated machine among native ones', emulated, native, 'not every machine was seen to be'],
    ['a machine that was not seen to be native', unseen, native, 'not every machine was seen to be'],
    ['an image that was not built', lost, {}, 'built and wanted differ: > llama-server linux/arm64;'],
    ['a push of which nothing is told', whole, { PUSH: 'true' }, 'PUSHED: is missing'],
  ])('is not made of %s', async (_, change, more, expected) => {
    const { code, said, text } = await manifest(change, more);
    expect([code, said, text]).toEqual([1, expect.stringContaining(expected), '']);
  });
});

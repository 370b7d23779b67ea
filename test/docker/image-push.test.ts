/** Images that jobs push, to a real registry on loopback. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageRecord, ImageSpec } from '../../src/core/image/image-spec.ts';
import { parseReference, type ImageReference } from '../../src/core/image/reference.ts';
import { mayAsk, openRegistry, type Manifest } from '../../src/docker/registry.ts';
import { openExecutorRig, RIG_TOKEN, type Execution, type ExecutorRig, type Wish } from '../support/executor-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';
import { openTestRegistry, REGISTRY_USER, type TestRegistry } from '../support/registry.ts';

const exec = promisify(execFile);

let rig: ExecutorRig;
let open: TestRegistry;
let closed: TestRegistry;

beforeAll(async () => {
  rig = await openExecutorRig();
  open = await openTestRegistry({ isOpen: true });
  closed = await openTestRegistry({ isOpen: false });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await Promise.all([open[Symbol.asyncDispose](), closed[Symbol.asyncDispose]()]);
  expect(rig.errors).toEqual([]);
});

const both = ['linux/amd64', 'linux/arm64'];
const secrets = [{ name: 'TOKEN', variable: null, isFile: false, isOptional: false }];

/** What the folders begin with that hold credentials while something is pushed. */
function credentialsOf({ data }: ExecutorRig): string {
  return `/dev/shm/hearth-push-${createHash('sha256').update(data).digest('hex').slice(0, 16)}-`;
}

async function build(text: string, spec: Partial<ImageSpec>, wish: Pick<Wish, 'trust'> = {}): Promise<Execution> {
  const sha = await rig.commit({ Dockerfile: text });
  const image: ImageSpec = {
    ...{ context: '.', file: null, target: null, args: {}, platforms: [], facts: null, push: [], credentials: null },
    ...spec,
  };
  return rig.execute(
    rig.claim([], { ...wish, run: { sha }, spec: { image, secrets: wish.trust === 'T3' ? [] : secrets } }),
  );
}

function recordOf({ finish, log }: Execution): ImageRecord {
  expect(finish.outcome.result, log).toBe('success');
  if (finish.image === undefined) throw new Error('no record');
  return finish.image;
}

function referenceTo(text: string): ImageReference {
  const found = parseReference(text);
  if (found === undefined) throw new Error(text);
  return found;
}

async function manifestAt(text: string, credentials: typeof REGISTRY_USER | null = null): Promise<Manifest> {
  const found = await openRegistry().manifest(referenceTo(text), credentials);
  if (!found.ok) throw new Error(found.problem.message);
  return found.value;
}

interface Index {
  readonly manifests: readonly { readonly digest: string; readonly platform: { readonly architecture: string } }[];
}

describe('an image that a job pushes', () => {
  it('stands in the registry under one index over its platforms, by the digest that the run tells', async () => {
    const name = `${open.host}/team/app:1.2`;
    const built = await build('FROM scratch\nCOPY hello.txt /x\n', { platforms: both, push: [name] });
    const { digest, pushed, images } = recordOf(built);
    const kept = await manifestAt(name);
    expect(kept.digest).toBe(digest);
    expect(pushed).toEqual([`${name}@${digest}`]);
    const { manifests } = JSON.parse(kept.bytes.toString()) as Index;
    expect(manifests.map((one) => [`linux/${one.platform.architecture}`, one.digest])).toEqual(
      images.map((one) => [one.platform, one.digest]),
    );
    for (const platform of both) {
      await exec('docker', ['pull', '-q', '--platform', platform, `${open.host}/team/app@${digest}`]);
      const { stdout } = await exec('docker', ['image', 'inspect', '-f', '{{.Id}}', `${open.host}/team/app@${digest}`]);
      expect(stdout.trim()).toBe(images.find((one) => one.platform === platform)?.id);
      await exec('docker', ['image', 'rm', `${open.host}/team/app@${digest}`]);
    }
    expect(built.finish.outputs['digest']).toBe(digest);
    const { stdout } = await exec('docker', ['images', '-q', `${open.host}/team/app`]);
    expect(stdout).toBe('');
  });

  it('goes nowhere when a fork has built it, whatever the machine is logged in to', async () => {
    const name = `${open.host}/team/of-a-fork:1`;
    const built = await build('FROM scratch\nCOPY hello.txt /x\n', { push: [name] }, { trust: 'T3' });
    expect(recordOf(built).pushed).toEqual([]);
    expect(built.log).toContain(`hearth: not pushed to ${name}: what a fork has built goes to no registry\n`);
    const found = await openRegistry().manifest(referenceTo(name), null);
    expect(found).toMatchObject({ ok: false, problem: { kind: 'absent' } });
  });

  it('gives its name back to the image of this machine that had it, and takes none that Hearth gives', async () => {
    const name = `${open.host}/team/tool:1`;
    await exec('docker', ['tag', TEST_IMAGE, name]);
    try {
      recordOf(await build('FROM scratch\nCOPY hello.txt /tool\n', { push: [name] }));
      const { stdout } = await exec('docker', ['image', 'inspect', '-f', '{{.Id}}', name, TEST_IMAGE]);
      const [there, before] = stdout.split('\n');
      expect(there).toBe(before);
    } finally {
      await exec('docker', ['image', 'rm', name]);
    }
    const taken = await build('FROM scratch\nCOPY hello.txt /tool\n', { push: ['hearth/image:1-T1-abc'] });
    expect(taken.finish.outcome).toMatchObject({ result: 'error', reason: 'config' });
    expect(taken.finish.outcome.message).toMatch(/only Hearth itself gives/);
  });

  it('again changes nothing, and of one platform is no index', async () => {
    const spec = { push: [`${open.host}/one`, `${open.host}/other:x`] };
    const first = recordOf(await build('FROM scratch\nCOPY hello.txt /one\n', spec));
    const second = recordOf(await build('FROM scratch\nCOPY hello.txt /one\n', spec));
    expect(second).toMatchObject({ digest: first.digest, pushed: first.pushed });
    expect((await manifestAt(`${open.host}/one:latest`)).mediaType).toMatch(/manifest/);
  });

  it('goes with the credentials of the secret store, and nobody reads them anywhere', async () => {
    const name = `${closed.host}/private/app:1`;
    const credentials = { username: REGISTRY_USER.username, password: '${{ secrets.TOKEN }}' };
    const wrong = await build('FROM scratch\nCOPY hello.txt /p\n', { push: [name], credentials });
    expect(wrong.finish.outcome).toMatchObject({ result: 'error', reason: 'image' });
    expect(wrong.finish.outcome.message).toMatch(/^image\.push: .*(?:unauthorized|denied|no basic auth)/i);
    const right = { username: '${{ github.event.user }}', password: '${{ github.event.password }}' };
    const sha = await rig.commit({ Dockerfile: 'FROM scratch\nCOPY hello.txt /p\n' });
    const image: ImageSpec = {
      ...{ context: '.', file: null, target: null, args: {}, platforms: both, facts: null, push: [name] },
      credentials: right,
    };
    const claim = rig.claim([], { run: { sha }, spec: { image } });
    const event = { user: REGISTRY_USER.username, password: REGISTRY_USER.password };
    const done = await rig.execute({ ...claim, context: { ...claim.context, event } });
    const { digest } = recordOf(done);
    expect((await manifestAt(name, REGISTRY_USER)).digest).toBe(digest);
    for (const log of [wrong.log, done.log]) expect(log).not.toContain(RIG_TOKEN);
    expect((await readdir('/dev/shm')).filter((name) => name.startsWith(basename(credentialsOf(rig))))).toEqual([]);
  });

  it('is an error where nobody answers, and nothing is green', async () => {
    const { finish } = await build('FROM scratch\nCOPY hello.txt /x\n', { push: ['127.0.0.1:9/app:1'] });
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'image' });
    expect(finish.image).toBeUndefined();
  });
});

describe('a base that lies in a registry', () => {
  it('is what the tag means at that moment, by its digest, whatever it means later', async () => {
    const name = `${open.host}/base:1`;
    const first = recordOf(await build('FROM scratch\nCOPY hello.txt /first\n', { platforms: both, push: [name] }));
    const file = `FROM ${name}\nCOPY hello.txt /mine\n`;
    const { images } = recordOf(await build(file, { platforms: both }));
    expect(images.map((one) => one.bases)).toEqual(
      both.map((platform) => [{ name, platform, digest: first.digest, imageId: null }]),
    );
  });

  it('and whose registry is gone is the image of the machine, by its id', async () => {
    const gone = await openTestRegistry({ isOpen: true });
    const name = `${gone.host}/base:1`;
    await build('FROM scratch\nCOPY hello.txt /x\n', { push: [name] });
    await exec('docker', ['pull', '-q', name]);
    await gone[Symbol.asyncDispose]();
    const { images } = recordOf(await build(`FROM ${name}\nCOPY hello.txt /mine\n`, {}));
    const { stdout } = await exec('docker', ['image', 'inspect', '-f', '{{.Id}}', name]);
    expect(images[0]?.bases).toMatchObject([{ digest: null, imageId: stdout.trim() }]);
    await exec('docker', ['image', 'rm', name]);
  });
});

it('credentials that a killed process left are removed before anything is pushed', async () => {
  const others = await mkdtemp('/dev/shm/hearth-push-of-another-');
  const left = await mkdtemp(credentialsOf(rig));
  await writeFile(join(left, 'config.json'), '{}');
  await rig.restart([]);
  const names = await readdir('/dev/shm');
  await rm(others, { recursive: true });
  expect(names).not.toContain(basename(left));
  expect(names).toContain(basename(others));
});

describe('a registry', () => {
  it.each([
    ['docker.io', 'https://auth.docker.io/token', true],
    ['docker.io', 'http://auth.docker.io/token', false],
    ['evil.example', 'http://169.254.169.254/latest/meta-data', false],
    ['evil.example', 'https://127.0.0.1:9000/health', false],
    ['evil.example', 'file:///etc/passwd', false],
    ['evil.example', 'no address', false],
    ['127.0.0.1:5000', 'http://localhost:5001/token', true],
    ['127.0.0.1:5000', 'http://10.0.0.1/token', false],
  ])('at %s may send us to %s for a token: %s', (registry, realm, may) => {
    expect(mayAsk(registry, realm)).toBe(may);
  });

  it('whose answer has no end is left', async () => {
    await using server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/vnd.oci.image.index.v1+json' });
      const more = (): void => {
        while (response.write('x'.repeat(64 * 1024)));
      };
      response.on('drain', more);
      more();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const found = await openRegistry().manifest(referenceTo(`127.0.0.1:${port}/x:1`), null);
    expect(found).toMatchObject({ ok: false, problem: { kind: 'unreachable' } });
    expect(found.ok ? '' : found.problem.message).toContain('its answer is longer than 4194304 bytes');
  });

  it('that has no such image, wants credentials or is none is told apart', async () => {
    const kinds = [];
    for (const text of [`${open.host}/no/such:1`, `${closed.host}/x:1`, '127.0.0.1:9/x:1']) {
      const found = await openRegistry().manifest(referenceTo(text), null);
      kinds.push(found.ok ? 'found' : found.problem.kind);
    }
    expect(kinds).toEqual(['absent', 'refused', 'unreachable']);
  });
});

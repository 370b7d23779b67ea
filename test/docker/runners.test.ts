/** Containers of runners, on the real engine, with a stand-in of GitHub's runner in them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseEgressTarget } from '../../src/core/egress.ts';
import type { RunnerContainers, RunnerStart } from '../../src/core/pool/pool-ports.ts';
import { Secret } from '../../src/core/secrets/secret.ts';
import { openEgress } from '../../src/docker/egress.ts';
import { dockerEngine } from '../../src/docker/engine.ts';
import { nativePrograms } from '../../src/docker/native.ts';
import { openRunners } from '../../src/docker/runners.ts';
import { systemClock } from '../../src/system.ts';
import { startActionsGithub, type ActionsGithub } from '../support/actions-github.ts';
import { GIB } from '../support/make-pool.ts';
import { bridgeAddress, runnerImage } from '../support/runner-image.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
const LABEL = `hearth.runners=test-${process.pid}`;
const engine = dockerEngine();
const repo = 'octo/app';

let folder: string;
let supervisor: string;
let github: ActionsGithub;
let image: string;
let imageId: string;
let names = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-runners-'));
  supervisor = (await nativePrograms(join(folder, 'native'))).supervisor;
  github = await startActionsGithub({ repos: { [repo]: { id: 7 } }, host: await bridgeAddress() });
  image = await runnerImage();
  imageId = (await engine.image(image))?.id ?? '';
}, 300_000);

afterAll(async () => {
  await engine.remove(await engine.list(LABEL));
  await github[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function open(mode: 'open' | 'restricted' = 'open'): Promise<RunnerContainers> {
  const { hostname: address, port } = new URL(github.url);
  const target = parseEgressTarget(`${address}:${port}`);
  const allow = target === undefined ? [] : [target];
  const egress = await openEgress({ mode, allow }, true);
  return openRunners({
    engine,
    clock: systemClock,
    egress,
    supervisor,
    label: LABEL,
    socketPath: '/var/run/docker.sock',
  });
}

async function registered(): Promise<{ readonly name: string; readonly config: string }> {
  const name = `hearth-test-${process.pid}-${(names += 1)}`;
  const body = JSON.stringify({ name, labels: ['self-hosted', 'X64'], runner_group_id: 1 });
  const answer = await fetch(`${github.url}/repos/${repo}/actions/runners/generate-jitconfig`, {
    method: 'POST',
    body,
  });
  return { name, config: ((await answer.json()) as { encoded_jit_config: string }).encoded_jit_config };
}

async function started(runners: RunnerContainers, more: Partial<RunnerStart> = {}) {
  const { name, config } = await registered();
  const id = await runners.start({
    ...{ name, scope: { repo }, platform: 'linux/amd64', imageId, docker: 'none' },
    size: { cpus: 1.5, memoryBytes: GIB / 4, diskBytes: GIB },
    login: { kind: 'jit', config: new Secret(config) },
    ...more,
  });
  const runner = () => [...github.runners.values()].find((one) => one.name === name);
  return { id, name, config, runner, ended: () => endOf(runners, id) };
}

async function endOf(runners: RunnerContainers, id: string) {
  const find = async () => (await runners.list()).list.find((one) => one.id === id);
  await expect.poll(async () => (await find())?.isRunning, { timeout: 30_000 }).toBe(false);
  return find();
}

const inside = async (id: string, command: string): Promise<string> =>
  (await exec('docker', ['exec', '--user', '0', id, 'sh', '-c', command])).stdout.trim();

it.each(['open', 'restricted'] as const)(
  'a runner comes online, does one job and ends, with the network %s',
  async (mode) => {
    const runners = await open(mode);
    const one = await started(runners);
    await expect.poll(() => one.runner()?.isOnline, { timeout: 30_000 }).toBe(true);
    const job = github.queue({ labels: ['self-hosted'], ms: 200 });
    expect(await one.ended()).toMatchObject({ runner: one.name, scope: 'repo octo/app', exitCode: 0 });
    expect(job).toMatchObject({ conclusion: 'success', runner: one.name });
    expect(await runners.lastLines(one.id)).toContain('Job completed');
    await runners.remove(one.id);
    await runners.remove(one.id);
    expect((await runners.list()).list).toEqual([]);
  },
);

it('what it logs in with is in no file, no argument and no record of the engine once it runs', async () => {
  const runners = await open('restricted');
  const one = await started(runners);
  await expect.poll(() => one.runner()?.isOnline, { timeout: 30_000 }).toBe(true);
  const { stdout: inspected } = await exec('docker', ['inspect', one.id]);
  expect(inspected).not.toContain(one.config);
  expect(await inside(one.id, 'ls -A /run/hearth')).toBe('');
  const { stdout: processes } = await exec('ps', ['-eo', 'args', '-ww']);
  expect(processes).not.toContain(one.config);
  const { stdout: changes } = await exec('docker', ['diff', one.id]);
  expect(changes).not.toContain('login');
  await runners.remove(one.id);
});

it('has the cores and the memory of its size, sudo, and no more rights than a job', async () => {
  const runners = await open();
  const one = await started(runners);
  const [inspected] = JSON.parse((await exec('docker', ['inspect', one.id])).stdout) as {
    HostConfig: { NanoCpus: number; Memory: number; SecurityOpt: string[] | null; CapDrop: string[]; Binds: unknown };
  }[];
  expect(inspected?.HostConfig).toMatchObject({ NanoCpus: 1.5e9, Memory: GIB / 4, CapDrop: ['ALL'], Binds: null });
  expect(inspected?.HostConfig.SecurityOpt ?? []).not.toContain('no-new-privileges');
  await runners.remove(one.id);
});

it('may reach what was allowed and not this machine otherwise', async () => {
  const other = await startActionsGithub({ repos: {}, host: await bridgeAddress() });
  try {
    const runners = await open('restricted');
    const one = await started(runners);
    await expect.poll(() => one.runner()?.isOnline, { timeout: 30_000 }).toBe(true);
    const { hostname: address, port } = new URL(other.url);
    const tried = await inside(one.id, `timeout 5 bash -c 'echo > /dev/tcp/${address}/${port}' 2>&1 || echo closed`);
    expect(tried).toContain('closed');
    await runners.remove(one.id);
  } finally {
    await other[Symbol.asyncDispose]();
  }
});

it('gets the socket of the engine only where its pool says so', async () => {
  const runners = await open();
  const [without, withSocket] = [await started(runners), await started(runners, { docker: 'socket' })];
  const look = 'test -S /var/run/docker.sock && echo there || echo none';
  expect([await inside(without.id, look), await inside(withSocket.id, look)]).toEqual(['none', 'there']);
  await runners.remove(without.id);
  await runners.remove(withSocket.id);
});

it('one that crashes is told apart from one that is done', async () => {
  const runners = await open();
  const one = await started(runners);
  github.queue({ labels: ['self-hosted'], crashes: true });
  expect(await one.ended()).toMatchObject({ exitCode: 139 });
  await runners.remove(one.id);
});

it('ends by itself when GitHub forgets it', async () => {
  const runners = await open();
  const one = await started(runners);
  await expect.poll(() => one.runner()?.isOnline, { timeout: 30_000 }).toBe(true);
  github.complete(one.runner()?.secret ?? '');
  expect(await one.ended()).toMatchObject({ exitCode: 0 });
  await runners.remove(one.id);
});

it('a start that fails leaves what the list shows, and names the reason', async () => {
  const runners = await open();
  const taken = await started(runners);
  await expect(started(runners, { name: taken.name })).rejects.toThrow(/already in use/);
  await expect(started(runners, { imageId: `sha256:${'0'.repeat(64)}` })).rejects.toThrow(/No such image/i);
  await runners.remove(taken.id);
  expect((await runners.list()).list).toEqual([]);
});

const pool = (more: { image?: string; platform?: string | null; minVersion?: string } = {}) => ({
  ...({ image, platform: null, emulation: 'never', installEmulation: false, minVersion: '2.329.0' } as const),
  ...more,
});
const never = new AbortController().signal;

it('an image is looked at by what runs in it: machine and version', async () => {
  const runners = await open();
  expect(await runners.check(pool(), never)).toEqual({
    ok: true,
    value: { platform: 'linux/amd64', machine: 'x86_64', isEmulated: false, imageId, version: '2.331.0' },
  });
});

it.each([
  [
    'an older runner than GitHub takes',
    async () => runnerImage({ version: '2.300.0' }),
    'has runner 2.300.0, and GitHub takes 2.329.0 or newer',
  ],
  ['no runner', () => Promise.resolve(TEST_IMAGE), 'does not tell the version of its runner'],
] as const)('an image with %s is refused', async (_what, of, expected) => {
  const runners = await open();
  const found = await runners.check(pool({ image: await of() }), never);
  expect(found.ok ? '' : found.problem).toContain(expected);
});

it('an image for another platform is refused where emulation is not allowed', async () => {
  const found = await (await open()).check(pool({ platform: 'linux/arm64' }), never);
  expect(found.ok ? '' : found.problem).toContain('would have to be emulated, which emulation: never forbids');
});

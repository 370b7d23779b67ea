/** The real daemon keeps a pool of real containers for a stand-in of GitHub, and is killed in the middle of it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { removeSlotsOf } from '../../src/docker/open-executor.ts';
import { startActionsGithub, type ActionsGithub } from '../support/actions-github.ts';
import { makeDaemonRig, REPO_ID, type DaemonRig } from '../support/daemon-rig.ts';
import { bridgeAddress, runnerImage } from '../support/runner-image.ts';

const exec = promisify(execFile);
const REPO = 'Codertocat/Hello-World';
const labels = ['self-hosted', 'linux', 'X64'];
const patience = { timeout: 40_000, interval: 100 };

let image: string;
let rig: DaemonRig | undefined;
let github: ActionsGithub | undefined;

beforeAll(async () => {
  image = await runnerImage();
}, 300_000);

afterEach(async () => {
  const data = rig?.data;
  await rig?.[Symbol.asyncDispose]();
  if (data !== undefined) await removeSlotsOf(data);
  await github?.[Symbol.asyncDispose]();
  rig = undefined;
  github = undefined;
});

async function begin(pool: Readonly<Record<string, unknown>>) {
  const host = await bridgeAddress();
  const forge = await startActionsGithub({
    repos: { [REPO]: { id: REPO_ID } },
    host,
    onWebhook: (payload) => {
      // While the daemon is dead nobody hears of it, as in real life.
      void daemon.deliver('workflow_job', payload).catch(() => undefined);
    },
  });
  const size = { cpus: 0.2, memory: '256m', disk: '1g' };
  const port = new URL(forge.url).port;
  const daemon = await makeDaemonRig({
    env: {
      GITHUB_API_URL: forge.url,
      HEARTH_EGRESS_ALLOW: `${host}:${port}`,
      HEARTH_POOLS: JSON.stringify({ p: { repos: [REPO], image, size, ...pool } }),
    },
  });
  rig = daemon;
  github = forge;
  await daemon.start();
  return { daemon, forge };
}

/** Names of the runners that have a container, of whatever pool. */
async function containers(): Promise<readonly string[]> {
  const format = '{{.Label "hearth.runner"}} {{.Label "hearth.runners"}}';
  const { stdout } = await exec('docker', ['ps', '--all', '--filter', 'label=hearth.runner', '--format', format]);
  const names = new Set([...(github?.runners.values() ?? [])].map(({ name }) => name));
  return stdout
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name.startsWith('hearth-p-') || names.has(name));
}

const online = () => [...(github?.runners.values() ?? [])].filter(({ isOnline }) => isOnline);

it('jobs that GitHub queues are done in containers of their own, and nothing of them is left', async () => {
  const { forge } = await begin({ max: 3 });
  await expect.poll(() => online().length, patience).toBe(1);
  const jobs = Array.from({ length: 5 }, () => forge.queue({ labels, ms: 300 }));
  await expect.poll(() => jobs.map(({ conclusion }) => conclusion), patience).toEqual(jobs.map(() => 'success'));
  expect(new Set(jobs.map(({ runner }) => runner)).size).toBe(jobs.length);
  await expect.poll(async () => [online().length, (await containers()).length], patience).toEqual([1, 1]);
  expect(forge.runners.size).toBe(1);
}, 120_000);

describe('a daemon that is killed', () => {
  it.each([
    [
      'while a runner is being registered',
      () => (github?.asked.filter(({ path }) => path.endsWith('jitconfig')).length ?? 0) > 0,
    ],
    ['while a runner starts', async () => (await containers()).length > 0],
    ['while a runner waits', () => online().length > 0],
  ] as const)(
    '%s finds its pool again',
    async (_when, isTime) => {
      const { daemon, forge } = await begin({ max: 2 });
      await expect.poll(async () => isTime(), { timeout: 40_000, interval: 5 }).toBe(true);
      await daemon.kill();
      await daemon.start();
      await expect
        .poll(async () => [online().length, forge.runners.size, (await containers()).length], patience)
        .toEqual([1, 1, 1]);
      const job = forge.queue({ labels, ms: 100 });
      await expect.poll(() => job.conclusion, patience).toBe('success');
    },
    180_000,
  );

  it('while a job runs, does not disturb it, and clears up after it', async () => {
    const { daemon, forge } = await begin({ max: 2, 'min-idle': 0 });
    const job = forge.queue({ labels, ms: 4000 });
    await expect.poll(() => job.state, patience).toBe('in_progress');
    await daemon.kill();
    await daemon.start();
    await expect.poll(() => job.conclusion, patience).toBe('success');
    await expect.poll(async () => [forge.runners.size, (await containers()).length], patience).toEqual([0, 0]);
  }, 180_000);
});

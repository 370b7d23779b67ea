/** Pipelines that span both lanes, through the real daemon: containers here, workflows on a GitHub that the test moves on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunDetailsJson, RunJson } from '../../src/http/api-shapes.ts';
import { makeDaemonRig, REPO_ID, type DaemonRig } from '../support/daemon-rig.ts';
import { startGithubWorkflows, type GithubWorkflows, type RunThere } from '../support/github-workflows.ts';
import { TEST_IMAGE } from '../support/slots.ts';

let rig: DaemonRig;
let github: GithubWorkflows;

beforeEach(async () => {
  github = await startGithubWorkflows({
    repo: { id: REPO_ID, owner: 'Codertocat', name: 'Hello-World' },
    deliver: (event, payload, id) => rig.deliver(event, payload, id),
  });
  // One slot: what waits for GitHub must not be in anybody's way.
  rig = await makeDaemonRig({ env: { GITHUB_API_URL: github.url, HEARTH_SLOTS: '1' } });
  await rig.start();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  await github[Symbol.asyncDispose]();
});

const pipeline = `on: push
sidecar: { image: "${TEST_IMAGE}", shm-size: 64m }
jobs:
  build:
    steps:
      - { id: made, run: 'echo version=1.2 >> $GITHUB_OUTPUT' }
    outputs: { version: '\${{ steps.made.outputs.version }}' }
  remote:
    needs: build
    lane: github
    workflow: build.yml
    inputs: { version: '\${{ needs.build.outputs.version }}', push: true }
  beside: { needs: build, run: echo not in the way }
  after:
    needs: remote
    env: { SEEN: '\${{ needs.remote.outputs.conclusion }} \${{ needs.remote.outputs.run-id }}' }
    run: echo "GitHub said $SEEN"
`;
const remoteOnly = `on: push\njobs:\n  remote: { lane: github, workflow: build.yml }\n`;

async function push(text: string, branch = 'main'): Promise<string> {
  const sha = await rig.remote.commit(
    { '.hearth/main.yml': text, moment: String(process.hrtime.bigint()) },
    { branch },
  );
  github.heads.set(branch, sha);
  expect((await rig.push(sha, { branch })).status).toBe(202);
  return sha;
}

async function begun(count = 1): Promise<RunThere> {
  await expect.poll(() => github.runs.length).toBe(count);
  const run = github.runs[count - 1];
  if (run === undefined) throw new Error('no run');
  return run;
}

/** The daemon knows which run it is. */
async function followed(sha: string): Promise<RunThere> {
  const run = await begun();
  await rig.runOf(sha, ({ jobs }) => jobs.some(({ name, timings }) => name === 'remote' && timings.start_ms !== null));
  return run;
}

const outcomes = ({ jobs }: RunJson): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(jobs.map(({ name, outcome }) => [name, outcome?.result]));
const dispatches = (): number => github.calls.filter((call) => call.endsWith('/dispatches')).length;
const succeed = (run: RunThere): Promise<void> => github.move(run, { status: 'completed', conclusion: 'success' });

async function expectOnce(sha: string): Promise<void> {
  const run = await rig.runOf(sha);
  expect(run.outcome).toEqual({ result: 'success', reason: 'exit', message: '1 job passed' });
  expect(run.jobs.map(({ attempt }) => attempt)).toEqual([1]);
  expect(dispatches()).toBe(1);
  const lines = (await (await rig.api(`/logs/${sha}/remote`)).text()).trim().split('\n');
  expect(lines.filter((line, index) => lines.indexOf(line) !== index)).toEqual([]);
  expect(lines.at(-1)).toBe('conclusion: success');
}

it('one graph spans both lanes: outputs go there, the conclusion comes back, and nothing here waits for it', async () => {
  const sha = await push(pipeline);
  const there = await followed(sha);
  expect(there).toMatchObject({ headBranch: 'main', headSha: sha, inputs: { version: '1.2', push: 'true' } });
  await github.moveJob(there, 'build (amd64)', { status: 'in_progress', runner: 'hearth-amd64-1' });
  const waiting = await rig.runOf(sha, (run) => outcomes(run)['beside'] === 'success');
  expect(outcomes(waiting)).toEqual({ build: 'success', remote: undefined, beside: 'success', after: undefined });
  const details = async (): Promise<RunDetailsJson> =>
    (await (await rig.api(`/api/v1/runs/${waiting.id}`)).json()) as RunDetailsJson;
  const record = { workflow: 'build.yml', run_id: there.id, url: there.url };
  expect((await details()).workflows).toEqual({ remote: { ...record, conclusion: null, run_attempt: null } });

  await github.moveJob(there, 'build (amd64)', { status: 'completed', conclusion: 'success' });
  await succeed(there);
  expect((await rig.runOf(sha)).outcome).toEqual({ result: 'success', reason: 'exit', message: '4 jobs passed' });
  expect((await details()).workflows).toEqual({ remote: { ...record, conclusion: 'success', run_attempt: 1 } });
  expect(await (await rig.api(`/logs/${sha}/after`)).text()).toContain(`GitHub said success ${there.id}`);
  const log = await (await rig.api(`/logs/${sha}/remote`)).text();
  for (const text of [there.url, 'hearth-amd64-1', 'conclusion: success']) expect(log).toContain(text);
  await expect
    .poll(() => github.shown(sha)['hearth/main/remote'])
    .toEqual({ state: 'success', url: there.url, text: 'success on GitHub' });
  await expect.poll(() => github.shown(sha)['hearth/main/after']?.url ?? '').toContain('https://ci.example.com/logs/');
  expect(rig.complaints).toEqual([]);
});

it('what failed there fails the run, and what needs it is not run', async () => {
  const sha = await push(pipeline);
  const there = await followed(sha);
  await github.moveJob(there, 'build (arm64)', { status: 'completed', conclusion: 'failure' });
  await github.move(there, { status: 'completed', conclusion: 'failure' });
  const run = await rig.runOf(sha);
  expect(outcomes(run)).toEqual({ build: 'success', remote: 'failure', beside: 'success', after: 'skipped' });
  expect(run.outcome?.message).toBe('remote: failed on GitHub: "build (arm64)"');
  await expect.poll(() => github.shown(sha)['hearth/main/remote']?.state).toBe('failure');
});

describe('killed while', () => {
  it('GitHub was being asked: the run that was begun all the same is found and followed', async () => {
    github.trouble = (call) => (call.endsWith('/dispatches') ? 'hold' : undefined);
    const sha = await push(remoteOnly);
    await expect.poll(dispatches).toBe(1);
    await rig.kill();
    github.release();
    const there = await begun();
    await rig.start();
    await followed(sha);
    await succeed(there);
    await expectOnce(sha);
  });

  it('it followed: the next process goes on, and what happened meanwhile is asked for', async () => {
    const sha = await push(remoteOnly);
    const there = await followed(sha);
    await github.moveJob(there, 'build', { status: 'in_progress', runner: 'r' });
    await rig.kill();
    github.tells = false;
    await github.moveJob(there, 'build', { status: 'completed', conclusion: 'success' });
    await succeed(there);
    await rig.start();
    await expectOnce(sha);
    expect(await (await rig.api(`/logs/${sha}/remote`)).text()).toContain('build: success on r');
  });

  it('it was ending: the cancel arrives, and the run ends as it was asked to', async () => {
    github.trouble = (call) => (call.endsWith('/cancel') ? { status: 503 } : undefined);
    const sha = await push(remoteOnly);
    const there = await followed(sha);
    const { id } = await rig.runOf(sha, () => true);
    await rig.api(`/api/v1/runs/${id}/cancel`, { method: 'POST' });
    await expect.poll(() => github.calls.filter((call) => call.endsWith('/cancel')).length).toBeGreaterThan(0);
    await rig.kill();
    github.trouble = undefined;
    const before = github.calls.length;
    await rig.start();
    await expect.poll(() => github.calls.slice(before).filter((call) => call.endsWith('/cancel')).length).toBe(1);
    await github.move(there, { status: 'completed', conclusion: 'cancelled' });
    expect((await rig.runOf(sha)).outcome).toMatchObject({ result: 'cancelled', reason: 'cancelled_by' });
    expect(dispatches()).toBe(1);
  });
});

it('a newer head of the branch ends the workflow of the older one, and only that', async () => {
  const older = await push(remoteOnly, 'topic');
  const first = await followed(older);
  const newer = await push(remoteOnly, 'topic');
  await expect.poll(() => github.calls).toContain(`POST /runs/${first.id}/cancel`);
  await github.move(first, { status: 'completed', conclusion: 'cancelled' });
  expect((await rig.runOf(older)).outcome).toMatchObject({ result: 'cancelled', reason: 'superseded' });
  const second = await begun(2);
  await succeed(second);
  expect((await rig.runOf(newer)).outcome?.result).toBe('success');
  expect(github.calls).not.toContain(`POST /runs/${second.id}/cancel`);
});

it('a branch that moved before GitHub began says nothing about the commit', async () => {
  const other = 'b'.repeat(40);
  github.trouble = (call) => {
    if (call.endsWith('/dispatches')) github.heads.set('main', other);
    return undefined;
  };
  const sha = await push(remoteOnly);
  const there = await begun();
  await expect.poll(() => github.calls).toContain(`POST /runs/${there.id}/cancel`);
  await succeed(there);
  expect((await rig.runOf(sha)).outcome).toMatchObject({ result: 'error', reason: 'config' });
  await expect.poll(() => github.shown(sha)['hearth/main/remote']?.state).toBe('error');
});

it('an outage of GitHub in the middle, with every webhook lost, only takes longer', { timeout: 90_000 }, async () => {
  const sha = await push(remoteOnly);
  const there = await followed(sha);
  github.tells = false;
  github.trouble = () => ({ status: 502 });
  await succeed(there);
  await expect.poll(async () => (await rig.api(`/logs/${sha}/remote`)).text()).toContain('GitHub answered 502');
  github.trouble = undefined;
  await expect.poll(async () => outcomes(await rig.runOf(sha, () => true))['remote']).toBe('success');
  await expectOnce(sha);
});

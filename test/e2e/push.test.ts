import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDaemonRig, type DaemonRig } from '../support/daemon-rig.ts';
import { startPrism, type PrismApi } from '../support/prism.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
let prism: PrismApi;
let rig: DaemonRig;

const pipeline = (jobs: string): string =>
  `on: [push, pull_request]\nsidecar:\n  image: ${TEST_IMAGE}\n  shm-size: 64m\njobs:\n${jobs}`;
const passing = pipeline('  a: { run: echo passed }\n');
const sleeping = pipeline(
  '  a: { run: "echo up; (setsid sleep 4321 &); sleep 4321" }\n  b: { needs: [a], run: echo never }\n',
);

beforeAll(async () => {
  prism = await startPrism();
  rig = await makeDaemonRig({ githubMock: prism.url });
  await rig.start();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await prism[Symbol.asyncDispose]();
  expect(rig.complaints).toEqual([]);
  // Every call that Hearth made fits GitHub's own description of its API.
  expect(rig.github.refusals).toEqual([]);
  expect(prism.calls.length).toBeGreaterThan(10);
});

async function sleepers(): Promise<number> {
  const { stdout } = await exec('ps', ['-eo', 'args']);
  return stdout.split('\n').filter((line) => line === 'sleep 4321').length;
}

describe('a signed push', () => {
  it('becomes a run in containers, statuses on the commit, and logs', async () => {
    const sha = await rig.remote.commit({
      '.hearth/main.yml': pipeline(
        '  build: { run: "echo building > out; cat out" }\n  test: { needs: [build], run: "exit 3" }\n  docs: { run: echo docs }\n  last: { needs: [test], run: echo last }\n',
      ),
    });
    expect((await rig.push(sha)).status).toBe(202);
    const run = await rig.runOf(sha);
    expect(run.outcome).toEqual({ result: 'failure', reason: 'exit', message: 'test: exit 3: exit 3' });
    expect(Object.fromEntries(run.jobs.map((job) => [job.name, job.outcome?.result]))).toEqual({
      build: 'success',
      test: 'failure',
      docs: 'success',
      last: 'skipped',
    });
    await expect
      .poll(() => rig.github.shown(sha), { timeout: 30_000 })
      .toEqual({
        'hearth/main': 'failure',
        'hearth/main/build': 'success',
        'hearth/main/test': 'failure',
        'hearth/main/docs': 'success',
        'hearth/main/last': 'error',
      });
    const log = await (await rig.api(`/logs/${sha.slice(0, 7)}/build`)).text();
    expect(log).toContain('building\n');
    expect((await rig.api(`/logs/${sha}`)).headers.get('content-type')).toContain('text/plain');
  });

  it('links its statuses to logs that need no other right than the link', async () => {
    const sha = await rig.remote.commit({ '.hearth/main.yml': passing });
    await rig.push(sha);
    await rig.runOf(sha);
    await expect.poll(() => rig.github.shown(sha)['hearth/main'], { timeout: 30_000 }).toBe('success');
    const target =
      rig.github.statuses.find((status) => status.sha === sha && status.context === 'hearth/main')?.targetUrl ?? '';
    const { pathname, search } = new URL(target);
    const asStranger = { headers: { 'x-forwarded-for': '203.0.113.9', authorization: '' } };
    expect((await fetch(`${rig.url()}${pathname}${search}`, asStranger)).status).toBe(200);
    expect((await fetch(`${rig.url()}${pathname}`, asStranger)).status).toBe(404);
  });

  it('becomes a run with a matrix, conditions, outputs and more attempts', async () => {
    const unique = `x${process.hrtime.bigint()}`;
    const sha = await rig.remote.commit({
      '.hearth/main.yml': `
on: push
sidecar: { image: "${TEST_IMAGE}", shm-size: 64m }
cache: { notes: { volume: /var/cache/notes } }
jobs:
  setup:
    outputs: { list: "\${{ steps.find.outputs.list }}" }
    steps: [{ id: find, run: 'echo "list=a b" >> $GITHUB_OUTPUT' }]
  test:
    needs: setup
    strategy: { matrix: { part: [a, b] } }
    env: { LIST: "\${{ needs.setup.outputs.list }}" }
    run: 'case " $LIST " in *" \${{ matrix.part }} "*) echo found \${{ matrix.part }};; *) exit 1;; esac'
  flaky:
    cache: notes
    retry: { max: 1, when: ["exit:75"] }
    run: test -e /var/cache/notes/${unique} || { touch /var/cache/notes/${unique}; exit 75; }
  deploy:
    needs: [test]
    if: github.ref == 'refs/heads/release'
    run: exit 1
  report: { needs: [test, flaky], if: always(), run: 'test "\${{ needs.flaky.result }}" = success' }
`,
    });
    await rig.push(sha);
    const run = await rig.runOf(sha);
    expect(run.jobs.map(({ name, outcome, attempt }) => [name, outcome?.result, attempt])).toEqual([
      ['setup', 'success', 1],
      ['test (a)', 'success', 1],
      ['test (b)', 'success', 1],
      ['flaky', 'success', 2],
      ['deploy', 'skipped', 0],
      ['report', 'success', 1],
    ]);
    await expect
      .poll(() => rig.github.shown(sha), { timeout: 60_000 })
      .toEqual({
        'hearth/main': 'success',
        'hearth/main/setup': 'success',
        'hearth/main/test (a)': 'success',
        'hearth/main/test (b)': 'success',
        'hearth/main/flaky': 'success',
        'hearth/main/deploy': 'success',
        'hearth/main/report': 'success',
      });
    const told = (context: string) =>
      rig.github.statuses.findLast((status) => status.sha === sha && status.context === context)?.description;
    expect(told('hearth/main/flaky')).toBe('passed (attempt 2)');
    expect(told('hearth/main/deploy')).toBe("skipped: if: github.ref == 'refs/heads/release'");
    expect(await (await rig.api(`/logs/${sha}/${encodeURIComponent('test (b)')}`)).text()).toContain('found b');
  });

  it('and the pull request of the same commit are one run', async () => {
    const sha = await rig.remote.commit({ '.hearth/main.yml': passing, x: 'same' }, { branch: 'feature' });
    await rig.push(sha, { branch: 'feature' });
    await rig.pullRequest(sha, { branch: 'feature' });
    await rig.push(sha, { branch: 'feature' });
    const run = await rig.runOf(sha);
    expect(run.outcome?.result).toBe('success');
    await expect
      .poll(
        async () =>
          ((await (await rig.api('/health')).json()) as { checks: { queue: { reason: string } } }).checks.queue.reason,
      )
      .toContain('0 pushes to plan');
    expect(await rig.runs(`&sha=${sha}`)).toHaveLength(1);
  });

  it('that is delivered twice is answered and run once', async () => {
    const sha = await rig.remote.commit({ '.hearth/main.yml': passing, x: 'twice' });
    const deliveryId = '11111111-2222-3333-4444-555555555555';
    expect((await rig.push(sha, { deliveryId })).status).toBe(202);
    expect((await rig.push(sha, { deliveryId })).status).toBe(200);
    await rig.runOf(sha);
  });
});

it('a pull request that asks for the merge gets what it would become, and its head gets the statuses', async () => {
  await rig.remote.commit({ '.hearth/main.yml': passing, 'of-both': '1\n' });
  await rig.remote.git('branch', 'mergeable', 'main');
  const yaml = pipeline(
    '  a: { run: "cat of-branch of-base; git rev-parse HEAD; echo $GITHUB_SHA $GITHUB_REF" }\n',
  ).replace('on: [push, pull_request]', 'on: { pull_request: { checkout: merge, branches: [main] } }');
  const sha = await rig.remote.commit({ '.hearth/main.yml': yaml, 'of-branch': 'branch\n' }, { branch: 'mergeable' });
  await rig.remote.commit({ 'of-branch': null, '.hearth/main.yml': passing, 'of-base': 'base\n' });
  expect((await rig.pullRequest(sha, { branch: 'mergeable', number: 31 })).status).toBe(202);
  expect((await rig.runOf(sha)).outcome).toMatchObject({ result: 'success' });
  const log = await (await rig.api(`/logs/${sha}/a`)).text();
  const [, merged = ''] = /branch\nbase\n([0-9a-f]{40})\n/.exec(log) ?? [];
  expect(log).toContain(`${merged} refs/pull/31/merge\n`);
  expect(merged).not.toBe(sha);
  await expect.poll(() => rig.github.shown(sha)['hearth/main/a'], { timeout: 30_000 }).toBe('success');
});

describe('a newer head', () => {
  it('ends the older run on a branch: its processes die, its statuses say by what', async () => {
    const older = await rig.remote.commit({ '.hearth/main.yml': sleeping }, { branch: 'topic' });
    await rig.push(older, { branch: 'topic' });
    await rig.runOf(older, (run) => run.jobs[0]?.timings.start_ms != null);
    await expect.poll(sleepers).toBe(2);
    const newer = await rig.remote.commit({ '.hearth/main.yml': passing }, { branch: 'topic' });
    await rig.push(newer, { branch: 'topic' });
    expect((await rig.runOf(older)).outcome).toEqual({
      result: 'cancelled',
      reason: 'superseded',
      message: `superseded by ${newer.slice(0, 7)}`,
    });
    expect(await sleepers()).toBe(0);
    expect((await rig.runOf(newer)).outcome?.result).toBe('success');
    await expect
      .poll(() => rig.github.shown(older), { timeout: 30_000 })
      .toEqual({ 'hearth/main': 'error', 'hearth/main/a': 'error', 'hearth/main/b': 'error' });
    expect(rig.github.statuses.filter((status) => status.sha === older).at(-1)?.description).toBe(
      `superseded by ${newer.slice(0, 7)}`,
    );
  });

  it('leaves the default branch alone: runs go on side by side', async () => {
    const slow = pipeline('  a: { run: "sleep 1; echo done" }\n');
    const first = await rig.remote.commit({ '.hearth/main.yml': slow, x: '1' });
    await rig.push(first);
    const second = await rig.remote.commit({ '.hearth/main.yml': slow, x: '2' });
    await rig.push(second);
    expect((await rig.runOf(first)).outcome?.result).toBe('success');
    expect((await rig.runOf(second)).outcome?.result).toBe('success');
  });

  it('in a fork whose branch has the same name touches nothing here, and waits for approval', async () => {
    const own = await rig.remote.commit({ '.hearth/main.yml': sleeping }, { branch: 'same-name' });
    await rig.push(own, { branch: 'same-name' });
    await rig.runOf(own, (run) => run.jobs[0]?.timings.start_ms != null);
    const theirs = await rig.remote.commit(
      { '.hearth/main.yml': passing },
      { branch: 'theirs', ref: 'refs/pull/9/head' },
    );
    await rig.pullRequest(theirs, { branch: 'same-name', number: 9, forkId: 4711 });
    await expect.poll(() => rig.github.shown(theirs)['hearth/main'], { timeout: 30_000 }).toBe('pending');
    expect(rig.github.statuses.find((status) => status.sha === theirs)?.description).toContain('waiting for approval');
    expect((await rig.runs(`&sha=${own}`))[0]?.state).toBe('running');
    expect((await rig.runs(`&sha=${theirs}`))[0]?.state).toBe('queued');

    expect(
      (await rig.pullRequest(theirs, { action: 'closed', branch: 'same-name', number: 9, forkId: 4711 })).status,
    ).toBe(202);
    expect((await rig.runOf(theirs)).outcome).toMatchObject({
      reason: 'cancelled_by',
      message: 'cancelled: pull request #9 was closed',
    });

    const [running] = await rig.runs(`&sha=${own}`);
    expect((await rig.api(`/api/v1/runs/${running?.id ?? 0}/cancel`, { method: 'POST' })).status).toBe(202);
    expect((await rig.runOf(own)).outcome).toMatchObject({ result: 'cancelled', reason: 'cancelled_by' });
    expect(await sleepers()).toBe(0);
  });
});

it('two commits at once write the same names and neither sees the other', async () => {
  const script = (who: string): string =>
    pipeline(
      `  a: { run: "for i in $(seq 1 100); do echo ${who} > shared.txt; grep -qx ${who} shared.txt || exit 9; sleep 0.005; done; test ! -e ${who === 'one' ? 'two' : 'one'}; touch ${who}; ls" }\n`,
    );
  const one = await rig.remote.commit({ '.hearth/main.yml': script('one'), y: '1' });
  const two = await rig.remote.commit({ '.hearth/main.yml': script('two'), y: '2' });
  await Promise.all([rig.push(one), rig.push(two)]);
  expect((await rig.runOf(one)).outcome?.result).toBe('success');
  expect((await rig.runOf(two)).outcome?.result).toBe('success');
});

describe('what cannot run', () => {
  it('says where a pipeline file is broken', async () => {
    const sha = await rig.remote.commit({ '.hearth/main.yml': 'on: push\njobs:\n  a:\n    rum: echo\n' });
    await rig.push(sha);
    expect((await rig.runOf(sha)).outcome).toMatchObject({
      result: 'error',
      reason: 'config',
      message: expect.stringContaining('.hearth/main.yml:4:5: Unknown key rum') as string,
    });
    await expect
      .poll(() => rig.github.statuses.find((status) => status.sha === sha), { timeout: 30_000 })
      .toMatchObject({ context: 'hearth/main', state: 'error' });
    expect(rig.github.statuses.find((status) => status.sha === sha)?.description).toMatch(/main\.yml:\d+:\d+/);
  });

  it('says that a commit has no pipeline only when the default branch has one', async () => {
    await rig.remote.commit({ '.hearth/main.yml': passing, z: '1' });
    const without = await rig.remote.commit({ '.hearth/main.yml': null }, { branch: 'without' });
    await rig.push(without, { branch: 'without' });
    expect((await rig.runOf(without)).outcome?.result).toBe('error');
    await expect
      .poll(() => rig.github.statuses.find((status) => status.sha === without)?.description, { timeout: 30_000 })
      .toBe(`no pipeline file at ${without.slice(0, 7)}`);
  });

  it('says so when a commit does not exist', async () => {
    const sha = 'd'.repeat(40);
    expect((await rig.push(sha, { branch: 'ghost' })).status).toBe(202);
  });
});

it('is healthy, says how it knows, and tells strangers only the verdict', async () => {
  const health = (await (await rig.api('/health')).json()) as {
    status: string;
    checks: Record<string, { status: string; reason: string; at: string }>;
  };
  expect(health.status).toBe('ok');
  expect(health.checks['workspaces']?.reason).toContain('overlay');
  expect(Object.values(health.checks).every(({ at, reason }) => !Number.isNaN(Date.parse(at)) && reason !== '')).toBe(
    true,
  );
  const stranger = await fetch(`${rig.url()}/health`, { headers: { 'x-forwarded-for': '203.0.113.9' } });
  expect(await stranger.json()).toEqual({ status: 'ok' });
});

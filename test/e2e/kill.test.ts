/** SIGKILL of the daemon in each state of a run: the next process ends it right, and every job's effect happened once. */
import { afterEach, describe, expect, it } from 'vitest';
import { execFile } from 'node:child_process';
import { readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { labelOf } from '../../src/docker/open-executor.ts';
import { makeDaemonRig, type DaemonRig } from '../support/daemon-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);

let rig: DaemonRig;

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

/** Each job leaves one line in a volume that outlives all processes. */
function pipeline(effects: string, middle = ':'): string {
  const job = (name: string, needs: string, script: string): string =>
    `  ${name}:\n    ${needs}\n    cache: [effects]\n    steps:\n      - run: echo ${name} $GITHUB_SHA >> /effects/${effects}\n      - run: "${script}"\n      - run: echo end of ${name}\n`;
  return [
    'on: push\n',
    `sidecar:\n  image: ${TEST_IMAGE}\n  shm-size: 64m\n`,
    'cache:\n  effects: { volume: /effects }\n',
    `jobs:\n${job('first', 'needs: []', middle)}${job('second', 'needs: [first]', ':')}`,
  ].join('');
}

async function start(options: Parameters<typeof makeDaemonRig>[0] = {}): Promise<void> {
  rig = await makeDaemonRig(options);
}

const effectsName = (): string => `effects-of-${rig.data.split('-').at(-1) ?? ''}`;

async function commit(middle?: string, extra: Readonly<Record<string, string>> = {}): Promise<string> {
  return rig.remote.commit({ '.hearth/main.yml': pipeline(effectsName(), middle), ...extra });
}

async function expectOnce(sha: string): Promise<void> {
  const run = await rig.runOf(sha);
  expect(run.outcome).toEqual({ result: 'success', reason: 'exit', message: '2 jobs passed' });
  expect(run.jobs.map(({ attempt }) => attempt)).toEqual([1, 1]);
  expect(await rig.effects()).toEqual([`first ${sha}`, `second ${sha}`]);
  await expect
    .poll(() => rig.github.shown(sha), { timeout: 30_000 })
    .toEqual({ 'hearth/main': 'success', 'hearth/main/first': 'success', 'hearth/main/second': 'success' });
  for (const name of ['first', 'second']) {
    const log = await (await rig.api(`/logs/${sha}/${name}`)).text();
    expect(log.match(new RegExp(`^end of ${name}$`, 'gm'))).toHaveLength(1);
  }
}

describe('killed when the run was', () => {
  it('received: a push that was answered 202 is run by the next process', async () => {
    await start();
    const sha = await commit();
    await rig.start('web');
    expect((await rig.push(sha)).status).toBe(202);
    await rig.kill('web');
    await rig.start();
    await expectOnce(sha);
  });

  it('received, and its repository out of reach: planning is tried again', async () => {
    await start();
    const sha = await commit();
    const away = `${rig.remote.path}.away`;
    await rename(rig.remote.path, away);
    await rig.start();
    await rig.push(sha);
    await rig.kill();
    await rename(away, rig.remote.path);
    await rig.start();
    await expectOnce(sha);
  });

  it('planned: jobs that waited for a slot start in the next process', async () => {
    await start({ env: { HEARTH_SLOTS: '1' } });
    await rig.start();
    const blocker = await rig.remote.commit({
      '.hearth/main.yml': `on: push\nsidecar: { image: "${TEST_IMAGE}", shm-size: 64m }\njobs:\n  hold: { run: sleep 2 }\n`,
    });
    await rig.push(blocker);
    await rig.runOf(blocker, ({ jobs }) => jobs[0]?.timings.start_ms != null);
    const sha = await commit();
    await rig.push(sha);
    await rig.runOf(sha, ({ jobs }) => jobs[0]?.state === 'queued');
    await rig.kill();
    await rig.start();
    await expectOnce(sha);
    expect((await rig.runOf(blocker)).outcome?.result).toBe('success');
  });

  it('claimed: a job whose commands had not begun is begun by the next process', async () => {
    await start();
    await rig.start();
    const sha = await rig.remote.commit({
      '.hearth/main.yml': pipeline(effectsName()).replace(
        /sidecar:[^]*?64m\n/,
        'sidecar:\n  build: { context: ci, file: ci/Dockerfile }\n  shm-size: 64m\n',
      ),
      'ci/Dockerfile': `FROM ${TEST_IMAGE}\nRUN sleep 2 && echo ${String(process.hrtime.bigint())} > /built\n`,
    });
    await rig.push(sha);
    await rig.runOf(sha, ({ jobs }) => jobs[0]?.state === 'running');
    await rig.kill();
    await rig.start();
    await expectOnce(sha);
  });

  it('running: the job goes on meanwhile and is re-attached', async () => {
    await start();
    await rig.start();
    const sha = await commit('for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.1; done');
    await rig.push(sha);
    await rig.runOf(sha, ({ jobs }) => jobs[0]?.timings.start_ms != null);
    await rig.kill();
    await rig.start();
    await expectOnce(sha);
    const lines = (await (await rig.api(`/logs/${sha}/first`)).text()).match(/^line \d+$/gm);
    expect(lines).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => `line ${n}`));
  });

  it('finishing: a result that was there but not written down is taken as it is', async () => {
    await start();
    await rig.start();
    const sha = await commit('sleep 2');
    await rig.push(sha);
    await rig.runOf(sha, ({ jobs }) => jobs[0]?.timings.start_ms != null);
    const [slot = ''] = await readdir(join(rig.data, 'slots'));
    const [n = ''] = await readdir(join(rig.data, 'slots', slot, 'jobs'));
    const fileOfStep2 = (name: string): Promise<boolean> =>
      stat(join(rig.data, 'slots', slot, 'jobs', n, '2', name)).then(
        () => true,
        () => false,
      );
    // The daemon stops while step 2 runs, so that its end is there before anybody has read it.
    await expect.poll(() => fileOfStep2('started')).toBe(true);
    rig.signal('SIGSTOP');
    await expect.poll(() => fileOfStep2('rc')).toBe(true);
    await rig.kill();
    await rig.start();
    await expectOnce(sha);
  });

  it('reporting: statuses that were not taken are sent by the next process', async () => {
    await start();
    await rig.start();
    const sha = await commit();
    rig.github.hold();
    await rig.push(sha);
    await rig.runOf(sha);
    await rig.kill();
    expect(rig.github.shown(sha)).toEqual({});
    rig.github.release();
    await rig.start();
    await expectOnce(sha);
  });
});

it('twelve times at any moment: every run ends right and no effect is doubled or lost', async () => {
  await start();
  await rig.start();
  const shas: string[] = [];
  for (let cycle = 0; cycle < 12; cycle++) {
    const sha = await commit('sleep 0.05', { cycle: String(cycle) });
    shas.push(sha);
    expect((await rig.push(sha)).status).toBe(202);
    // Spread over the life of a run; the moment itself is up to the machine.
    await new Promise((resolve) => setTimeout(resolve, cycle * 25));
    await rig.kill();
    await rig.start();
  }
  for (const sha of shas)
    expect((await rig.runOf(sha)).outcome).toEqual({ result: 'success', reason: 'exit', message: '2 jobs passed' });
  expect(await rig.effects()).toEqual(shas.flatMap((sha) => [`first ${sha}`, `second ${sha}`]).sort());
});

it('asked to stop, it leaves its jobs running and the next process takes them up', async () => {
  await start();
  await rig.start();
  const sha = await commit('sleep 1');
  await rig.push(sha);
  await rig.runOf(sha, ({ jobs }) => jobs[0]?.timings.start_ms != null);
  const asked = performance.now();
  expect(await rig.stop()).toBe(0);
  expect(performance.now() - asked).toBeLessThan(5_000);
  await rig.start();
  await expectOnce(sha);
});

it('killed while a dependency layer is being built, it builds the layer anew instead of using the half', async () => {
  await start();
  await rig.start();
  const sha = await rig.remote.commit({
    '.hearth/main.yml': [
      `on: push\nsidecar: { image: "${TEST_IMAGE}", shm-size: 64m }\n`,
      'cache:\n  deps: { key: [deps.lock], paths: [deps], install: "mkdir deps; echo half > deps/state; sleep 1; echo whole > deps/state" }\n',
      'jobs:\n  a: { cache: [deps], run: "grep -qx whole deps/state" }\n',
    ].join(''),
    'deps.lock': 'one\n',
  });
  await rig.push(sha);
  await expect.poll(() => readdir(join(rig.data, 'slots')).catch(() => []), { timeout: 10_000 }).toHaveLength(1);
  const [slot = ''] = await readdir(join(rig.data, 'slots'));
  await expect
    .poll(
      () =>
        stat(join(rig.data, 'slots', slot, 'jobs/1/1/started')).then(
          () => true,
          () => false,
        ),
      { timeout: 10_000 },
    )
    .toBe(true);
  await rig.kill();
  await rig.start();
  expect((await rig.runOf(sha)).outcome?.result).toBe('success');
  expect(await (await rig.api(`/logs/${sha}/a`)).text()).toContain('cache deps: built');
});

it('as two processes, either may be killed', async () => {
  await start();
  await rig.start('web');
  await rig.start('worker');
  const first = await commit('sleep 0.5');
  await rig.push(first);
  await rig.runOf(first, ({ jobs }) => jobs[0]?.timings.start_ms != null);
  await rig.kill('worker');
  await rig.start('worker');
  expect((await rig.runOf(first)).outcome?.result).toBe('success');
  await rig.kill('web');
  await rig.start('web');
  expect((await rig.runOf(first)).outcome?.result).toBe('success');
});

it('a second process on the same data is refused with what to do', async () => {
  await start();
  await rig.start();
  await expect(rig.start('worker')).rejects.toThrow(/Another Hearth worker process/);
});

it('killed while services start, and again while they run, it leaves none behind and runs the job once', async () => {
  await start();
  await rig.start();
  const label = labelOf('services', rig.data);
  const containers = async (): Promise<number> => {
    const { stdout } = await exec('docker', ['ps', '--all', '--quiet', '--filter', `label=${label}`]);
    return stdout.split('\n').filter((line) => line !== '').length;
  };
  const effects = effectsName();
  const sha = await rig.remote.commit({
    '.hearth/main.yml': [
      `on: push\nsidecar: { image: "${TEST_IMAGE}", shm-size: 64m }\n`,
      'cache:\n  effects: { volume: /effects }\n',
      'jobs:\n  a:\n    cache: [effects]\n    services:\n      db:\n',
      `        image: ${TEST_IMAGE}\n        command: [sh, -c, "sleep 2; touch /ready; exec sleep 1000"]\n`,
      '        health: { command: test -e /ready, interval: 200ms, retries: 100 }\n',
      `    steps:\n      - run: getent hosts db && echo a $GITHUB_SHA >> /effects/${effects}\n      - run: sleep 3; getent hosts db\n`,
    ].join(''),
  });
  await rig.push(sha);
  await expect.poll(containers).toBe(1);
  await rig.kill();
  await rig.start();
  await rig.runOf(sha, ({ jobs }) => jobs[0]?.timings.start_ms != null);
  expect(await containers()).toBe(1);
  await rig.kill();
  await rig.start();
  const run = await rig.runOf(sha);
  expect(run.outcome).toEqual({ result: 'success', reason: 'exit', message: '1 job passed' });
  expect(await rig.effects()).toEqual([`a ${sha}`]);
  await expect.poll(containers).toBe(0);
  const networks = async (): Promise<string> =>
    (await exec('docker', ['network', 'ls', '--quiet', '--filter', `label=${label}`])).stdout;
  await expect.poll(networks).toBe('');
});

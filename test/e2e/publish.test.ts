/** A job that publishes while it runs, under the real daemon: who starts when, and what a kill at the wrong moment does. */
import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { afterEach, expect, it } from 'vitest';
import type { RunJson } from '../../src/http/api-shapes.ts';
import { makeDaemonRig, type DaemonRig } from '../support/daemon-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);

let rig: DaemonRig;

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

/** `build` publishes at the end of its first step, and its second step waits until the file is there. */
function pipeline(first: string, second: string, end = ':'): string {
  const effects = `effects-of-${rig.data.split('-').at(-1) ?? ''}`;
  return [
    `on: push\nsidecar: { image: "${TEST_IMAGE}", shm-size: 64m }\ncache:\n  effects: { volume: /effects }\njobs:\n`,
    '  build:\n    cache: [effects]\n    artifacts: { dist: dist, map: map }\n    steps:\n',
    `      - { publish: dist, run: "${first}; mkdir dist; echo one > dist/a; echo build $GITHUB_SHA >> /effects/${effects}" }\n`,
    `      - run: "echo two > dist/a; mkdir map; ${second}"\n      - run: "${end}"\n`,
    '  test:\n    cache: [effects]\n    needs: { job: build, artifact: dist }\n',
    `    run: "cat dist/a; test ! -e map; echo test $GITHUB_SHA >> /effects/${effects}; touch /effects/tested-$GITHUB_SHA"\n`,
  ].join('');
}

/** The volume outlives the test. */
const openFile = (): string => `/effects/open-${rig.data.split('-').at(-1) ?? ''}`;
const waitFor = (file: string): string => `while ! test -e ${file}; do sleep 0.05; done`;
const stateOf = (run: RunJson, name: string): string | undefined => run.jobs.find((job) => job.name === name)?.state;
const artifactsOf = async (run: RunJson): Promise<readonly { readonly name: string }[]> =>
  ((await (await rig.api(`/api/v1/runs/${run.id}`)).json()) as { artifacts: { name: string }[] }).artifacts;

async function expectOnce(sha: string): Promise<void> {
  const run = await rig.runOf(sha);
  expect(run.outcome).toEqual({ result: 'success', reason: 'exit', message: '2 jobs passed' });
  expect(run.jobs.map(({ attempt }) => attempt)).toEqual([1, 1]);
  expect(await rig.effects()).toEqual([`build ${sha}`, `test ${sha}`]);
  expect(await (await rig.api(`/logs/${sha}/test`)).text()).toContain('one\n');
  expect((await artifactsOf(run)).map(({ name }) => name)).toEqual(['dist', 'map']);
}

async function push(text: string): Promise<string> {
  const sha = await rig.remote.commit({ '.hearth/main.yml': text });
  await rig.push(sha);
  return sha;
}

/** Lets the step of the only slot go on that waits for this file. */
async function touch(file: string): Promise<void> {
  const [slot = ''] = await readdir(join(rig.data, 'slots'));
  const record = JSON.parse(await readFile(join(rig.data, 'slots', slot, 'slot.json'), 'utf8')) as {
    containerId: string;
  };
  expect(record.containerId).toMatch(/^[0-9a-f]{64}$/);
  await exec('docker', ['exec', record.containerId, 'touch', file]);
}

it('the job that waits for the artifact runs and ends while the job that published it goes on', async () => {
  rig = await makeDaemonRig({ env: { HEARTH_SLOTS: '3' } });
  await rig.start();
  // It can end only after the other one has run.
  const sha = await push(pipeline(':', waitFor('/effects/tested-$GITHUB_SHA'), waitFor(openFile())));
  const during = await rig.runOf(sha, (run) => stateOf(run, 'test') === 'finished');
  expect(stateOf(during, 'build')).toBe('running');
  expect(during.jobs.find(({ name }) => name === 'test')?.outcome?.result).toBe('success');
  expect((await artifactsOf(during)).map(({ name }) => name)).toEqual(['dist']);
  const tar = Buffer.from(await (await rig.api(`/api/v1/runs/${during.id}/artifacts/build/dist`)).arrayBuffer());
  expect(tar.toString('latin1')).toContain('one\n');
  const opener = await push(
    `on: push\nsidecar: { image: "${TEST_IMAGE}", shm-size: 64m }\ncache:\n  effects: { volume: /effects }\njobs:\n  open: { cache: [effects], run: touch ${openFile()} }\n`,
  );
  expect((await rig.runOf(opener)).outcome?.result).toBe('success');
  await expectOnce(sha);
});

it('killed after the artifact was captured and before it is on record, it records it and releases once', async () => {
  rig = await makeDaemonRig({ env: { HEARTH_SLOTS: '1' } });
  await rig.start();
  const sha = await push(pipeline(waitFor('/tmp/go'), waitFor('/tmp/on')));
  const run = await rig.runOf(sha, ({ jobs }) => jobs[0]?.timings.start_ms != null);
  const lock = new Database(join(rig.data, 'hearth.db'));
  lock.exec('begin immediate');
  await touch('/tmp/go');
  const [slot = ''] = await readdir(join(rig.data, 'slots'));
  const note = join(rig.data, 'slots', slot, 'jobs/1/1/published');
  await expect.poll(() => stat(note).catch(() => undefined), { timeout: 15_000 }).toBeDefined();
  await rig.kill();
  lock.exec('rollback');
  lock.close();
  await rig.start();
  expect(stateOf(await rig.runOf(sha, () => true), 'test')).toMatch(/waiting|queued/);
  await expect.poll(() => artifactsOf(run), { timeout: 15_000 }).toMatchObject([{ name: 'dist' }]);
  await touch('/tmp/on');
  await expectOnce(sha);
});

it('killed after the artifact is on record and before anybody could start, it loses and doubles nothing', async () => {
  rig = await makeDaemonRig({ env: { HEARTH_SLOTS: '1' } });
  await rig.start();
  const sha = await push(pipeline(':', waitFor('/tmp/on')));
  const run = await rig.runOf(sha, ({ jobs }) => jobs[0]?.timings.start_ms != null);
  await expect.poll(() => artifactsOf(run), { timeout: 15_000 }).toMatchObject([{ name: 'dist' }]);
  await rig.kill();
  await rig.start();
  await rig.runOf(sha, (now) => stateOf(now, 'test') === 'queued' && stateOf(now, 'build') === 'running');
  await touch('/tmp/on');
  await expectOnce(sha);
});

/** The npm package as a user gets it: packed, installed in an empty folder, and pushed to. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDaemonRig } from '../support/daemon-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '../..');
let folder: string;

/** Packing and installing take as long as npm and its registry need. */
const NPM_TIMEOUT_MS = 300_000;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-package-'));
  await run('npm', ['pack', '--pack-destination', folder], { cwd: repository });
  const [tarball = ''] = await readdir(folder);
  await writeFile(join(folder, 'package.json'), '{"private":true}');
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, tarball)], { cwd: folder });
}, NPM_TIMEOUT_MS);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('the installed command runs a push to its verdict', async () => {
  await using rig = await makeDaemonRig({ command: [join(folder, 'node_modules/.bin/hearth')] });
  await rig.start();
  const sha = await rig.remote.commit({
    '.hearth/main.yml': `on: push\nsidecar: { image: "${TEST_IMAGE}", shm-size: 64m }\njobs:\n  a: { run: echo from the package }\n`,
  });
  expect((await rig.push(sha)).status).toBe(202);
  expect((await rig.runOf(sha)).outcome).toEqual({ result: 'success', reason: 'exit', message: '1 job passed' });
  expect(await (await rig.api(`/logs/${sha}/a`)).text()).toContain('from the package\n');
  await rig.kill();
  await rig.start();
  expect((await rig.runOf(sha)).outcome?.result).toBe('success');
});

it('carries what it needs and nothing of its own tests', async () => {
  const files = await readdir(join(folder, 'node_modules/hearth'));
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist', 'docs', 'provision']));
  expect(files).not.toContain('test');
  expect(files).not.toContain('src');
});

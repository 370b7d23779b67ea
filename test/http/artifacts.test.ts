import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactFolder, type ArtifactOf } from '../../src/core/artifact.ts';
import type { RunWithJobs } from '../../src/core/ports.ts';
import { openArtifactFiles } from '../../src/store/artifact-files.ts';
import { startHttpRig, adminToken, type HttpRig } from '../support/http-rig.ts';
import { evidence, passed } from '../support/scripted-executor.ts';

const exec = promisify(execFile);
let folder: string;
let rig: HttpRig;
let run: RunWithJobs['run'];
let artifact: ArtifactOf;
const failure = { name: 's › bad', file: 'a.py', line: 7, message: 'no' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-artifacts-'));
  rig = await startHttpRig({ parts: { artifacts: openArtifactFiles(folder) } });
  const planned = await rig.plan('a'.repeat(40), ['build 1']);
  run = planned.run;
  await rig.work(run.id, 'build 1', '', { ends: false });
  const job = planned.jobs[0];
  if (job === undefined) throw new Error('no job');
  const kept = { name: 'dist', bytes: 6, files: 1, expiresAt: new Date(Date.now() + 60_000) };
  const old = { ...kept, name: 'old', expiresAt: new Date(Date.now() - 1) };
  const gone = { ...kept, name: 'gone' };
  const tests = { total: 3, skipped: 1, failed: 1, failures: [failure], passed: ['s › good'] };
  const finish = { outcome: passed, evidence, outputs: {}, artifacts: [kept, old, gone], tests };
  expect(await rig.store.finishJob(job.id, 1, finish, new Date())).toBe(true);
  artifact = { ...kept, runId: run.id, jobId: job.id, attempt: 1, job: 'build 1' };
  const path = join(folder, 'artifacts', artifactFolder(run, artifact));
  await mkdir(join(path, 'sub'), { recursive: true });
  await writeFile(join(path, 'sub', 'out'), 'built\n');
  await symlink('/etc/hostname', join(path, 'link'));
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const get = (path: string, init: RequestInit = {}) =>
  fetch(`${rig.url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${adminToken}`, 'x-forwarded-for': '203.0.113.9' },
  });

describe('the run', () => {
  it('tells its artifacts, each with a link that its bearer may follow, and its tests', async () => {
    const shown = (await (await get(`/api/v1/runs/${run.id}`)).json()) as {
      artifacts: { url: string; name: string }[];
      tests: unknown;
    };
    expect(shown.artifacts.map(({ name }) => name)).toEqual(['dist', 'gone', 'old']);
    expect(shown.tests).toEqual({
      'build 1': { total: 3, skipped: 1, failed: 1, failures: [{ ...failure, flaky: false }] },
    });
    const link = await fetch(`${rig.url}${shown.artifacts[0]?.url ?? ''}`, {
      headers: { 'x-forwarded-for': '203.0.113.9' },
    });
    expect(link.status).toBe(200);
    await link.body?.cancel();
  });
});

describe('an artifact', () => {
  const path = (name: string, job = 'build%201', id: string | number = run.id) =>
    `/api/v1/runs/${id}/artifacts/${job}/${name}`;

  it('comes as a tar archive of its folder, links as links', async () => {
    const response = await get(path('dist'));
    expect(response.headers.get('content-type')).toBe('application/x-tar');
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${run.id}-dist.tar"`);
    const tar = join(folder, 'x.tar');
    await writeFile(tar, Buffer.from(await response.arrayBuffer()));
    const target = join(folder, 'x');
    await mkdir(target);
    await exec('tar', ['-xf', tar, '-C', target]);
    expect(await readdir(target)).toEqual(['link', 'sub']);
    expect(await readFile(join(target, 'sub', 'out'), 'utf8')).toBe('built\n');
    expect((await exec('tar', ['-tvf', tar])).stdout).toContain('link -> /etc/hostname');
  });

  it('is the same bytes twice', async () => {
    const bytes = async () => Buffer.from(await (await get(path('dist'))).arrayBuffer());
    expect((await bytes()).equals(await bytes())).toBe(true);
  });

  it('has a head without a body', async () => {
    const response = await get(path('dist'), { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  it.each(['old', 'gone'])('that is %s answers 410 and says what to do', async (name) => {
    const response = await get(path(name));
    expect(response.status).toBe(410);
    expect(await response.text()).toContain('Run the job again');
  });

  it.each(['dist', 'nothing'])('looks the same to who may not read it as one that is not there: %s', async (name) => {
    const response = await fetch(`${rig.url}${path(name)}`, { headers: { 'x-forwarded-for': '203.0.113.9' } });
    expect(response.status).toBe(404);
  });

  it.each(['..%2f..%2fetc', 'dist/..', '%00'])('is never looked for by a name from the address: %s', async (name) => {
    expect((await get(path(name))).status).toBe(404);
  });
});

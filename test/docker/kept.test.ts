import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/core/ports.ts';
import { keptFolder, markUse, unmarkUse } from '../../src/docker/kept-folder.ts';
import type { ProcessIdentity } from '../../src/docker/mount-helper.ts';
import { bootId, identityOf } from '../../src/docker/process-identity.ts';
import { openExecutorRig, RIG_TOKEN, type ExecutorRig } from '../support/executor-rig.ts';

const MIB = 1024 ** 2;
const HOUR = 3_600_000;
let rig: ExecutorRig;

beforeEach(async () => {
  rig = await openExecutorRig({ mode: 'open', allow: [] }, { bytes: 4 * MIB, ms: HOUR });
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

function folderOf({ run, job }: Claim): string {
  return join(rig.data, 'kept', keptFolder(run, { runId: run.id, jobId: job.id, attempt: job.attempt }));
}

/** Names of all kept workspaces of the only repository and class. */
async function names(): Promise<readonly string[]> {
  const { run } = rig.claim('true');
  return (await readdir(join(rig.data, 'kept', String(run.repo.id), run.trust)).catch(() => [])).toSorted();
}

function self(): ProcessIdentity {
  const found = identityOf(process.pid);
  if (found === undefined) throw new Error('this process does not find itself');
  return found;
}

async function failing(script = 'echo junk >junk; rm hello.txt; exit 3'): Promise<Claim> {
  const claim = rig.claim(script);
  expect((await rig.execute(claim)).finish.outcome).toMatchObject({ result: 'failure' });
  return claim;
}

async function makeOld(folder: string, ms: number): Promise<void> {
  const then = new Date(Date.now() - ms);
  await utimes(folder, then, then);
}

describe('the workspace of a failed job', () => {
  it('is kept as the job left it, with the layers below by name, and no other is', async () => {
    await rig.execute(rig.claim('echo junk >junk'));
    expect(await names()).toEqual([]);
    const claim = await failing();
    const folder = folderOf(claim);
    expect((await readdir(join(folder, 'u'))).toSorted()).toEqual(['hello.txt', 'junk']);
    const { lowers } = JSON.parse(await readFile(join(folder, 'kept.json'), 'utf8')) as { lowers: readonly string[] };
    expect(await readFile(join(lowers[0] ?? '', 'hello.txt'), 'utf8')).toBe('hello\n');
    expect(await readdir(join(rig.data, 'scratch'))).toEqual([]);
    expect(rig.errors).toEqual([]);
  });

  it('keeps the variables of the job, but no secret', async () => {
    const spec = {
      env: { PLAIN: 'plain-value', OPEN: '${{ secrets.TOKEN }}' },
      secrets: [{ name: 'TOKEN', variable: 'TOKEN', isFile: false, isOptional: false }],
    };
    const claim = rig.claim('test "$OPEN$TOKEN" != "" && exit 3', { spec });
    expect((await rig.execute(claim)).finish.outcome).toMatchObject({ result: 'failure', exitCode: 3 });
    const text = await readFile(join(folderOf(claim), 'kept.json'), 'utf8');
    expect(text).toContain('plain-value');
    expect(text).not.toContain(RIG_TOKEN);
  });

  it('is not kept when it alone is too much, and the log says so', async () => {
    const claim = rig.claim('head -c 5000000 /dev/zero >big; exit 3');
    const { finish, log } = await rig.execute(claim);
    expect(finish.outcome).toMatchObject({ result: 'failure', exitCode: 3 });
    expect(log).toMatch(/the workspace is not kept for `hearth shell`: it takes \d+ bytes, and HEARTH_KEPT_BYTES is/);
    expect(await names()).toEqual([]);
  });

  it('never changes what the job takes when it cannot be kept', async () => {
    await writeFile(join(rig.data, 'kept'), 'a file stands in the way');
    const { finish, log } = await rig.execute(rig.claim('exit 3'));
    expect(finish.outcome).toMatchObject({ result: 'failure', exitCode: 3 });
    expect(log).toContain("not kept for `hearth shell`: the daemon's log says why");
    expect(rig.errors).toHaveLength(1);
    expect(await readdir(join(rig.data, 'scratch'))).toEqual([]);
  });

  it('is freed when it cannot be moved, and the job takes what it would have taken', async () => {
    const claim = rig.claim('exit 3');
    // A shell is open in what has its name already, so no room is made.
    await mkdir(folderOf(claim), { recursive: true });
    await writeFile(join(folderOf(claim), 'kept.json'), JSON.stringify({ bytes: 0, bootId: bootId() }));
    await markUse(folderOf(claim), self());
    const { finish } = await rig.execute(claim);
    expect(finish).toMatchObject({ outcome: { result: 'failure', exitCode: 3 }, evidence: { exitCode: 3 } });
    expect(rig.errors.map(String)).toEqual([expect.stringContaining('could not be kept: ENOTEMPTY')]);
    expect(await readdir(join(rig.data, 'scratch'))).toEqual([]);
  });

  it('is whole for the process that comes after one that died right after moving it', async () => {
    const claim = rig.claim('echo junk >junk; exit 3');
    const signals = { stop: new AbortController().signal, detach: new AbortController().signal };
    await rig.open.executor.execute(claim, {
      ...signals,
      started: () => undefined,
      published: () => Promise.resolve(),
    });
    await rig.restart([claim]);
    expect((await rig.execute(claim)).finish.outcome).toMatchObject({ result: 'failure', exitCode: 3 });
    expect(await readdir(join(folderOf(claim), 'u'))).toEqual(['junk']);
    expect(await readdir(join(rig.data, 'scratch'))).toEqual([]);
    expect(rig.errors).toEqual([]);
  });
});

describe('kept workspaces', () => {
  it('make room for the next one, the one used longest ago first', async () => {
    const big = 'head -c 1800000 /dev/urandom >big; exit 3';
    const first = await failing(big);
    const second = await failing(big);
    await makeOld(folderOf(second), 60_000);
    const third = await failing(big);
    expect(await names()).toEqual([first, third].map(({ run: { id }, job }) => `${id}-${job.id}-1`));
    expect(rig.open.kept.counts()).toMatchObject({ workspaces: 1 });
    await rig.open.kept.prune();
    expect(rig.open.kept.counts()).toMatchObject({ workspaces: 2 });
  });

  it('go when they are too old, but not under an open shell', async () => {
    const claim = await failing();
    await markUse(folderOf(claim), self());
    await makeOld(folderOf(claim), 2 * HOUR);
    await rig.open.kept.prune();
    expect(await names()).toHaveLength(1);
    await unmarkUse(folderOf(claim), self());
    await rig.open.kept.prune();
    expect(await names()).toHaveLength(1); // its last use was just now
    await writeFile(join(folderOf(claim), 'used-by-1'), JSON.stringify({ pid: process.pid, startTime: '1' }));
    await makeOld(folderOf(claim), 2 * HOUR);
    await rig.open.kept.prune();
    expect(await names()).toEqual([]);
  });

  it('of another boot, and what was half removed, go at start', async () => {
    const [whole, other, half] = [await failing(), await failing(), await failing()];
    const record = join(folderOf(other), 'kept.json');
    const changed = { ...(JSON.parse(await readFile(record, 'utf8')) as object), bootId: 'another' };
    await writeFile(record, JSON.stringify(changed));
    await mkdir(`${folderOf(half)}.gone/u`, { recursive: true });
    await writeFile(`${folderOf(half)}.gone/kept.json`, await readFile(join(folderOf(half), 'kept.json')));
    await rm(folderOf(half), { recursive: true });
    await rig.restart([]);
    expect(await names()).toEqual([`${whole.run.id}-${whole.job.id}-1`]);
  });
});

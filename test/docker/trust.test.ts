/** What the classes share and do not share, with real containers: slots, dependency layers, volumes, and images that are built. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CacheSpec } from '../../src/core/pipeline/pipeline.ts';
import { makeRun } from '../support/make.ts';
import { openExecutorRig, type ExecutorRig } from '../support/executor-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
let rig: ExecutorRig;

beforeAll(async () => {
  rig = await openExecutorRig();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.errors).toEqual([]);
});

/** The last line of a job that passed. */
async function lastLine(...wanted: Parameters<ExecutorRig['claim']>): Promise<string> {
  const { finish, log } = await rig.execute(rig.claim(...wanted));
  expect(finish.outcome.result, log).toBe('success');
  return log.trimEnd().split('\n').at(-1) ?? '';
}

/** Names of the containers of a slot, running or not. */
async function containers(slot: string): Promise<readonly string[]> {
  const { stdout } = await exec('docker', ['ps', '-a', '--filter', `name=${slot}`, '--format', '{{.Names}}']);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('a slot', () => {
  it.each(['T2', 'T3'] as const)(
    'of %s is used for one job and destroyed, and the next job gets one that was started before it was asked for',
    async (trust) => {
      const own = { trust, sidecar: { kind: 'image', image: TEST_IMAGE, shmBytes: 32 * 1024 ** 2 } } as const;
      const before = await settledSlots();
      const mark = 'test ! -e /root/mark; echo was-here >/root/mark';
      await lastLine(mark, own);
      await expect.poll(() => rig.open.pool.counts().idle).toBe(before.length + 1);
      const [waiting = '', ...others] = newSlots(before);
      expect([others, await containers(waiting)]).toEqual([[], [`hearth-${waiting}`]]);
      await lastLine(mark, own);
      expect([rig.open.pool.ids().includes(waiting), await containers(waiting)]).toEqual([false, []]);
    },
  );

  it('that a lower class has used is not used again after a restart either', async () => {
    const own = { trust: 'T3', sidecar: { kind: 'image', image: TEST_IMAGE, shmBytes: 33 * 1024 ** 2 } } as const;
    const before = await settledSlots();
    const { leave } = await rig.begin(rig.claim('echo up; touch /root/mark; sleep 1000', own), 'up');
    const [used = ''] = newSlots(before);
    await leave();
    expect(await containers(used)).toHaveLength(1);
    await rig.restart([]);
    expect([rig.open.pool.ids().includes(used), await containers(used)]).toEqual([false, []]);
    await lastLine('test ! -e /root/mark', own);
  });

  /** Once none is being started any more. */
  async function settledSlots(): Promise<readonly string[]> {
    await expect.poll(() => rig.open.pool.counts().starting).toBe(0);
    return rig.open.pool.ids();
  }

  function newSlots(before: readonly string[]): readonly string[] {
    return rig.open.pool.ids().filter((id) => !before.includes(id));
  }
});

describe('a dependency layer', () => {
  const deps: CacheSpec = {
    kind: 'layer',
    key: ['deps.lock'],
    paths: ['deps'],
    install: 'mkdir deps; cat deps.lock > deps/made; cat /proc/sys/kernel/random/uuid > deps/id',
  };
  const caches = { deps };
  const id = 'cat deps/id';

  it('of T1 is read by all, and none of them can write to it', async () => {
    const sha = await rig.commit({ 'deps.lock': 'shared\n' });
    const made = await lastLine(id, { caches, run: { sha } });
    const scribble = 'cat deps/id; echo poison >deps/id; rm deps/made';
    for (const trust of ['T2', 'T3'] as const) {
      await rig.execute(rig.claim(scribble, { caches, trust, run: { sha } }));
      expect(await lastLine(id, { caches, trust, run: { sha } })).toBe(made);
    }
    expect(await lastLine(id, { caches, run: { sha } })).toBe(made);
  });

  it('of T2 is read by T2 alone', async () => {
    const run = { sha: await rig.commit({ 'deps.lock': 'branch\n' }) };
    const made = await lastLine(id, { caches, trust: 'T2', run });
    expect(await lastLine(id, { caches, trust: 'T2', run })).toBe(made);
    expect(await lastLine(id, { caches, trust: 'T3', run })).not.toBe(made);
    const own = await lastLine(id, { caches, run });
    expect(own).not.toBe(made);
    // Once T1 has one, that is what counts.
    expect(await lastLine(id, { caches, trust: 'T2', run })).toBe(own);
  });

  it('of T3 is read by nobody, not by the next job of the same commit, and goes with its job', async () => {
    const run = { sha: await rig.commit({ 'deps.lock': 'fork\n' }) };
    const seen = [];
    for (const trust of ['T3', 'T3', 'T2', 'T1'] as const) seen.push(await lastLine(id, { caches, trust, run }));
    expect(new Set(seen).size).toBe(4);
    expect((await layerFolders()).filter((name) => name.startsWith('T3-'))).toEqual([]);
  });

  it('of a T3 job that nobody saw ending goes at the next start, and stays while the job is under way', async () => {
    const run = { sha: await rig.commit({ 'deps.lock': 'killed\n' }) };
    const wanted = rig.claim('echo up; sleep 1000', { caches, trust: 'T3', run });
    const { leave } = await rig.begin(wanted, 'up');
    await leave();
    const folder = `T3-${wanted.job.id}.1`;
    expect(await layerFolders()).toContain(folder);
    await rig.restart([wanted]);
    expect(await layerFolders()).toContain(folder);
    await rig.restart([]);
    expect(await layerFolders()).not.toContain(folder);
  });

  async function layerFolders(): Promise<readonly string[]> {
    return readdir(join(rig.data, 'layers', String(makeRun().repo.id)));
  }
});

describe('a volume', () => {
  const caches = { mine: { kind: 'volume', path: '/var/cache/mine' } } as const;

  it('of T3 is fresh, shares nothing in either direction, and ends with its job', async () => {
    await rig.execute(rig.claim('echo of-t1 >/var/cache/mine/f', { caches }));
    const before = await volumes();
    const look = 'ls -A /var/cache/mine | wc -l; echo of-fork >/var/cache/mine/g; ls -A /var/cache/mine | wc -l';
    for (let count = 0; count < 2; count++) {
      const { log } = await rig.execute(rig.claim(look, { caches, trust: 'T3' }));
      expect(log).toMatch(/\n0\n1\n$/);
    }
    expect(await lastLine('ls -A /var/cache/mine', { caches })).toBe('f');
    // What is left is the fresh one of the slot that waits.
    await expect.poll(async () => (await volumes()).filter((name) => !before.includes(name)).length).toBe(1);
  });

  async function volumes(): Promise<readonly string[]> {
    return (await exec('docker', ['volume', 'ls', '-q'])).stdout.trim().split('\n');
  }
});

describe('a sidecar that is built', () => {
  it('for a fork is built from the base, whatever the fork has in that folder', async () => {
    const base = await rig.commit({ 'ci/Dockerfile': `FROM ${TEST_IMAGE}\nCOPY who /who\n`, 'ci/who': 'base\n' });
    const sha = await rig.commit({ 'ci/Dockerfile': `FROM ${TEST_IMAGE}\nRUN exit 1\n`, 'ci/who': 'fork\n' });
    const config = { sha: base, branch: 'main', trust: 'T1', ignored: [] } as const;
    const sidecar = { kind: 'build', context: 'ci', file: 'ci/Dockerfile', shmBytes: 64 * 1024 ** 2 } as const;
    const { log } = await rig.execute(
      rig.claim('cat /who ci/who', { sidecar, trust: 'T3', run: { sha, config, prNumber: 5 } }),
    );
    expect(log).toMatch(/\nbase\nfork\n$/);
  });
});

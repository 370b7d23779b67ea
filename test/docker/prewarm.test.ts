/** What is prepared before a job is claimed, with real containers: seen through what the job finds, never through time. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CacheSpec } from '../../src/core/pipeline/pipeline.ts';
import type { Claim } from '../../src/core/ports.ts';
import type { Wish } from '../../src/core/schedule/prewarm.ts';
import { openExecutorRig, type ExecutorRig } from '../support/executor-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
let rig: ExecutorRig;
let nextShm = 40;

beforeAll(async () => {
  rig = await openExecutorRig();
});
afterEach(async () => {
  rig.open.preparations.prepare([]);
  await rig.open.preparations.settled();
  rig.unready.length = 0;
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.errors).toEqual([]);
});

/** Of a kind that no other test has: what a job finds there was made for it. */
const ownSidecar = () => ({ kind: 'image', image: TEST_IMAGE, shmBytes: nextShm++ * 1024 ** 2 }) as const;
const layer = (install: string): CacheSpec => ({ kind: 'layer', key: ['deps.lock'], paths: ['deps'], install });

function wishOf({ run, context, job, needs }: Claim, changes: Partial<Wish> = {}): Wish {
  const waiting = { ...job, state: 'waiting', attempt: job.attempt - 1 } as const;
  return {
    id: `job ${job.id}`,
    run,
    context,
    job: waiting,
    needs,
    kind: 'planned',
    slot: true,
    build: false,
    ...changes,
  };
}

async function prepared(...wishes: readonly Wish[]): Promise<void> {
  rig.open.preparations.prepare(wishes);
  await rig.open.preparations.settled();
  await expect.poll(() => rig.open.pool.counts().starting).toBe(0);
}

/** Without what nobody used, which goes as soon as nothing wants it. */
async function slotContainers(): Promise<number> {
  const { stdout } = await exec('docker', ['ps', '-aq', '--filter', 'label=hearth.slot', '--format', '{{.Names}}']);
  return stdout.split('\n').filter((name) => rig.open.pool.ids().some((id) => name === `hearth-${id}`)).length;
}

async function layerFolders(): Promise<readonly string[]> {
  const found = await readdir(join(rig.data, 'layers'), { recursive: true }).catch(() => []);
  return found.filter((path) => path.split('/').length === 3);
}

describe('the first job of a branch', () => {
  it('finds a slot that was started for it, its files and its layer', async () => {
    const sha = await rig.commit({ 'deps.lock': 'first\n' });
    const caches = { deps: layer('mkdir deps; echo made >deps/made') };
    const claim = rig.claim('cat deps/made', { trust: 'T2', caches, sidecar: ownSidecar(), run: { sha } });
    const { warmth } = rig.open;
    const before = structuredClone(warmth);
    await prepared(wishOf(claim, { build: true }));
    await prepared(wishOf(claim, { build: true }));
    expect(warmth).toEqual({
      ...before,
      prepared: { begun: before.prepared.begun + 1, failed: before.prepared.failed },
    });
    const { finish, log } = await rig.execute(claim);
    expect(finish.outcome.result, log).toBe('success');
    expect(warmth.slots).toEqual({ ...before.slots, warm: before.slots.warm + 1 });
    expect(warmth.checkouts).toEqual({ ...before.checkouts, hit: before.checkouts.hit + 1 });
    expect(warmth.layers).toEqual({ ...before.layers, hit: before.layers.hit + 1 });
    expect(await rig.logOf(claim)).toMatch(/^cache deps: hit [0-9a-f]{12}\nslot: warm\n▸ step 1\nmade\n/);
  });

  it('finds the files and the layer of the merge, where that is what it runs at', async () => {
    const head = await rig.commit({ 'deps.lock': 'of the head\n' });
    const merge = { sha: await rig.commit({ 'deps.lock': 'of the merge\n' }), base: head };
    const caches = { deps: layer('mkdir deps; cp deps.lock deps/made') };
    const made = rig.claim('cat deps/made', { trust: 'T2', caches, sidecar: ownSidecar(), run: { sha: head } });
    const claim: Claim = { ...made, context: { ...made.context, merge } };
    const { checkouts } = structuredClone(rig.open.warmth);
    await prepared(wishOf(claim, { build: true }));
    const { log } = await rig.execute(claim);
    expect(await rig.logOf(claim)).toMatch(/^cache deps: hit /);
    expect(log).toContain('\nof the merge\n');
    expect(rig.open.warmth.checkouts).toEqual({ ...checkouts, hit: checkouts.hit + 1 });
  });

  it('waits for the rest of a start that is under way, and no second slot is started', async () => {
    const claim = rig.claim('true', { trust: 'T2', sidecar: ownSidecar() });
    await prepared();
    const before = rig.open.pool.ids();
    rig.open.preparations.prepare([wishOf(claim)]);
    await expect.poll(() => rig.open.pool.counts().starting, { interval: 1 }).toBe(1);
    await rig.execute(claim);
    expect(await rig.logOf(claim)).toMatch(/^slot: started in advance, ready after \d+\.\d s\n/);
    await expect.poll(() => rig.open.pool.counts().starting).toBe(0);
    // The one that always stands ready after a job that used its slot up.
    expect(rig.open.pool.ids().filter((id) => !before.includes(id))).toHaveLength(1);
  });

  it('starts one itself when nothing was prepared, and says so', async () => {
    const claim = rig.claim('true', { trust: 'T2', sidecar: ownSidecar() });
    await rig.execute(claim);
    expect(await rig.logOf(claim)).toMatch(/^slot: started in \d+\.\d s\n▸ step 1\n/);
  });
});

describe('slots that were started in advance', () => {
  it('are as many as jobs want, of each kind', async () => {
    const [one, two] = [ownSidecar(), ownSidecar()];
    const wanted = [one, two, two].map((sidecar) => wishOf(rig.claim('true', { trust: 'T2', sidecar })));
    await prepared();
    const before = rig.open.pool.ids();
    await prepared(...wanted);
    await expect.poll(() => rig.open.pool.ids().filter((id) => !before.includes(id)).length).toBe(3);
    await expect.poll(() => rig.open.pool.counts().starting).toBe(0);
    expect(rig.open.pool.ids().filter((id) => !before.includes(id))).toHaveLength(3);
    // The pool keeps four at most.
    expect(rig.open.pool.counts().idle).toBeLessThanOrEqual(4);
  });

  it('go when nothing wants them any more', async () => {
    const claim = rig.claim('true', { trust: 'T2', sidecar: ownSidecar() });
    await prepared();
    const before = rig.open.pool.ids();
    await prepared(wishOf(claim));
    const [own = ''] = rig.open.pool.ids().filter((id) => !before.includes(id));
    expect(own).not.toBe('');
    await prepared();
    expect(rig.open.pool.ids()).not.toContain(own);
    await expect
      .poll(async () => (await exec('docker', ['ps', '-aq', '--filter', `name=hearth-${own}`])).stdout)
      .toBe('');
  });
});

describe('what cannot be prepared', () => {
  it('an image that nobody has costs a line in the log of the daemon, once, and the job says what it always says', async () => {
    const sidecar = { kind: 'image', image: 'hearth.invalid/no-such-image:2', shmBytes: 1024 ** 2 } as const;
    const claim = rig.claim('true', { sidecar });
    const alone = await rig.execute(rig.claim('true', { sidecar }));
    const { failed } = rig.open.warmth.prepared;
    await prepared(wishOf(claim));
    await prepared(wishOf(claim));
    expect(rig.unready).toHaveLength(1);
    expect(rig.open.warmth.prepared.failed).toBe(failed + 1);
    const { finish } = await rig.execute(claim);
    expect(finish).toEqual(alone.finish);
  });

  it('an install that fails in advance fails once more for the job that waits for it, in its own log', async () => {
    const sha = await rig.commit({ 'deps.lock': 'failing\n' });
    const caches = { deps: layer('echo the-cause; sleep 2; exit 3') };
    const claim = rig.claim('true', { caches, run: { sha } });
    rig.open.preparations.prepare([wishOf(claim, { build: true })]);
    await expect.poll(() => rig.open.preparations.building().size).toBe(1);
    await expect.poll(async () => (await layerFolders()).length + rig.open.pool.counts().held).toBeGreaterThan(0);
    const { finish, log } = await rig.execute(claim);
    expect(finish.outcome).toMatchObject({ result: 'failure', reason: 'exit', message: 'install deps: exit 3' });
    expect(log).toContain('the-cause');
    await rig.open.preparations.settled();
    expect(rig.unready.map(String)).toEqual(['Error: cache deps could not be built in advance: install deps: exit 3']);
  });
});

describe('a run that is superseded', () => {
  it('leaves no slot, no container and no half of a layer behind', async () => {
    const sha = await rig.commit({ 'deps.lock': 'superseded\n' });
    const caches = { deps: layer('mkdir deps; sleep 1000') };
    const claim = rig.claim('true', { trust: 'T2', caches, sidecar: ownSidecar(), run: { sha } });
    await prepared();
    const [slots, layers] = [rig.open.pool.ids(), await layerFolders()];
    rig.open.preparations.prepare([wishOf(claim, { build: true })]);
    await expect.poll(() => rig.open.pool.counts().held).toBe(1);
    await expect.poll(async () => (await exec('ps', ['-eo', 'args'])).stdout).toContain('sleep 1000');
    expect([...rig.open.preparations.building()]).toEqual([wishOf(claim).id]);
    await prepared();
    rig.open.preparations.prepare([]);
    expect(rig.open.preparations.building().size).toBe(0);
    await expect.poll(() => rig.open.pool.ids()).toEqual(slots);
    expect(await layerFolders()).toEqual(layers);
    expect(rig.open.pool.counts()).toMatchObject({ held: 0, starting: 0 });
    expect(rig.unready).toEqual([]);
    await expect.poll(slotContainers).toBe(slots.length);
  });
});

it('what is only likely pulls nothing and checks nothing out', async () => {
  const image = 'hearth.invalid/likely:1';
  const claim = rig.claim('true', { sidecar: { kind: 'image', image, shmBytes: 1024 ** 2 } });
  await prepared(wishOf(claim, { kind: 'likely' }));
  expect(rig.unready.map((cause) => (cause instanceof Error ? cause.message : ''))).toEqual([
    expect.stringContaining(`there is no image ${image} here yet`),
  ]);
});

import { rename } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { failed, success } from '../../src/core/result.ts';
import { makePlannerRig, type PlannerRig } from './rig.ts';

const ci = 'jobs: {build: {run: make}}\n';
const absent = 'd'.repeat(40);
const HOUR_MS = 60 * 60_000;

/** Waiting intakes with the time until they are due, in ms. */
async function waits(rig: PlannerRig, now: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let step = 0; step <= 700; step++) {
    const due = await rig.store.unplannedIntakes(new Date(now + step * 1_000), 10);
    while (found.length < due.length) found.push(step * 1_000);
  }
  return found;
}

const START = Date.parse('2030-01-01T00:00:00Z');

describe('trouble that may pass', () => {
  it('sets an event aside for longer each time, up to ten minutes, and plans it when the forge is back', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('main', { '.hearth/ci.yml': ci });
    await rename(rig.upstream.path, `${rig.upstream.path}.away`);
    await rig.push('main', sha);
    let now = START;
    const delays: number[] = [];
    for (let round = 0; round < 9; round++) {
      await rig.tick();
      const [delay = 0] = await waits(rig, now);
      delays.push(delay);
      rig.pass(delay);
      now += delay;
    }
    expect(delays.map((delay) => delay / 1_000)).toEqual([5, 10, 20, 40, 80, 160, 320, 600, 600]);
    expect(rig.warnings[0]).toMatch(/^an event is planned later: fetch from file:.* failed: .*Check the network/);
    await rename(`${rig.upstream.path}.away`, rig.upstream.path);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued']);
  });

  it('ends in an error after a day', async () => {
    await using rig = await makePlannerRig();
    await rename(rig.upstream.path, `${rig.upstream.path}.away`);
    await rig.push('main', absent);
    await rig.tick();
    rig.pass(24 * HOUR_MS);
    await rig.tick();
    expect(await rig.told()).toEqual([
      expect.stringMatching(/^\(none\) error\/checkout: gave up after 24 hours: fetch from /) as string,
    ]);
    expect(await rig.statuses()).toEqual([expect.stringMatching(/^hearth error: gave up after 24 hours/) as string]);
  });

  it('keeps the order of a repository: a close does not overtake the push that waits', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic', { '.hearth/ci.yml': ci });
    await rename(rig.upstream.path, `${rig.upstream.path}.away`);
    await rig.push('topic', sha);
    await rig.deleted('topic');
    await rig.tick();
    expect(await waits(rig, START)).toEqual([5_000, 5_000]);
    await rename(`${rig.upstream.path}.away`, rig.upstream.path);
    rig.pass(5_000);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci cancelled/cancelled_by: cancelled: topic was deleted']);
  });

  it('keeps that order also for what is received while the push waits', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic', { '.hearth/ci.yml': ci });
    await rename(rig.upstream.path, `${rig.upstream.path}.away`);
    await rig.push('topic', sha);
    await rig.tick();
    await rig.deleted('topic');
    await rig.tick();
    await rename(`${rig.upstream.path}.away`, rig.upstream.path);
    rig.pass(5_000);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci cancelled/cancelled_by: cancelled: topic was deleted']);
  });

  it('of one repository does not stop another', async () => {
    await using rig = await makePlannerRig();
    const other = rig.other('other', 2);
    await rig.push('main', absent);
    await rename(rig.upstream.path, `${rig.upstream.path}.away`);
    await rig.push('main', other.push('main', { '.hearth/ci.yml': ci }), other);
    await rig.tick();
    expect((await rig.runs()).map(({ run }) => run.repo.name)).toEqual(['other']);
  });

  it('includes a full disk, which is told as such in the end', async () => {
    await using rig = await makePlannerRig({
      git: (git) => ({
        ...git,
        fetch: () => Promise.resolve(failed({ kind: 'disk', message: 'no room. Free space.' })),
      }),
    });
    await rig.push('main', absent);
    await rig.tick();
    expect(await rig.told()).toEqual([]);
    rig.pass(24 * HOUR_MS);
    await rig.tick();
    expect(await rig.told()).toEqual(['(none) error/disk: gave up after 24 hours: no room. Free space.']);
  });

  it('includes what nobody foresaw', async () => {
    let isBroken = true;
    await using rig = await makePlannerRig({
      git: (git) => ({
        ...git,
        list: (...args) => (isBroken ? Promise.reject(new Error('a bug')) : git.list(...args)),
      }),
    });
    await rig.push('main', rig.upstream.push('main', { '.hearth/ci.yml': ci }));
    await rig.tick();
    expect(await rig.told()).toEqual([]);
    expect(rig.warnings).toEqual(['an event is planned later: planning failed: a bug']);
    isBroken = false;
    rig.pass(5_000);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued']);
  });
});

describe('a commit that the forge does not have', () => {
  it('is asked for a few times, since replicas may lag, and is then an error', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { a: '1' });
    await rig.push('main', absent);
    for (const delay of [5_000, 10_000, 20_000]) {
      await rig.tick();
      expect(await rig.told()).toEqual([]);
      rig.pass(delay);
    }
    await rig.tick();
    expect(await rig.told()).toEqual([
      '(none) error/checkout: the forge has no commit ddddddd. It may have been force-pushed away.',
    ]);
    expect(await rig.statuses()).toEqual([
      'hearth error: the forge has no commit ddddddd. It may have been force-pushed away.',
    ]);
  });

  it('is run when it turns up meanwhile', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { a: '1' });
    const sha = rig.upstream.commit({ '.hearth/ci.yml': ci });
    const hidden = `${rig.upstream.path}/objects/${sha.slice(0, 2)}/${sha.slice(2)}`;
    await rename(hidden, `${hidden}.hidden`);
    await rig.push('main', sha);
    await rig.tick();
    await rename(`${hidden}.hidden`, hidden);
    rig.upstream.ref('refs/heads/main', sha);
    rig.pass(5_000);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued']);
  });
});

describe('a store that fails', () => {
  it('fails the tick after the other repositories were planned, and nothing is lost', async () => {
    let isDown = true;
    await using rig = await makePlannerRig({
      store: (store) => ({
        ...store,
        unplannedIntakes: (now, limit) => store.unplannedIntakes(now, limit),
        applyPlan: (intake, plan, now) =>
          isDown && intake.repo.id === 1 ? Promise.reject(new Error('disk full')) : store.applyPlan(intake, plan, now),
      }),
    });
    const other = rig.other('other', 2);
    await rig.push('main', rig.upstream.push('main', { '.hearth/ci.yml': ci }));
    await rig.push('main', other.push('main', { '.hearth/ci.yml': ci }), other);
    await expect(rig.tick()).rejects.toThrow('the store did not take what was planned');
    expect((await rig.runs()).map(({ run }) => run.repo.id)).toEqual([2]);
    isDown = false;
    await rig.tick();
    expect((await rig.runs()).map(({ run }) => run.repo.id)).toEqual([2, 1]);
  });
});

describe('many events', () => {
  it('are all planned in one tick, in the order of receipt', async () => {
    // Git is left out: more than one batch of events would take it many seconds.
    await using rig = await makePlannerRig({
      git: (git) => ({
        ...git,
        fetch: ({ sha }) => Promise.resolve(success({ head: sha })),
        message: () => Promise.resolve(''),
        list: () => Promise.resolve(['.hearth/ci.yml']),
        read: () => Promise.resolve(ci),
      }),
    });
    const shas = Array.from({ length: 120 }, (_, index) => index.toString(16).padStart(40, '0'));
    for (const sha of shas) await rig.push('main', sha);
    await rig.tick();
    expect(await rig.store.unplannedIntakes(new Date('2040-01-01'), 10)).toEqual([]);
    expect((await rig.runs()).map(({ run }) => run.sha)).toEqual(shas.slice(-100));
  });
});

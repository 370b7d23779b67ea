import { describe, expect, it } from 'vitest';
import { startPoolsRig, type PoolsRig } from '../support/pools-rig.ts';

const labels = ['self-hosted', 'linux', 'X64'];
const states = async (rig: PoolsRig) => (await rig.live()).map(({ state }) => state).toSorted();

/** Always the same numbers for the same seed: https://en.wikipedia.org/wiki/Linear_congruential_generator */
function dice(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
}

describe('an outage of GitHub', () => {
  it('keeps its runners while GitHub does not answer, and goes on afterwards', async () => {
    const outage = { is: false };
    await using rig = await startPoolsRig({ fault: () => (outage.is ? 503 : undefined) });
    await rig.run({ 'min-idle': 2 });
    await rig.pass(10);
    const before = await rig.live();
    outage.is = true;
    // Longer than idle runners wait, than they live, and than what is in order is looked at again.
    await rig.pass(3 * 3600);
    expect(await rig.live()).toEqual(before);
    outage.is = false;
    await rig.pass(60);
    expect(await states(rig)).toEqual(['idle', 'idle']);
    expect(await rig.differences()).toEqual([]);
  }, 120_000);
});

describe('a Hearth that is killed', () => {
  it('at any call, before or after its effect, leaves nothing that the next one does not put right', async () => {
    const seen = new Set<string>();
    for (const when of ['before', 'after'] as const) {
      for (let call = 1; ; call++) {
        await using rig = await startPoolsRig();
        await rig.run({ max: 2 });
        rig.killAt(call, when);
        const job = rig.github.queue({ labels, ms: 3000 });
        await rig.pass(30);
        const wasKilled = rig.isDead();
        for (const { state } of await rig.live()) if (wasKilled) seen.add(state);
        rig.restart();
        // A list, what follows from it, and what follows from that.
        await rig.pass(10);
        expect({ when, call, differences: await rig.differences() }).toEqual({ when, call, differences: [] });
        await rig.pass(120);
        expect({ when, call, job: job.conclusion, states: await states(rig) }).toEqual({
          ...{ when, call, job: 'success', states: ['idle'] },
        });
        expect([rig.github.runners.size, rig.engine.containers.size]).toEqual([1, 1]);
        if (!wasKilled) break;
      }
    }
    expect([...seen].toSorted()).toEqual(['busy', 'idle', 'leaving', 'planned', 'registered', 'starting']);
  }, 300_000);
});

describe('500 jobs with faults on all sides', () => {
  it('all get a runner within two minutes, never more than the pool may have, and nothing is left', async () => {
    const roll = dice(23);
    const chance = (share: number): boolean => roll() < share;
    await using rig = await startPoolsRig({
      // A tenth of the registrations fails, half of those after GitHub made them.
      fault: ({ method }) => (method === 'POST' && chance(0.1) ? (chance(0.5) ? 502 : 'lost') : undefined),
      losesWebhook: () => chance(0.05),
      scripted: { startFails: () => (chance(0.02) ? (chance(0.5) ? 'before' : 'after') : undefined) },
    });
    const max = 100;
    await rig.run({ max, 'min-idle': 2 });
    await rig.pass(10);
    const jobs = Array.from({ length: 500 }, () => rig.github.queue({ labels, ms: 8000, crashes: chance(0.1) }));
    let most = 0;
    await rig.pass(240, async () => {
      most = Math.max(most, rig.github.runners.size, rig.engine.containers.size, (await rig.live()).length);
    });
    const waits = jobs.map(({ createdAt, startedAt }) => (startedAt?.getTime() ?? Infinity) - createdAt.getTime());
    expect(Math.max(...waits)).toBeLessThanOrEqual(120_000);
    expect(most).toBeGreaterThan(50);
    expect(most).toBeLessThanOrEqual(max);
    await rig.store.wishPool('p', 'stopped', rig.clock.now());
    await rig.pass(600);
    expect([rig.github.runners.size, rig.engine.containers.size, await rig.live()]).toEqual([0, 0, []]);
  }, 300_000);
});

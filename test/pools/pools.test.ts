import { describe, expect, it } from 'vitest';
import { startPoolsRig, type PoolsRig } from '../support/pools-rig.ts';

const labels = ['self-hosted', 'linux', 'X64'];
const states = async (rig: PoolsRig) => (await rig.live()).map(({ state }) => state).toSorted();

describe('a pool', () => {
  it('keeps a runner waiting, gives it to the first job, and puts another in its place at once', async () => {
    await using rig = await startPoolsRig();
    await rig.run({ max: 3 });
    await rig.pass(10);
    expect(await states(rig)).toEqual(['idle']);
    const job = rig.github.queue({ labels, ms: 30_000 });
    await rig.pass(10);
    expect(job).toMatchObject({ state: 'in_progress', runner: expect.stringMatching(/^hearth-p-/) as string });
    expect(await states(rig)).toEqual(['busy', 'idle']);
    await rig.pass(60);
    expect(job).toMatchObject({ state: 'completed', conclusion: 'success' });
    expect(await states(rig)).toEqual(['idle']);
    expect(await rig.differences()).toEqual([]);
    const { rules, usage } = await rig.store.poolHistory('p', 10);
    expect(rules.map(({ rule, count }) => [rule, count])).toEqual([['finished', 1]]);
    expect(usage).toMatchObject({ jobs: 1, minutes: 1 });
  });

  it('registers nothing when the repository is public and nobody said that this is meant', async () => {
    await using rig = await startPoolsRig({ isPublic: true });
    await rig.run({});
    await rig.pass(20);
    const [record] = await rig.store.pools();
    expect(record?.condition).toMatchObject({
      state: 'refused',
      message: expect.stringContaining('octo/app is public') as string,
    });
    expect(rig.github.runners.size).toBe(0);
    await rig.run({ 'allow-public': true });
    await rig.pass(20);
    expect(rig.github.runners.size).toBe(1);
  });

  it.each([
    [
      'a token without the right scope',
      { scopes: 'public_repo' },
      {},
      'the token has the scopes public_repo, and runners need `repo`',
    ],
    [
      'a repository that is not there',
      {},
      { repos: ['octo/none'] },
      'The repository is gone or the credential cannot see it',
    ],
    [
      'more cores than the box has',
      { cpus: 4 },
      { size: { cpus: 8, memory: '1g', disk: '1g' } },
      '`size.cpus` is 8, and this box has 2',
    ],
    [
      'more runners than the box holds',
      { cpus: 4 },
      { max: 3, 'min-idle': 0 },
      '3 runners are more than the box has room for',
    ],
  ] as const)('with %s registers nothing and says why', async (_what, options, written, expected) => {
    await using rig = await startPoolsRig(options);
    await rig.run(written);
    await rig.pass(20);
    const [record] = await rig.store.pools();
    expect(record?.condition.state).toBe('refused');
    expect(record?.condition.message).toContain(expected);
    expect(rig.github.asked.filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  it('lets jobs go on when it is stopped, and leaves nothing behind', async () => {
    await using rig = await startPoolsRig();
    await rig.run({ max: 4, 'min-idle': 2 });
    await rig.pass(10);
    const job = rig.github.queue({ labels, ms: 30_000 });
    await rig.pass(10);
    await rig.store.wishPool('p', 'stopped', rig.clock.now());
    await rig.pass(10);
    expect(await states(rig)).toEqual(['busy']);
    await rig.pass(40);
    expect(job.conclusion).toBe('success');
    expect([await states(rig), rig.github.runners.size, rig.engine.containers.size]).toEqual([[], 0, 0]);
  });

  it('is forgotten once it was emptied', async () => {
    await using rig = await startPoolsRig();
    await rig.run({});
    await rig.pass(10);
    await rig.store.wishPool('p', 'removed', rig.clock.now());
    await rig.pass(10);
    expect([await rig.store.pools(), rig.github.runners.size, rig.engine.containers.size]).toEqual([[], 0, 0]);
  });

  it('makes its runners anew when it is defined otherwise, but not for another number of them', async () => {
    await using rig = await startPoolsRig();
    await rig.run({ max: 2 });
    await rig.pass(10);
    const [before] = await rig.live();
    await rig.run({ max: 3 });
    await rig.pass(10);
    expect((await rig.live()).map(({ name }) => name)).toEqual([before?.name]);
    await rig.run({ max: 3, labels: ['gpu'] });
    await rig.pass(15);
    const after = await rig.live();
    expect(after).toHaveLength(1);
    expect(after[0]?.name).not.toBe(before?.name);
    expect([...rig.github.runners.values()].map(({ labels: has }) => has.includes('gpu'))).toEqual([true]);
  });

  it('learns of a job that no webhook told', async () => {
    await using rig = await startPoolsRig({ losesWebhook: () => true });
    await rig.run({ 'min-idle': 0 });
    await rig.pass(10);
    const job = rig.github.queue({ labels, ms: 1000 });
    await rig.pass(60);
    expect(job.state).toBe('completed');
    // Nobody told that it was taken, so a second runner may have been started for it.
    await rig.pass(420);
    expect([await states(rig), await rig.store.openWorkflowJobs(10)]).toEqual([[], []]);
  });

  it('replaces a runner that never came online, and tries less and less often when none does', async () => {
    const broken = { is: true };
    await using rig = await startPoolsRig({ scripted: { diesAtStart: () => broken.is } });
    await rig.run({});
    await rig.pass(600);
    const { rules } = await rig.store.poolHistory('p', 1);
    expect(rules.map(({ rule }) => rule)).toEqual(['died-at-start']);
    expect(rules[0]?.count).toBeGreaterThan(4);
    expect(rules[0]?.count).toBeLessThan(15);
    expect(rig.said.some((line) => line.includes('its last lines: its last line'))).toBe(true);
    broken.is = false;
    await rig.pass(400);
    expect(await states(rig)).toEqual(['idle']);
    expect(await rig.differences()).toEqual([]);
  });

  it('takes away what a Hearth of this box left, and nothing of anybody else', async () => {
    await using rig = await startPoolsRig();
    await rig.run({});
    await rig.pass(10);
    const [mine] = [...rig.github.runners.values()];
    if (mine === undefined) throw new Error('no runner');
    const all = rig.github.runners as Map<number, typeof mine>;
    all.set(9001, { ...mine, id: 9001, name: 'hearth-p-00ff', isOnline: false });
    all.set(9002, {
      ...mine,
      id: 9002,
      name: 'somebody-else',
      labels: ['self-hosted', 'hearth-ffff0000'],
      isOnline: false,
    });
    await rig.pass(40);
    expect([...all.keys()].toSorted()).toEqual([mine.id, 9002].toSorted());
    const { rules } = await rig.store.poolHistory('p', 1);
    expect(rules).toMatchObject([{ rule: 'orphan-registration', count: 1 }]);
  });
});

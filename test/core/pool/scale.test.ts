import { describe, expect, it } from 'vitest';
import { labelsOfPool } from '../../../src/core/pool/pool.ts';
import { scale, type PoolState, type ScaleParts, type WaitingJob } from '../../../src/core/pool/scale.ts';
import type { Runner } from '../../../src/core/pool/runner.ts';
import { GIB, makePool, makeRunner } from '../../support/make-pool.ts';

const now = new Date(1_000_000);
const ago = (ms: number): Date => new Date(now.getTime() - ms);
const size = { cpus: 1, memoryBytes: GIB, diskBytes: GIB };
const plenty = { cpus: 100, memoryBytes: 100 * GIB, diskBytes: 100 * GIB };
const nothing = { cpus: 0, memoryBytes: 0, diskBytes: 0 };

function state(more: Parameters<typeof makePool>[0] = {}, rest: Partial<PoolState> = {}): PoolState {
  const pool = makePool({ minIdle: 0, ...more });
  return {
    ...{ pool, labels: labelsOfPool(pool, 'linux/amd64', 'abcd1234'), fingerprint: 'f', wish: 'running' },
    ...{ isReady: true, most: 10, size, isEmulated: false, notBefore: null },
    ...rest,
  };
}

let ids = 0;
function waiting(count: number, more: { labels?: string[]; name?: string; since?: Date } = {}): WaitingJob[] {
  const { labels = ['self-hosted'], name = 'app', since = now } = more;
  return Array.from({ length: count }, () => ({
    job: { id: (ids += 1), labels, repo: { id: 1, owner: 'octo', name } },
    since,
  }));
}

function plan(more: Partial<ScaleParts>) {
  const parts = { pools: [state()], runners: [], waiting: [], room: plenty, capacity: plenty, held: nothing };
  const { starts, leaves } = scale({ ...parts, pressing: null, now, ...more });
  return { starts: starts.map(({ pool }) => pool), leaves: leaves.map(({ runner, rule }) => [runner.name, rule]) };
}

function idle(count: number, more: Partial<Runner> = {}): Runner[] {
  return Array.from({ length: count }, () => makeRunner({ onlineAt: now, ...more }));
}

describe('waiting jobs', () => {
  it('get a runner each, as far as none is there for them', () => {
    expect(plan({ waiting: waiting(3) }).starts).toHaveLength(3);
    expect(plan({ waiting: waiting(3), runners: idle(2) }).starts).toHaveLength(1);
    expect(plan({ waiting: waiting(3), runners: idle(3, { state: 'busy' }) }).starts).toHaveLength(3);
  });

  it('never get more runners than the pool may have, busy ones included', () => {
    const runners = idle(8, { state: 'busy' });
    expect(plan({ waiting: waiting(9), runners }).starts).toHaveLength(2);
    expect(plan({ waiting: waiting(9), runners: idle(10, { state: 'leaving' }) }).starts).toEqual([]);
  });

  it('never get more than the box has beside jobs of pipelines', () => {
    const room = { cpus: 4, memoryBytes: 100 * GIB, diskBytes: 100 * GIB };
    expect(plan({ waiting: waiting(9), room }).starts).toHaveLength(4);
    expect(plan({ waiting: waiting(9), room, held: { ...nothing, cpus: 2.5 } }).starts).toHaveLength(1);
  });

  it.each([
    ['lazy', 4, 0, 0],
    ['lazy', 5, 0, 5],
    ['lazy', 1, 120_000, 1],
    ['balanced', 1, 0, 0],
    ['balanced', 2, 0, 2],
    ['balanced', 1, 60_000, 1],
    ['aggressive', 1, 0, 1],
  ] as const)('in a %s pool: %d of them after %d ms start %d runners', (scaling, count, ms, expected) => {
    const pools = [state({ scaling })];
    expect(plan({ pools, waiting: waiting(count, { since: ago(ms) }) }).starts).toHaveLength(expected);
  });

  it('are counted once when two pools could take them: the native one first, then whoever has room', () => {
    const native = state({ name: 'native' }, { most: 1 });
    const slow = state({ name: 'slow' }, { isEmulated: true });
    expect(plan({ pools: [slow, native], waiting: waiting(3) }).starts.toSorted()).toEqual(['native', 'slow', 'slow']);
  });

  it('are for the repository they belong to', () => {
    const pools = [state({ repos: ['octo/app', 'octo/web'] })];
    const runners = idle(2);
    expect(plan({ pools, runners, waiting: waiting(2, { name: 'web' }) }).starts).toHaveLength(2);
  });

  it('start nothing in a pool that is stopped, not ready, or to wait after failures', () => {
    const none = (more: Partial<PoolState>) =>
      plan({ pools: [state({ minIdle: 2 }, more)], waiting: waiting(2) }).starts;
    expect(none({ wish: 'stopped' })).toEqual([]);
    expect(none({ isReady: false })).toEqual([]);
    expect(none({ notBefore: new Date(now.getTime() + 1) })).toEqual([]);
    expect(none({ notBefore: now })).toHaveLength(4);
  });
});

describe('the floor', () => {
  it('counts runners that nobody waits for', () => {
    const pools = [state({ minIdle: 2 })];
    expect(plan({ pools }).starts).toHaveLength(2);
    expect(plan({ pools, runners: idle(2) }).starts).toEqual([]);
    expect(plan({ pools, runners: idle(2), waiting: waiting(1) }).starts).toHaveLength(1);
  });

  it('is kept for each repository', () => {
    const pools = [state({ minIdle: 1, repos: ['octo/app', 'octo/web'] })];
    expect(plan({ pools }).starts).toHaveLength(2);
  });

  it('is no way around the threshold', () => {
    const pools = [state({ minIdle: 1, scaling: 'lazy' })];
    expect(plan({ pools, runners: idle(1), waiting: waiting(3) }).starts).toEqual([]);
  });

  it('comes after jobs that wait', () => {
    const pools = [state({ name: 'floor', minIdle: 5 }), state({ name: 'busy', labels: ['gpu'] })];
    const room = { ...plenty, cpus: 1 };
    expect(plan({ pools, room, waiting: waiting(1, { labels: ['gpu'] }) }).starts).toEqual(['busy']);
  });
});

describe('a runner without a job', () => {
  it('stays for a while, then leaves when it is more than the floor; the oldest first', () => {
    const [old, older, young] = [
      makeRunner({ name: 'old', onlineAt: ago(400_000) }),
      makeRunner({ name: 'older', onlineAt: ago(500_000) }),
      makeRunner({ name: 'young', onlineAt: ago(10_000) }),
    ];
    const pools = [state({ minIdle: 1 })];
    expect(plan({ pools, runners: [young, old, older] }).leaves).toEqual([
      ['older', 'surplus'],
      ['old', 'surplus'],
    ]);
    expect(plan({ pools, runners: [old, older] }).leaves).toEqual([['older', 'surplus']]);
    expect(plan({ pools, runners: [old, older], waiting: waiting(1) }).leaves).toEqual([]);
  });

  it('leaves when its pool is stopped, forgotten, or defined otherwise now; with a job it stays', () => {
    const [one, busy] = [makeRunner({ name: 'one' }), makeRunner({ name: 'busy', state: 'busy' })];
    expect(plan({ pools: [state({}, { wish: 'stopped' })], runners: [one, busy] }).leaves).toEqual([
      ['one', 'pool-stopped'],
    ]);
    expect(plan({ pools: [], runners: [one, busy] }).leaves).toEqual([['one', 'pool-stopped']]);
    expect(plan({ pools: [state({}, { fingerprint: 'g' })], runners: [one, busy] }).leaves).toEqual([
      ['one', 'pool-changed'],
    ]);
  });

  it('stays while GitHub cannot be asked whether the pool is in order', () => {
    expect(plan({ pools: [state({ minIdle: 1 }, { isReady: false })], runners: idle(1) }).leaves).toEqual([]);
  });
});

describe('a job of a pipeline that waits for what runners hold', () => {
  const capacity = { ...plenty, cpus: 4 };
  const pressing = { wants: { ...nothing, cpus: 2 }, since: now };

  it('gets as much of it as it needs from runners without a job, whatever the floor says', () => {
    const runners = idle(4);
    const pools = [state({ minIdle: 4 })];
    expect(plan({ pools, runners, capacity, pressing })).toEqual({
      starts: [],
      leaves: runners.slice(0, 2).map(({ name }) => [name, 'gives-way']),
    });
  });

  it('disturbs nobody when it would not help, when there is enough, or when enough is on its way', () => {
    const runners = idle(4);
    expect(plan({ runners, capacity, pressing: { ...pressing, wants: { ...nothing, cpus: 5 } } }).leaves).toEqual([]);
    expect(plan({ runners, capacity: plenty, pressing }).leaves).toEqual([]);
    const leaving = [...idle(2), ...idle(2, { state: 'leaving' })];
    expect(plan({ runners: leaving, capacity, pressing }).leaves).toEqual([]);
  });

  it('takes no runner from a job that waits for it', () => {
    expect(plan({ runners: idle(4), waiting: waiting(3), capacity, pressing }).leaves).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import type { NewRunner, PoolCondition } from '../../../src/core/pool/pool-store.ts';
import type { RunnerState } from '../../../src/core/pool/runner.ts';
import type { Store } from '../../../src/core/ports.ts';
import { GIB, makePool } from '../../support/make-pool.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at, claimIn, jobIn, planned, runIn } from '../support.ts';
import { workflowJob } from './workflows.ts';

const size = { cpus: 2, memoryBytes: GIB, diskBytes: GIB };
const room = { cpus: 4, memoryBytes: 10 * GIB, diskBytes: 10 * GIB };

function newRunner(name: string, more: Partial<NewRunner> = {}): NewRunner {
  return {
    ...{ name, pool: 'p', fingerprint: 'f', scope: { repo: 'octo/app' }, platform: 'linux/amd64', size },
    ...{ isEmulated: false, ...more },
  };
}

async function walk(store: Store, name: string, ...states: readonly RunnerState[]): Promise<void> {
  for (const state of states) {
    const [runner] = (await store.runners(10)).filter((one) => one.name === name);
    if (runner === undefined) throw new Error(`no runner ${name}`);
    expect(await store.changeRunner(runner.id, runner.state, { state, reason: 'finished' }, at(9))).toBe(true);
  }
}

export function poolContract(open: OpenEmptyStore): void {
  describe('a pool', () => {
    const store = freshStore(open);

    it('is written down once, and keeps what was wished of it when it is written again', async () => {
      expect(await store().savePool(makePool(), 'file', 'running', at(1))).toBe('new');
      expect(await store().savePool(makePool(), 'file', null, at(2))).toBe('same');
      await store().wishPool('p', 'stopped', at(3));
      expect(await store().savePool(makePool({ max: 5 }), 'file', null, at(4))).toBe('changed');
      expect(await store().pools()).toMatchObject([
        { pool: { name: 'p', max: 5 }, source: 'file', wish: 'stopped', condition: { state: 'unchecked' } },
      ]);
      expect(await store().wishPool('other', 'running', at(5))).toBe(false);
    });

    it('has another fingerprint only when its runners would be made otherwise', async () => {
      const prints: string[] = [];
      for (const pool of [makePool(), makePool({ max: 9, minIdle: 3 }), makePool({ labels: ['gpu'] })]) {
        await store().savePool(pool, 'added', 'running', at(1));
        prints.push((await store().pools())[0]?.fingerprint ?? '');
      }
      expect(prints[1]).toBe(prints[0]);
      expect(prints[2]).not.toBe(prints[0]);
    });

    it('shows what was found of it only as long as it is the same pool', async () => {
      await store().savePool(makePool(), 'added', 'running', at(1));
      const fingerprint = (await store().pools())[0]?.fingerprint ?? '';
      const condition: PoolCondition = { state: 'ready', message: 'fine', at: at(2), fingerprint, seen: null };
      expect(await store().notePool('p', condition)).toBe(true);
      expect((await store().pools())[0]?.condition).toEqual(condition);
      await store().savePool(makePool({ labels: ['gpu'] }), 'added', 'running', at(3));
      expect((await store().pools())[0]?.condition.state).toBe('unchecked');
      expect(await store().notePool('p', condition)).toBe(false);
    });

    it('is forgotten only when it is to be removed and none of its runners is left', async () => {
      await store().savePool(makePool(), 'added', 'running', at(1));
      await store().planRunners('w', [newRunner('a')], room, at(1));
      expect(await store().forgetPool('p')).toBe(false);
      await store().wishPool('p', 'removed', at(2));
      expect(await store().forgetPool('p')).toBe(false);
      await walk(store(), 'a', 'leaving', 'gone');
      expect(await store().forgetPool('p')).toBe(true);
      expect(await store().pools()).toEqual([]);
    });

    it('tells what its runners did, how they ended, and what was seen of them', async () => {
      await store().planRunners('w', [newRunner('a'), newRunner('b')], room, at(1));
      await walk(store(), 'a', 'leaving', 'gone');
      const job = workflowJob({
        id: 31,
        runner: 'a',
        state: 'completed',
        conclusion: 'success',
        workflow: 'build-images',
      });
      const done = { ...job, startedAt: new Date(60_000), completedAt: new Date(150_000) };
      const other = { ...done, id: 32, runner: 'somebody else' };
      await store().recordWorkflowNews(
        [
          { kind: 'job', job: done },
          { kind: 'job', job: other },
        ],
        at(9),
      );
      const history = await store().poolHistory('p', 10);
      expect(history).toMatchObject({
        rules: [{ rule: 'finished', count: 1 }],
        jobs: [{ id: 31 }],
        usage: { jobs: 1, ms: 90_000, minutes: 2, since: new Date(60_000) },
        ...{ registered: null, online: null, imagesBuilt: { id: 31 } },
      });
      expect((await store().poolHistory('q', 10)).usage).toEqual({ jobs: 0, ms: 0, minutes: 0, since: null });
    });
  });

  describe('a runner', () => {
    const store = freshStore(open);

    it('is put on record only as far as there is room beside runners and jobs of pipelines', async () => {
      const { run } = await runIn(store(), planned(['build']));
      await claimIn(store(), run.id, 'build');
      const made = await store().planRunners(
        'w',
        ['a', 'b', 'c'].map((name) => newRunner(name)),
        room,
        at(1),
      );
      expect(made.map(({ name, state }) => [name, state])).toEqual([
        ['a', 'planned'],
        ['b', 'planned'],
      ]);
      expect(await store().planRunners('w', [newRunner('d')], room, at(1))).toEqual([]);
      expect(await store().planRunners('v', [newRunner('d')], room, at(1))).toHaveLength(1);
      await walk(store(), 'a', 'leaving', 'gone');
      expect(await store().planRunners('w', [newRunner('e')], room, at(2))).toHaveLength(1);
    });

    it('takes from what jobs of pipelines may have, and none of those is claimed into it', async () => {
      const capacity = { cpus: 4, memoryBytes: 10 * GIB, diskBytes: 10 * GIB };
      await store().renewWorker({ id: 'w', slots: 4, capacity, details: {} }, at(60), at(0));
      await store().planRunners('w', [newRunner('a'), newRunner('b')], room, at(1));
      expect((await store().snapshot()).workers).toMatchObject([{ lent: { cpus: 4, memoryBytes: 2 * GIB } }]);
      const spec = planned(['big']);
      const [job] = spec.jobs;
      if (job === undefined) throw new Error('no job');
      const resources = { cpus: 1, memoryBytes: null, diskBytes: null, pids: null };
      const { run } = await runIn(store(), { ...spec, jobs: [{ ...job, spec: { ...job.spec, resources } }] });
      const { id } = await jobIn(store(), run.id, 'big');
      await store().apply([{ job: id, attempt: 0, action: 'queue' }], at(2));
      const claim = { job: id, attempt: 0, action: 'claim', worker: 'w', leaseUntil: at(50) } as const;
      expect(await store().apply([claim], at(3))).toBe(0);
      expect((await store().poolSnapshot('w')).pressing).toMatchObject({ wants: { cpus: 1 } });
      await walk(store(), 'a', 'leaving', 'gone');
      expect(await store().apply([claim], at(4))).toBe(1);
      expect(await store().poolSnapshot('w')).toMatchObject({ pressing: null, held: { cpus: 1 } });
    });

    it('goes from state to state by compare-and-set, and only along the edges', async () => {
      const [runner] = await store().planRunners('w', [newRunner('a')], room, at(1));
      const id = runner?.id ?? 0;
      expect(await store().changeRunner(id, 'planned', { state: 'registered', githubId: 7 }, at(2))).toBe(true);
      expect(await store().changeRunner(id, 'planned', { state: 'registered' }, at(3))).toBe(false);
      await expect(store().changeRunner(id, 'registered', { state: 'busy' }, at(3))).rejects.toThrow('cannot go');
      const change = { state: 'starting', container: 'c', startedAt: at(4) } as const;
      expect(await store().changeRunner(id, 'registered', change, at(4))).toBe(true);
      expect(await store().changeRunner(id, 'starting', { odd: 'never-online', oddAt: at(5) }, at(5))).toBe(true);
      expect(await store().runners(10)).toMatchObject([
        {
          ...{ state: 'starting', githubId: 7, container: 'c', startedAt: at(4), changedAt: at(4) },
          ...{ odd: 'never-online', oddAt: at(5), isReleased: false },
        },
      ]);
    });

    it('is known to have a job as soon as that was heard of', async () => {
      await store().planRunners('w', [newRunner('a'), newRunner('b')], room, at(1));
      const waiting = workflowJob({ id: 40 });
      const running = workflowJob({ id: 41, state: 'in_progress', runner: 'b' });
      await store().recordWorkflowNews(
        [
          { kind: 'job', job: waiting },
          { kind: 'job', job: running },
        ],
        at(2),
      );
      const snapshot = await store().poolSnapshot('w');
      expect([...snapshot.withJob]).toEqual(['b']);
      expect(snapshot.waiting).toMatchObject([{ job: { id: 40 }, since: at(2) }]);
      expect((await store().openWorkflowJobs(10)).map(({ id }) => id)).toEqual([40, 41]);
    });

    it('of another box is not shown', async () => {
      await store().planRunners('w', [newRunner('a')], room, at(1));
      expect((await store().poolSnapshot('v')).runners).toEqual([]);
    });
  });
}

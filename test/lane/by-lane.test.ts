import { expect, it } from 'vitest';
import type { Claim, ExecutionSignals, Executor } from '../../src/core/ports.ts';
import { byLane } from '../../src/lane/by-lane.ts';
import { createQueues } from '../../src/lane/queues.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const lane = { kind: 'github' as const, workflow: 'build.yml', inputs: {} };
const claimOf = (name: string, spec: object = {}): Claim => ({
  ...{ job: makeJob(name, { spec: makeSpec(name, spec) }), run: makeRun(), context: makeContext() },
  ...{ needs: {}, artifacts: [], stop: null },
});
const signals: ExecutionSignals = {
  ...{ stop: new AbortController().signal, detach: new AbortController().signal },
  started: () => undefined,
  published: () => Promise.resolve(),
};
const [here, there] = [claimOf('here'), claimOf('there', { lane })];

function noting(name: string, calls: string[]): Executor {
  return {
    execute({ job }) {
      calls.push(`${name} executes ${job.name}`);
      return Promise.resolve(undefined);
    },
    release({ job }) {
      calls.push(`${name} releases ${job.name}`);
      return Promise.resolve();
    },
    sweep(claims) {
      calls.push(`${name} sweeps ${claims.map(({ job }) => job.name).join(' ')}`);
      return Promise.resolve();
    },
  };
}

it('each job goes to the executor of its lane, with all that is asked of it', async () => {
  const calls: string[] = [];
  const executor = byLane({ here: noting('docker', calls), github: noting('github', calls) });
  for (const claim of [here, there]) {
    await executor.execute(claim, signals);
    await executor.release(claim);
  }
  await executor.sweep([here, there]);
  expect(calls).toEqual([
    ...['docker executes here', 'docker releases here', 'github executes there', 'github releases there'],
    ...['docker sweeps here', 'github sweeps there'],
  ]);
});

it('where no workflow can be started, the job is skipped with the reason', async () => {
  const finish = await byLane({ here: noting('docker', []), github: null }).execute(there, signals);
  expect(finish).toMatchObject({ outcome: { result: 'skipped', reason: 'condition' }, evidence: null });
});

it('a queue has one inside at a time, in order, also past one that went away', async () => {
  const queues = createQueues();
  const [open, gone] = [new AbortController(), new AbortController()];
  const order: string[] = [];
  const first = await queues.enter('a', open.signal);
  const second = queues.enter('a', gone.signal).then((leave) => order.push(leave === undefined ? 'gone' : 'second'));
  const third = queues.enter('a', open.signal).then((leave) => {
    order.push('third');
    leave?.();
  });
  (await queues.enter('b', open.signal))?.();
  gone.abort(new Error('over'));
  await second;
  expect(order).toEqual(['gone']);
  first?.();
  await third;
  expect(order).toEqual(['gone', 'third']);
  expect(await queues.enter('a', gone.signal)).toBeUndefined();
  expect(await queues.enter('a', open.signal)).toBeDefined();
});

import { expect, test } from 'vitest';
import type { Forge, ForgeTrouble, OutgoingStatus } from '../src/core/ports.ts';
import { failed, success, type Result } from '../src/core/result.ts';
import { createReporter } from '../src/reporter.ts';
import { startEngineRig } from './support/engine-rig.ts';
import { makeStatus } from './support/make-status.ts';
import { createOutbox } from './support/outbox.ts';
import { virtualClock } from './support/virtual-clock.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

type Answer = (status: OutgoingStatus) => Result<void, ForgeTrouble>;

function setUp(answer: Answer, { fraction = 0.5 } = {}) {
  const clock = virtualClock();
  const outbox = createOutbox();
  const calls: OutgoingStatus[] = [];
  const troubles: ForgeTrouble[] = [];
  const forge: Forge = {
    setStatus(status) {
      calls.push(status);
      return Promise.resolve(answer(status));
    },
  };
  const report = createReporter({
    store: outbox,
    forge,
    clock,
    random: { hex: () => '', fraction: () => fraction },
    targetUrl: ({ sha }) => `https://ci.example/logs/${sha}`,
    sleep: clock.sleep,
    onTrouble: (trouble) => troubles.push(trouble),
  });
  return { clock, outbox, calls, troubles, tick: () => report(new AbortController().signal) };
}

test('sends everything that is unsent, a second apart, and writes it down', async () => {
  const { clock, outbox, calls, tick } = setUp(() => success(undefined));
  for (let id = 1; id <= 3; id++) outbox.want(makeStatus({ id, context: `c${id}` }));
  const before = clock.monotonicMs();
  await tick();
  expect(calls.map(({ id }) => id)).toEqual([1, 2, 3]);
  expect(clock.monotonicMs() - before).toBe(2000);
  expect(await outbox.unsentStatuses(clock.now(), 10)).toEqual([]);
});

test('tells the forge where the status leads', async () => {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const outbox = createOutbox();
  outbox.want(makeStatus());
  const clock = virtualClock();
  const forge: Forge = {
    setStatus: (_status, url) => {
      resolve(url);
      return Promise.resolve(success(undefined));
    },
  };
  const parts = {
    store: outbox,
    forge,
    clock,
    random: { hex: () => '', fraction: () => 0 },
    sleep: clock.sleep,
    onTrouble: () => undefined,
  };
  await createReporter({ ...parts, targetUrl: ({ runId }) => `https://ci.example/${runId}` })(
    new AbortController().signal,
  );
  expect(await promise).toBe('https://ci.example/1');
});

test('what changed while it was under way is sent again', async () => {
  const { outbox, calls, tick } = setUp((status) => {
    if (status.version === 1) outbox.want(makeStatus({ version: 2, state: 'success' }));
    return success(undefined);
  });
  outbox.want(makeStatus({ version: 1 }));
  await tick();
  expect(calls.map(({ state }) => state)).toEqual(['pending', 'success']);
});

test('what the forge refuses is never sent again, and does not hold up the rest', async () => {
  const { outbox, calls, troubles, tick } = setUp(({ id }) =>
    id === 1 ? failed({ kind: 'refused', message: 'no such commit' }) : success(undefined),
  );
  outbox.want(makeStatus({ id: 1, context: 'a' }));
  outbox.want(makeStatus({ id: 2, context: 'b' }));
  await tick();
  await tick();
  expect(calls.map(({ id }) => id)).toEqual([1, 2]);
  expect(outbox.failures).toEqual([{ id: 1, why: 'no such commit', retryAt: 'never' }]);
  expect(troubles).toEqual([{ kind: 'refused', message: 'no such commit' }]);
});

test('a passing failure holds everything up, and the tick ends so that the loop can wait', async () => {
  let isDown = true;
  const { clock, outbox, calls, tick } = setUp(
    () => (isDown ? failed({ kind: 'retry', message: 'reset' }) : success(undefined)),
    { fraction: 0 },
  );
  for (let id = 1; id <= 5; id++) outbox.want(makeStatus({ id, context: `c${id}` }));
  for (let round = 0; round < 4; round++) {
    await tick();
    clock.advance(2000);
  }
  const during = calls.length;
  expect(during).toBeLessThanOrEqual(4);
  isDown = false;
  clock.advance(10 * MINUTE);
  await tick();
  expect(outbox.unsent.size).toBe(0);
  expect(calls.length).toBe(during + 5);
});

test('a status that never passes does not keep the others from passing', async () => {
  const { clock, outbox, calls, tick } = setUp(({ id }) =>
    id === 1 ? failed({ kind: 'retry', message: 'odd' }) : success(undefined),
  );
  outbox.want(makeStatus({ id: 1, context: 'poison', rank: 0 }));
  for (let id = 2; id <= 40; id++) outbox.want(makeStatus({ id, context: `c${id}`, rank: 3 }));
  for (let round = 0; round < 100; round++) {
    await tick();
    clock.advance(5000);
  }
  expect(new Set(calls.map(({ id }) => id)).size).toBe(40);
  expect(calls.filter(({ id }) => id === 1).length).toBeLessThan(15);
});

test('without a credential nothing is sent and everything stays recorded, without asking again', async () => {
  const { outbox, clock, calls, troubles, tick } = setUp(() =>
    failed({ kind: 'unconfigured', message: 'set GITHUB_TOKEN' }),
  );
  outbox.want(makeStatus());
  await tick();
  clock.advance(HOUR);
  await tick();
  expect(calls).toHaveLength(1);
  expect(troubles).toHaveLength(1);
  expect(outbox.failures).toEqual([]);
  expect(await outbox.unsentStatuses(clock.now(), 10)).toHaveLength(1);
});

test('when it has to leave, what was interrupted is not counted as a failure', async () => {
  const leave = new AbortController();
  const outbox = createOutbox();
  outbox.want(makeStatus());
  const clock = virtualClock();
  const forge: Forge = {
    setStatus: (_status, _url, signal) => {
      leave.abort();
      return Promise.resolve(signal?.aborted ? failed({ kind: 'retry', message: 'aborted' }) : success(undefined));
    },
  };
  await createReporter({
    store: outbox,
    forge,
    clock,
    random: { hex: () => '', fraction: () => 0 },
    targetUrl: () => null,
    sleep: clock.sleep,
    onTrouble: () => undefined,
  })(leave.signal);
  expect(outbox.failures).toEqual([]);
  expect(outbox.unsent.size).toBe(1);
});

test('on a real store, every status of a run is sent in the end and the last word on each context is final', async () => {
  await using rig = await startEngineRig();
  const id = await rig.run({ build: [], test: ['build'] });
  for (const job of ['build', 'test']) (await rig.executor.next(job)).end();
  const run = await rig.finished(id);
  const clock = virtualClock(new Date());
  const last = new Map<string, string>();
  const forge: Forge = {
    setStatus: ({ context, state }) => {
      last.set(context, state);
      return Promise.resolve(success(undefined));
    },
  };
  await createReporter({
    store: rig.store,
    forge,
    clock,
    random: { hex: () => '', fraction: () => 0 },
    targetUrl: () => null,
    sleep: clock.sleep,
    onTrouble: () => undefined,
  })(new AbortController().signal);
  expect(run.run.outcome?.result).toBe('success');
  expect(Object.fromEntries(last)).toEqual({
    'hearth/main': 'success',
    'hearth/main/build': 'success',
    'hearth/main/test': 'success',
  });
  expect(await rig.store.unsentStatuses(clock.now(), 10)).toEqual([]);
});

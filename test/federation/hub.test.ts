/** The hub over real sockets with a real database: pushing, pulling, and what tenants can see of each other. */
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { namesOn, startHubRig } from '../support/federation-rig.ts';

test('an episode that was pushed reaches the others of the tenant, and its digest with it', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  const tester = await rig.connect('red/tester');
  const episode = coder.episode(1, { task: '<b>quoting</b> " \\ \u2028' });
  expect(await coder.push(episode)).toMatchObject({ type: 'ack', through: 1 });
  const page = await tester.pull();
  expect(page).toMatchObject({ type: 'page', episodes: [{ agent: 'coder', episode }], more: false });
});

test('a pull brings what the clock has not seen, the own episodes of an agent that lost them too', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  const tester = await rig.connect('red/tester');
  await coder.push(coder.episode(1), coder.episode(2), coder.episode(3));
  await tester.push(tester.episode(1));
  expect(namesOn(await tester.pull({ coder: 1, tester: 1 }))).toEqual(['coder 2', 'coder 3']);
  expect(namesOn(await tester.pull({ coder: 3 }))).toEqual(['tester 1']);
  expect(namesOn(await tester.pull({ coder: 3, tester: 1 }))).toEqual([]);
  expect(namesOn(await tester.pull({ coder: 99, tester: 1, constructor: 5 }))).toEqual([]);
});

test('a pull comes in pages, and says when there is more', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  await coder.push(...[1, 2, 3, 4, 5].map((sequence) => coder.episode(sequence)));
  const first = await coder.pull({}, 2);
  expect([namesOn(first), first]).toMatchObject([['coder 1', 'coder 2'], { more: true }]);
  const last = await coder.pull({ coder: 3 }, 2);
  expect([namesOn(last), last]).toMatchObject([['coder 4', 'coder 5'], { more: false }]);
});

test('a page of large episodes ends before it is too large for a frame', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  const large = '\u0001'.repeat(4000);
  for (const first of [1, 9]) {
    const part = Array.from({ length: 8 }, (_none, index) => first + index);
    await coder.push(...part.map((n) => coder.episode(n, { input: large, output: large, critique: large })));
  }
  const page = await coder.pull();
  expect(page).toMatchObject({ more: true });
  expect(namesOn(page).length).toBeGreaterThan(4);
  expect(JSON.stringify(page).length).toBeLessThan(600_000);
});

test('the same push again has the same answer and stores nothing twice', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  const message = { type: 'push', id: 'p1', tenant: 'red', episodes: [coder.episode(1), coder.episode(2)] };
  const first = await coder.ask(message);
  const again = await coder.ask({ ...message, id: 'p2' });
  expect(again).toEqual({ ...first, id: 'p2' });
  expect(await coder.push(coder.episode(2), coder.episode(3))).toMatchObject({ type: 'ack', through: 3 });
  expect(rig.hub.stats().episodes).toEqual({ total: 3, byTenant: { red: 3 } });
});

test('a gap is refused with what is expected, and nothing of that push is stored', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  await coder.push(coder.episode(1));
  expect(await coder.push(coder.episode(3), coder.episode(4))).toMatchObject({ code: 'gap', expected: 2 });
  expect(await coder.push(coder.episode(2), coder.episode(4))).toMatchObject({ code: 'gap', expected: 3 });
  expect(rig.hub.stats().episodes.total).toBe(1);
});

test('a stored episode cannot be changed, and a digest must be that of the content', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  await coder.push(coder.episode(1));
  expect(await coder.push(coder.episode(1, { reward: 0.99 }), coder.episode(2))).toMatchObject({ code: 'conflict' });
  const forged = coder.episode(2, { digest: 'a'.repeat(64) });
  expect(await coder.push(forged)).toMatchObject({ code: 'bad-digest' });
  expect(rig.hub.stats().episodes.total).toBe(1);
});

test('after a push the others of the tenant are told, not the pusher and no other tenant', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  const tester = await rig.connect('red/tester');
  const stranger = await rig.connect('blue/coder');
  await coder.push(coder.episode(1));
  expect(await tester.find(({ type }) => type === 'news')).toMatchObject({ clock: { coder: 1 } });
  await stranger.push(stranger.episode(1), stranger.episode(2));
  await tester.push(tester.episode(1));
  expect(await coder.find(({ type }) => type === 'news')).toMatchObject({ clock: { coder: 1, tester: 1 } });
  expect(stranger.replies.filter(({ type }) => type === 'news')).toEqual([]);
});

test('one tenant sees nothing of another: no episode, no clock, no name, though agents are named alike', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  await rig.connect('red/coach');
  await coder.push(coder.episode(1), coder.episode(2));
  const stranger = await rig.connect('blue/coder');
  expect(stranger.welcome).toMatchObject({ lastSequence: 0, clock: {} });
  expect(namesOn(await stranger.pull({ coach: 0 }))).toEqual([]);
  expect(await stranger.push(stranger.episode(1))).toMatchObject({ type: 'ack', through: 1 });
  expect(namesOn(await coder.pull({}))).toEqual(['coder 1', 'coder 2']);
  expect(JSON.stringify(stranger.replies)).not.toMatch(/red|coach|tester/);
});

test('a request for another tenant is refused, stores nothing and is written down', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  await coder.push(coder.episode(1));
  const loner = await rig.connect('blue/loner');
  const pull = { type: 'pull', id: 'cross-pull', tenant: 'red', clock: {} };
  const push = { type: 'push', id: 'cross-push', tenant: 'red', episodes: [loner.episode(1)] };
  for (const message of [pull, push]) {
    const answer = await loner.ask(message);
    expect(answer).toMatchObject({ type: 'error', code: 'wrong-tenant' });
    expect(JSON.stringify(answer)).not.toContain('red');
  }
  expect(rig.hub.stats().episodes.byTenant).toEqual({ red: 1 });
  const rows = await query(
    rig.databasePath,
    'select tenant, agent, request, "by", what, target_tenant, code from attempts',
  );
  expect(rows).toEqual([
    {
      tenant: 'blue',
      agent: 'loner',
      request: 'cross-pull',
      by: 'hub',
      what: 'pull',
      target_tenant: 'red',
      code: 'wrong-tenant',
    },
    {
      tenant: 'blue',
      agent: 'loner',
      request: 'cross-push',
      by: 'hub',
      what: 'push',
      target_tenant: 'red',
      code: 'wrong-tenant',
    },
  ]);
});

test('an agent that comes back learns where it stopped', async () => {
  await using rig = await startHubRig();
  const before = await rig.connect('red/coder');
  await before.push(before.episode(1), before.episode(2));
  before.raw.terminate();
  await expect.poll(() => rig.hub.stats().agents.connected).toBe(0);
  const after = await rig.connect('red/coder');
  expect(after.welcome).toMatchObject({ lastSequence: 2, clock: { coder: 2 } });
});

test('the end of an old connection does not take the new one away', async () => {
  await using rig = await startHubRig();
  const old = await rig.connect('red/coder');
  const fresh = await rig.connect('red/coder');
  const tester = await rig.connect('red/tester');
  expect(await old.closed).toMatchObject({ code: 4001 });
  await expect
    .poll(() => query(rig.databasePath, "select 1 from connections where end_reason like 'connected again%'"))
    .toHaveLength(1);
  expect(rig.hub.stats().agents.byTenant['red']).toHaveLength(2);
  await tester.push(tester.episode(1));
  expect(await fresh.find(({ type }) => type === 'news')).toMatchObject({ clock: { tester: 1 } });
});

test('agents of one name in two tenants are both connected', async () => {
  await using rig = await startHubRig();
  const red = await rig.connect('red/coder');
  const blue = await rig.connect('blue/coder');
  await red.push(red.episode(1));
  await blue.push(blue.episode(1, { task: 'another' }));
  expect(await red.pull()).toMatchObject({ episodes: [{ episode: { task: 'task 1' } }] });
  expect(await blue.pull()).toMatchObject({ episodes: [{ episode: { task: 'another' } }] });
});

test('a goodbye is answered and recorded with its summary', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  const counts = {
    iterations: 12,
    syncs: 12,
    meanReward: 0.9,
    successRate: 1,
    connectionErrors: 0,
    received: 3,
    news: 2,
  };
  expect(await coder.ask({ type: 'goodbye', id: 'bye', summary: counts })).toMatchObject({ type: 'farewell' });
  coder.raw.close(1000);
  await expect
    .poll(() => query(rig.databasePath, 'select end_reason from connections'))
    .toEqual([{ end_reason: 'goodbye' }]);
  expect(rig.hub.stats().goodbyes).toEqual(['red/coder']);
  expect(await query(rig.databasePath, 'select iterations, mean_reward from summaries')).toEqual([
    { iterations: 12, mean_reward: 0.9 },
  ]);
});

test('what an agent reports is kept once, receipts of another tenant too: a leak has to be visible', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  const times = { connectMs: 1, authMs: 2, storeMs: 3, pushMs: 4, pullMs: 5, syncMs: 9 };
  const sync = {
    id: 's1',
    iteration: 1,
    task: 'testing',
    startedAt: '2026-03-01T00:00:00Z',
    ...times,
    pushed: 1,
    pulled: 1,
  };
  const received = [{ from: 'loner', sequence: 7, digest: 'f'.repeat(64) }];
  const report = { type: 'report', sync, received, attempts: [], memoryBytes: 1 };
  await coder.ask({ ...report, id: 'r1' });
  expect(await coder.ask({ ...report, id: 'r2' })).toEqual({ type: 'noted', id: 'r2' });
  expect(await query(rig.databasePath, 'select id, sync_ms, connect_ms from syncs')).toEqual([
    { id: 's1', sync_ms: 9, connect_ms: 1 },
  ]);
  expect(await query(rig.databasePath, 'select from_agent, sequence from receipts')).toEqual([
    { from_agent: 'loner', sequence: 7 },
  ]);
});

async function query(path: string, sql: string): Promise<unknown[]> {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

/** Agents against a real hub: what they store, share and receive, and how they come back. */
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { runAgent, type AgentOptions } from '../../ci/federation/src/agent/agent.ts';
import { Lost, Refused } from '../../ci/federation/src/agent/connection.ts';
import { pauseMs, startLink } from '../../ci/federation/src/agent/link.ts';
import { openLocalStore } from '../../ci/federation/src/agent/local-store.ts';
import { roles, workOf } from '../../ci/federation/src/agent/work.ts';
import type { Summary } from '../../ci/federation/src/protocol/messages.ts';
import { episodeOf, startHubRig, who, type HubRig } from '../support/federation-rig.ts';

const never = new AbortController().signal;

function run(rig: HubRig, name: string, more: Partial<AgentOptions> = {}, stop = never): Promise<Summary> {
  const identity = who(name);
  const options: AgentOptions = {
    url: `ws://127.0.0.1:${rig.hub.port}`,
    identity,
    key: rig.keys.of(name),
    role: 'coder',
    seed: 1,
    intervalMs: 40,
    durationMs: 200,
    store: openLocalStore(':memory:', identity),
    debug: () => undefined,
    ...more,
  };
  return runAgent(options, stop);
}

function query(rig: HubRig, sql: string): unknown[] {
  const db = new Database(rig.databasePath, { readonly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

test('agents of one tenant have received all of each other, and one of another tenant nothing, when they say goodbye', async () => {
  await using rig = await startHubRig();
  const target = who('red/coder');
  const [coder, , loner] = await Promise.all([
    run(rig, 'red/coder'),
    run(rig, 'red/tester'),
    run(rig, 'blue/loner', { target }),
  ]);
  expect(coder).toMatchObject({ iterations: 5, syncs: 5, connectionErrors: 0 });
  expect(coder.received).toBeGreaterThanOrEqual(4);
  expect(loner).toMatchObject({ iterations: 5, received: 0, news: 0 });
  const proven = `select distinct r.agent || ' has ' || r.from_agent as line from receipts r
    join episodes e on e.digest = r.digest and e.tenant = r.tenant and e.agent = r.from_agent order by line`;
  expect(query(rig, proven)).toEqual([{ line: 'coder has tester' }, { line: 'tester has coder' }]);
  expect(query(rig, "select count(*) as n from receipts where tenant = 'blue'")).toEqual([{ n: 0 }]);
  expect(query(rig, 'select tenant, agent, count(*) as n from episodes group by 1, 2 order by 1, 2')).toEqual([
    { tenant: 'blue', agent: 'loner', n: 5 },
    { tenant: 'red', agent: 'coder', n: 5 },
    { tenant: 'red', agent: 'tester', n: 5 },
  ]);
});

test('every cross-tenant attempt is refused, and hub and agent agree on each', async () => {
  await using rig = await startHubRig();
  await run(rig, 'blue/loner', { target: who('red/coder') });
  const seen = (by: string): unknown[] =>
    query(rig, `select request, what, target_tenant, code from attempts where "by" = '${by}' order by request`);
  expect(seen('agent')).toEqual(seen('hub'));
  expect(
    query(rig, 'select what, code, count(*) as n from attempts where "by" = \'hub\' group by 1, 2 order by 1'),
  ).toEqual([
    { what: 'hello', code: 'wrong-identity', n: 5 },
    { what: 'pull', code: 'wrong-tenant', n: 5 },
    { what: 'push', code: 'wrong-tenant', n: 5 },
  ]);
});

test('each sync is in the database with its times, and connecting once', async () => {
  await using rig = await startHubRig();
  await run(rig, 'red/coder');
  const rows = query(
    rig,
    'select iteration, task, connect_ms, auth_ms, store_ms, push_ms, pull_ms, sync_ms from syncs order by rowid',
  );
  expect(rows).toHaveLength(6);
  const times = rows as Record<string, number | null>[];
  expect(times.map(({ connect_ms }) => connect_ms !== null)).toEqual([true, false, false, false, false, false]);
  expect(times.map(({ auth_ms }) => auth_ms !== null)).toEqual([true, false, false, false, false, false]);
  for (const { push_ms, pull_ms, sync_ms } of times.slice(0, 5)) {
    expect(push_ms).toBeGreaterThan(0);
    expect(pull_ms).toBeGreaterThan(0);
    expect(sync_ms).toBeCloseTo((push_ms ?? 0) + (pull_ms ?? 0), 6);
  }
});

test('while the hub is away an agent works on, and afterwards everything is there once', async () => {
  await using rig = await startHubRig();
  const port = rig.hub.port;
  const iterations: number[] = [];
  const running = run(rig, 'red/coder', {
    durationMs: 1200,
    onState: (state) => iterations.push(state.iterations),
  });
  await expect.poll(() => rig.hub.stats().episodes.total).toBeGreaterThan(2);
  await rig.hub.stop();
  const connected = iterations.at(-1) ?? 0;
  await rig.again({ port });
  const summary = await running;
  expect(summary).toMatchObject({ iterations: 30 });
  expect(summary.connectionErrors).toBeGreaterThanOrEqual(1);
  expect(connected).toBeLessThan(30);
  expect(query(rig, 'select sequence from episodes order by sequence')).toEqual(
    Array.from({ length: 30 }, (_none, index) => ({ sequence: index + 1 })),
  );
});

test('an agent that lost its file gets its own episodes back and numbers go on', async () => {
  await using rig = await startHubRig();
  await run(rig, 'red/coder');
  const store = openLocalStore(':memory:', who('red/coder'));
  await run(rig, 'red/coder', { store });
  expect(store.after(0, 100).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(rig.hub.stats().episodes.total).toBe(10);
});

test('a hub that lost its newest episodes, as after a restored backup, gets them again', async () => {
  await using rig = await startHubRig();
  const port = rig.hub.port;
  const running = run(rig, 'red/coder', { durationMs: 1200 });
  await expect.poll(() => rig.hub.stats().episodes.total).toBeGreaterThan(4);
  await rig.hub.stop();
  const db = new Database(rig.databasePath);
  db.exec("delete from episodes where sequence > 2; update agents set last_sequence = 2 where agent = 'coder'");
  db.close();
  await rig.again({ port });
  await running;
  expect(query(rig, 'select count(*) as n, max(sequence) as last from episodes')).toEqual([{ n: 30, last: 30 }]);
});

test('an agent that is told of news fetches them at once, not with its next sync', async () => {
  await using rig = await startHubRig();
  const stop = new AbortController();
  const store = openLocalStore(':memory:', who('red/coder'));
  const running = run(rig, 'red/coder', { store, intervalMs: 60_000, durationMs: 60_000 }, stop.signal);
  await expect.poll(() => rig.hub.stats().syncs.total).toBe(1);
  const tester = await rig.connect('red/tester');
  await tester.push(tester.episode(1));
  await expect.poll(() => store.receivedCount).toBe(1);
  stop.abort();
  expect(await running).toMatchObject({ iterations: 1, received: 1, news: 1 });
});

test('a hub that is not up yet is no connection error; one that goes away or refuses is', async () => {
  const refused = new Refused({ type: 'error', id: 'x', code: 'full', message: 'full' });
  const gone = Promise.resolve({ code: 1001, reason: 'the hub stops' });
  const open = { lastSequence: 0, connectMs: 1, authMs: 1, closed: gone, isOpen: true };
  const connection = { ...open, ask: () => Promise.reject(new Lost('x')), close: () => Promise.resolve() };
  const outcomes = [new Lost('not up yet'), refused, connection, new Lost('away')];
  const counts: number[] = [];
  const over = new Promise<void>((resolve) => {
    const link = startLink({
      connect: () => {
        counts.push(link.errors);
        const next = outcomes.shift();
        if (next === undefined) {
          link.stop();
          resolve();
        }
        return next === undefined || next instanceof Error
          ? Promise.reject(next ?? new Lost('end'))
          : Promise.resolve(next);
      },
      ...{ random: () => 0, onConnected: () => undefined, onTrouble: () => undefined },
    });
  });
  await over;
  // Before the first try, and after: not up, refused, connected and ended, away.
  expect(counts).toEqual([0, 0, 1, 2, 3]);
});

test('asked to end, an agent says goodbye first', async () => {
  await using rig = await startHubRig();
  const stop = new AbortController();
  const running = run(rig, 'red/coder', { durationMs: 60_000 }, stop.signal);
  await expect.poll(() => rig.hub.stats().syncs.total).toBeGreaterThan(0);
  stop.abort();
  expect((await running).iterations).toBeLessThan(100);
  expect(rig.hub.stats().goodbyes).toEqual(['red/coder']);
  await expect.poll(() => query(rig, 'select end_reason from connections')).toEqual([{ end_reason: 'goodbye' }]);
});

test('an agent whose token is refused counts that as a connection error', async () => {
  await using rig = await startHubRig();
  const stop = new AbortController();
  const troubles: unknown[] = [];
  const running = run(
    rig,
    'red/coder',
    {
      key: rig.keys.of('red/tester'),
      debug: (_level, { fields }) => {
        troubles.push(fields?.['message']);
        stop.abort();
      },
    },
    stop.signal,
  );
  await expect(running).rejects.toThrow('No connection');
  expect(troubles[0]).toMatch(/^bad-token: .*own key/);
});

test('the same seed makes the same work, with rewards in the range of the role', () => {
  const works = (seed: number) =>
    roles.map((role) =>
      Array.from({ length: 200 }, (_none, n) => workOf({ identity: who('red/coder'), role, seed, iteration: n + 1 })),
    );
  expect(works(7)).toEqual(works(7));
  expect(works(7)).not.toEqual(works(8));
  const ranges = works(7).map((all) => [
    Math.min(...all.map(({ reward }) => reward)),
    Math.max(...all.map(({ reward }) => reward)),
  ]);
  for (const [index, [least, most]] of [
    [0.75, 0.95],
    [0.8, 0.95],
    [0.85, 0.95],
    [0.9, 0.95],
  ].entries()) {
    expect(ranges[index]?.[0]).toBeGreaterThanOrEqual(least ?? 1);
    expect(ranges[index]?.[1]).toBeLessThanOrEqual(most ?? 0);
  }
  const successes = works(7)
    .flat()
    .filter(({ success }) => success).length;
  expect(successes).toBeGreaterThan(500);
  expect(successes).toBeLessThan(780);
});

test('pauses between tries double up to five seconds, and differ from agent to agent', () => {
  expect([1, 2, 3, 9, 1000].map((failures) => pauseMs(failures, 0))).toEqual([50, 100, 200, 2500, 2500]);
  expect(pauseMs(1000, 0.999)).toBeLessThanOrEqual(5000);
});

test('a local store keeps what it has over a restart, and reports each receipt until it was taken', () => {
  const store = openLocalStore(':memory:', who('red/coder'));
  const other = episodeOf(who('red/tester'), 1);
  store.add({
    ...workOf({ identity: who('red/coder'), role: 'coder', seed: 1, iteration: 1 }),
    at: '2026-03-01T00:00:00Z',
  });
  store.receive([{ agent: 'tester', episode: { ...other, digest: '0'.repeat(64) } }]);
  expect(store.clock()).toEqual({ coder: 1, tester: 1 });
  // The digest is of what came, whatever it was said to be.
  expect(store.unreported(10)).toEqual([{ from: 'tester', sequence: 1, digest: other.digest }]);
  store.reported(store.unreported(10));
  expect(store.unreported(10)).toEqual([]);
});

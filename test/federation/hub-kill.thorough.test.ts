/** The hub as a process of its own that is killed, or asked to end, while agents push. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { connectTo, startHubProgram, type HubProgram } from '../support/federation-process.ts';
import { episodeOf, makeKeys, who, type TestAgent } from '../support/federation-rig.ts';

const names = ['red/coder', 'red/tester', 'red/coach', 'blue/coder', 'blue/loner', 'green/one'];

interface Pusher {
  readonly name: string;
  /** The highest sequence that the hub acknowledged. */
  acknowledged: number;
  unanswered: number;
}

/** Pushes small batches, several at once, until the connection ends. */
async function pushUntilTheEnd(agent: TestAgent, pusher: Pusher): Promise<{ readonly code: number }> {
  const { identity, welcome } = agent;
  let next = (welcome.type === 'welcome' ? welcome.lastSequence : 0) + 1;
  const lane = async (): Promise<void> => {
    for (;;) {
      const batch = [next, next + 1].map((sequence) => episodeOf(identity, sequence));
      next += 2;
      const answer = await agent.push(...batch);
      if (answer.type === 'ack') pusher.acknowledged = Math.max(pusher.acknowledged, answer.through);
    }
  };
  await Promise.allSettled([lane(), lane(), lane()]);
  pusher.unanswered += 1;
  return agent.closed;
}

/** Sequences of every agent, and whether the file is sound. */
function contents(path: string): { readonly check: unknown; readonly rows: readonly Row[] } {
  const db = new Database(path);
  try {
    const rows = db.prepare('select tenant, agent, sequence, digest from episodes order by tenant, agent, rowid').all();
    return { check: db.pragma('integrity_check', { simple: true }), rows: rows as Row[] };
  } finally {
    db.close();
  }
}

interface Row {
  readonly tenant: string;
  readonly agent: string;
  readonly sequence: number;
  readonly digest: string;
}

function expectWhole(path: string, pushers: readonly Pusher[]): void {
  const { check, rows } = contents(path);
  expect(check).toBe('ok');
  for (const { name, acknowledged } of pushers) {
    const identity = who(name);
    const own = rows.filter(({ tenant, agent }) => `${tenant}/${agent}` === name);
    // In the order they were stored: none twice, none missing, each with the content that was sent.
    expect(own.map(({ sequence }) => sequence)).toEqual(own.map((_row, index) => index + 1));
    expect(own.length).toBeGreaterThanOrEqual(acknowledged);
    expect(own.every(({ sequence, digest }) => digest === episodeOf(identity, sequence).digest)).toBe(true);
  }
}

async function pushAll(hub: HubProgram, keys: ReturnType<typeof makeKeys>, pushers: readonly Pusher[]) {
  const agents = await Promise.all(pushers.map(({ name }) => connectTo(hub.port, who(name), keys)));
  for (const [index, { welcome }] of agents.entries()) {
    const last = welcome.type === 'welcome' ? welcome.lastSequence : -1;
    expect(last, 'what was acknowledged is there after the kill').toBeGreaterThanOrEqual(
      pushers[index]?.acknowledged ?? 0,
    );
  }
  return agents.map((agent, index) => pushUntilTheEnd(agent, pushers[index] as Pusher));
}

test(
  'nothing acknowledged is lost and nothing is there twice, however often the hub is killed',
  { timeout: 60_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-federation-kill-'));
    const keys = makeKeys(...names);
    const place = { databasePath: join(folder, 'hub.db'), keys, names };
    const pushers = names.map((name) => ({ name, acknowledged: 0, unanswered: 0 }));
    try {
      for (let cycle = 1; cycle <= 6; cycle += 1) {
        await using hub = await startHubProgram(place);
        const before = pushers.map(({ acknowledged }) => acknowledged);
        const ends = await pushAll(hub, keys, pushers);
        // Each cycle is killed at another moment, always in the middle of pushes of everybody.
        await expect
          .poll(() => pushers.every(({ acknowledged }, index) => acknowledged > (before[index] ?? 0) + cycle * 7), {
            timeout: 20_000,
            interval: 1,
          })
          .toBe(true);
        expect(await hub.end('SIGKILL')).toBe('SIGKILL');
        await Promise.all(ends);
        expectWhole(place.databasePath, pushers);
      }
      console.log(`killed 6 times; acknowledged: ${pushers.map(({ acknowledged }) => acknowledged).join(', ')}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

test(
  'asked to end under load, the hub says so to every agent, keeps all it acknowledged and ends with 0',
  { timeout: 60_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-federation-end-'));
    const keys = makeKeys(...names);
    const place = { databasePath: join(folder, 'hub.db'), keys, names };
    const pushers = names.map((name) => ({ name, acknowledged: 0, unanswered: 0 }));
    try {
      await using hub = await startHubProgram(place);
      const ends = await pushAll(hub, keys, pushers);
      await expect.poll(() => pushers.every(({ acknowledged }) => acknowledged > 20), { timeout: 20_000 }).toBe(true);
      expect(await hub.end('SIGTERM')).toBe(0);
      expect(await Promise.all(ends)).toEqual(names.map(() => ({ code: 1001, reason: 'the hub stops' })));
      expect(existsSync(`${place.databasePath}-wal`), 'the database was closed').toBe(false);
      expectWhole(place.databasePath, pushers);
      // Nothing is half there: what was stored was acknowledged, too.
      const stored = contents(place.databasePath).rows.length;
      expect(stored).toBe(pushers.reduce((sum, { acknowledged }) => sum + acknowledged, 0));
      const open = new Database(place.databasePath).prepare(
        'select count(*) as n from connections where ended_at is null',
      );
      expect(open.get()).toEqual({ n: 0 });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

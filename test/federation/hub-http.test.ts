/** The hub's second port: health that is shown by doing, stats for those who may see names, and the database. */
import { writeFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { createHealth, type Proofs } from '../../ci/federation/src/hub/health.ts';
import { adminToken, readToken, startHubRig } from '../support/federation-rig.ts';

test('health has written, read and knocked, and says when and how long it took', async () => {
  await using rig = await startHubRig();
  const response = await rig.get('/health');
  expect(response.status).toBe(200);
  const done = { at: expect.stringMatching(/^\d{4}-/) as string, ms: expect.any(Number) as number };
  expect(await response.json()).toMatchObject({
    status: 'ok',
    checks: { database: { status: 'ok', ...done }, listener: { status: 'ok', ...done } },
  });
});

test('without agentdb health says so, and what that means', async () => {
  await using rig = await startHubRig();
  expect(await (await rig.get('/health')).json()).toMatchObject({
    checks: {
      memory: {
        status: 'degraded',
        reason: expect.stringMatching(/^SQLite alone: no-such-agentdb does not load/) as string,
      },
    },
  });
});

test('a database that takes no writes makes the hub unhealthy', async () => {
  await using rig = await startHubRig();
  const other = new Database(rig.databasePath);
  other.exec("create trigger refuse before insert on probe begin select raise(abort, 'disk is full'); end");
  other.close();
  const response = await rig.get('/health');
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({
    status: 'down',
    checks: { database: { status: 'down', reason: 'disk is full' }, listener: { status: 'ok' } },
  });
});

const proofs: Proofs = {
  probeDatabase: () => Promise.resolve(),
  listenerPort: () => undefined,
  memory: () => ({ kind: 'sqlite', says: '', indexed: 0, leftOut: 0, failures: 0 }),
  isStopping: () => false,
  now: () => new Date(),
};

test('a hub that does not listen is down', async () => {
  expect(await createHealth(proofs)()).toMatchObject({ status: 'down', checks: { listener: { status: 'down' } } });
});

test('questions within half a second share one look', async () => {
  let looks = 0;
  const health = createHealth({ ...proofs, probeDatabase: () => Promise.resolve(void (looks += 1)) });
  await Promise.all([health(), health(), health()]);
  expect(looks).toBe(1);
});

test('names of tenants and agents are for whoever holds a token', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  await coder.push(coder.episode(1));
  const open = await (await rig.get('/stats')).text();
  expect(JSON.parse(open)).toMatchObject({ agents: { connected: 1 }, episodes: { total: 1 } });
  expect(open).not.toMatch(/red|coder/);
  for (const token of [readToken, adminToken]) {
    expect(await (await rig.get('/stats', token)).json()).toMatchObject({
      agents: { byTenant: { red: [{ agent: 'coder' }] } },
      episodes: { byTenant: { red: 1 } },
      latencies: { push: { n: 1, p50: expect.any(Number) as number } },
    });
  }
});

test('the database is for the admin: a whole file that opens, of one moment', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  await coder.push(coder.episode(1), coder.episode(2));
  expect((await rig.get('/database')).status).toBe(401);
  expect((await rig.get('/database', readToken)).status).toBe(401);
  expect((await rig.get('/database', `${adminToken}x`)).status).toBe(401);
  const response = await rig.get('/database', adminToken);
  const folder = mkdtempSync(join(tmpdir(), 'hearth-federation-copy-'));
  try {
    const file = join(folder, 'copy.db');
    writeFileSync(file, Buffer.from(await response.arrayBuffer()));
    const copy = new Database(file, { readonly: true });
    expect(copy.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(copy.prepare('select count(*) as n from episodes').get()).toEqual({ n: 2 });
    copy.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('events follow without a gap, from the number that is asked for', async () => {
  await using rig = await startHubRig();
  expect((await rig.get('/events')).status).toBe(401);
  const coder = await rig.connect('red/coder');
  await coder.push(coder.episode(1));
  const response = await rig.get('/events?after=1', readToken);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  await coder.push(coder.episode(2));
  while (!text.includes('"number":3')) text += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  expect(text).not.toContain('"number":1,');
  expect(text).toMatch(/"number":2,.*episode stored.*#1 task 1[^]*"number":3,.*#2 task 2/);
});

/** The monitor against a real hub, without a browser: what it knows, how old that is, and what it would show. */
import { expect, test } from 'vitest';
import { startMonitor, type Monitor } from '../../ci/federation/src/monitor/server.ts';
import { timelineOf } from '../../ci/federation/src/monitor/timeline.ts';
import { FRESH_MS, viewOf, type View } from '../../ci/federation/src/monitor/view.ts';
import type { FeedEvent } from '../../ci/federation/src/monitor/hub-feed.ts';
import { readToken, startHubRig, type HubRig } from '../support/federation-rig.ts';

interface Rig extends AsyncDisposable {
  readonly hub: HubRig;
  readonly monitor: Monitor;
  view(): Promise<View>;
  health(): Promise<readonly [number, Readonly<Record<string, unknown>>]>;
}

async function startRig(token = readToken): Promise<Rig> {
  const hub = await startHubRig();
  const url = `http://127.0.0.1:${hub.hub.healthPort}`;
  const monitor = await startMonitor({ hub: { url, token, everyMs: 20 }, host: '127.0.0.1', port: 0 });
  const at = `http://127.0.0.1:${monitor.port}`;
  return {
    hub,
    monitor,
    async view() {
      const response = await fetch(`${at}/live`);
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      let text = '';
      while (!text.includes('\n\n')) text += new TextDecoder().decode((await reader.read()).value);
      await reader.cancel();
      return JSON.parse(text.slice('data: '.length, text.indexOf('\n\n'))) as View;
    },
    async health() {
      const response = await fetch(`${at}/health`);
      return [response.status, (await response.json()) as Record<string, unknown>];
    },
    async [Symbol.asyncDispose]() {
      await monitor.stop();
      await hub[Symbol.asyncDispose]();
    },
  };
}

test('agents, episodes and events are shown as they come', async () => {
  await using rig = await startRig();
  const coder = await rig.hub.connect('red/coder');
  await coder.push(coder.episode(1, { task: 'a <task>' }));
  await expect.poll(async () => (await rig.view()).episodes).toBe(1);
  await expect.poll(async () => (await rig.view()).log[0]).toContain('red/coder episode stored #1 a <task>');
  expect(await rig.view()).toMatchObject({
    isFresh: true,
    connected: 1,
    tenants: [{ name: 'red', agents: ['coder'], episodes: 1 }],
    timeline: { lanes: [{ label: 'red/coder' }], marks: [{ kind: 'lifecycle' }, { kind: 'memory' }] },
  });
  expect(await rig.health()).toMatchObject([200, { status: 'ok', episodes: 1 }]);
});

test('while the hub is away the view says so, and afterwards it goes on with the new hub', async () => {
  await using rig = await startRig();
  const coder = await rig.hub.connect('red/coder');
  await coder.push(coder.episode(1));
  await expect.poll(async () => (await rig.view()).log.length).toBe(2);
  const { healthPort } = rig.hub.hub;
  await rig.hub.hub.stop();
  await expect.poll(async () => (await rig.view()).says).toMatch(/^From 0 s ago\. .*(ECONNREFUSED|terminated|failed)/);
  await rig.hub.again({ healthPort });
  const again = await rig.hub.connect('red/coder');
  await again.push(again.episode(2));
  await expect.poll(async () => (await rig.view()).episodes).toBe(2);
  // Events of the hub that went away are not mixed with those of the new one, whose numbers begin again.
  await expect
    .poll(async () => (await rig.view()).log.map((line) => line.slice(9)))
    .toEqual(['red/coder episode stored #2 task 2', 'red/coder connected ']);
});

test('a monitor whose token opens no names says what to give it, and is not healthy', async () => {
  await using rig = await startRig('a token that is wrong');
  await expect.poll(async () => (await rig.view()).says).toMatch(/give FEDERATION_READ_TOKEN|answered 401/);
  expect(await rig.health()).toMatchObject([503, { status: 'down' }]);
});

test('what is older than five seconds is not fresh', () => {
  const stats = undefined;
  const state = { stats, freshAtMs: 1000, trouble: undefined, events: [] };
  expect(viewOf(state, 1000 + FRESH_MS - 1)).toMatchObject({ isFresh: true, says: 'From 5 s ago' });
  expect(viewOf(state, 1000 + FRESH_MS)).toMatchObject({ isFresh: false });
  expect(viewOf({ ...state, freshAtMs: undefined }, 0)).toMatchObject({ isFresh: false });
});

test('pages of the monitor run nothing but its own files', async () => {
  await using rig = await startRig();
  const response = await fetch(`http://127.0.0.1:${rig.monitor.port}/`);
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
  const page = await (await fetch(`http://127.0.0.1:${rig.monitor.port}/page.mjs`)).text();
  expect(page).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write/);
});

test('the timeline has the last minute, a lane for each agent, and the last minute of work when all are done', () => {
  const event = (atMs: number, agent: string, kind: FeedEvent['kind']): FeedEvent => {
    return { number: atMs, atMs, kind, name: kind, tenant: 'red', agent, detail: '' };
  };
  const events = [
    event(1_000, 'coder', 'lifecycle'),
    event(70_000, 'tester', 'task'),
    event(90_000, 'coder', 'memory'),
  ];
  const drawn = timelineOf(events, 100_000);
  expect(drawn.lanes.map(({ label }) => label)).toEqual(['red/coder', 'red/tester']);
  expect(drawn.marks.map(({ kind }) => kind)).toEqual(['task', 'memory']);
  const [first, second] = drawn.marks;
  expect(second?.x).toBeGreaterThan(first?.x ?? Infinity);
  expect(Math.max(...drawn.marks.map(({ x }) => x))).toBeLessThan(drawn.width);
  expect(timelineOf(events, 10_000_000).marks).toHaveLength(2);
  expect(timelineOf([], 0).marks).toEqual([]);
});

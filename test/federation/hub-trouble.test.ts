/** What the hub does with peers that are wrong, greedy, slow or silent. */
import { createConnection } from 'node:net';
import { expect, test } from 'vitest';
import { nextId, startHubRig } from '../support/federation-rig.ts';

test.each([
  ['binary', Buffer.from('{"type":"pull","id":"x","tenant":"red","clock":{}}'), 'bad-frame'],
  ['text that is no JSON', 'hello?', 'bad-frame'],
  ['JSON that is no object', '[1]', 'bad-frame'],
  ['an unknown type', '{"type":"drop","id":"x"}', 'unknown-type'],
  ['a type that is a name of every object', '{"type":"constructor","id":"x"}', 'unknown-type'],
  ['a message without its fields', '{"type":"hello","id":"x"}', 'bad-message'],
  ['a request before the hello', '{"type":"pull","id":"x","tenant":"red","clock":{}}', 'not-authenticated'],
])('%s instead of a hello is a typed error, and the end', async (_name, frame, code) => {
  await using rig = await startHubRig();
  const socket = await rig.socket();
  socket.raw.send(frame);
  expect(await socket.find(({ type }) => type === 'error')).toMatchObject({ code });
  expect((await socket.closed).code).toBe(code === 'not-authenticated' ? 4003 : 4004);
});

test('an agent that is known may be wrong a few times, and is closed when it goes on', async () => {
  await using rig = await startHubRig({ limits: { maxConfused: 3 } });
  const coder = await rig.connect('red/coder');
  expect(await coder.ask({ type: 'nonsense', id: 'a' })).toMatchObject({ code: 'unknown-type', id: 'a' });
  expect(await coder.ask({ type: 'pull', id: 'b', tenant: 'red', clock: { coder: -1 } })).toMatchObject({
    code: 'bad-message',
    message: expect.stringContaining('clock.coder') as string,
  });
  expect(await coder.push(coder.episode(1))).toMatchObject({ type: 'ack' });
  coder.raw.send('\u0000');
  expect(await coder.closed).toMatchObject({ code: 4004 });
});

test('a frame of 10 MB ends its connection with 1009, and nobody else notices', async () => {
  await using rig = await startHubRig();
  const tester = await rig.connect('red/tester');
  const coder = await rig.connect('red/coder');
  coder.raw.send('x'.repeat(10_000_000));
  expect(await coder.closed).toMatchObject({ code: 1009 });
  expect(await tester.pull()).toMatchObject({ type: 'page' });
  expect(rig.hub.stats().counts.brokenFrames).toBe(1);
});

test('bytes that are no WebSocket at all end with their connection', async () => {
  await using rig = await startHubRig();
  const socket = createConnection(rig.hub.port, '127.0.0.1');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  socket.write(Buffer.from('\u0016\u0003\u0001 this is not HTTP\r\n\r\n'));
  socket.resume();
  await closed;
  expect(await (await rig.connect('red/coder')).pull()).toMatchObject({ type: 'page' });
});

test('who does not say hello in time is closed', async () => {
  await using rig = await startHubRig({ limits: { helloMs: 30 } });
  const socket = await rig.socket();
  expect(await socket.closed).toEqual({ code: 4003, reason: 'no hello in time' });
});

test('beyond the most agents a new one is turned away, and one that is known may come back', async () => {
  await using rig = await startHubRig({ limits: { maxAgents: 2 } });
  const coder = await rig.connect('red/coder');
  await rig.connect('red/tester');
  await expect(rig.connect('blue/coder')).rejects.toThrow('"full"');
  const again = await rig.connect('red/coder');
  expect(await coder.closed).toMatchObject({ code: 4001 });
  again.raw.close(1000);
  await expect.poll(() => rig.hub.stats().agents.connected).toBe(1);
  expect((await rig.connect('blue/coder')).welcome.type).toBe('welcome');
});

test('a peer that answers no ping is dead, and its place is free', async () => {
  await using rig = await startHubRig({ limits: { heartbeatMs: 40 } });
  const coder = await rig.connect('red/coder');
  // Its process hangs: the connection stays, but nothing is read or answered.
  coder.raw.pause();
  await expect.poll(() => rig.hub.stats().agents.connected).toBe(0);
  expect(rig.hub.stats().counts.cutForSilence).toBe(1);
});

test('a peer that answers pings stays, though it says nothing', async () => {
  await using rig = await startHubRig({ limits: { heartbeatMs: 30 } });
  const coder = await rig.connect('red/coder');
  let pings = 0;
  coder.raw.on('ping', () => (pings += 1));
  await expect.poll(() => pings).toBeGreaterThan(5);
  expect(rig.hub.stats().agents.connected).toBe(1);
});

test('a peer that asks and does not read is cut off instead of being kept in memory', async () => {
  await using rig = await startHubRig({ limits: { maxWaitingBytes: 200_000, rate: { perSecond: 1e6, burst: 1e6 } } });
  const coder = await rig.connect('red/coder');
  const text = 'y'.repeat(4000);
  const episodes = Array.from({ length: 50 }, (_none, index) =>
    coder.episode(index + 1, { input: text, output: text }),
  );
  await coder.push(...episodes);
  const slow = await rig.connect('red/tester');
  slow.raw.pause();
  for (let n = 0; n < 200; n += 1)
    slow.raw.send(JSON.stringify({ type: 'pull', id: nextId(), tenant: 'red', clock: {} }));
  await expect.poll(() => rig.hub.stats().counts.cutForSlowness).toBe(1);
  await expect.poll(() => rig.hub.stats().agents.byTenant['red']?.map(({ agent }) => agent)).toEqual(['coder']);
  expect(await coder.push(coder.episode(51))).toMatchObject({ type: 'ack' });
});

test('who sends too fast is read later, loses nothing, and holds up nobody else', async () => {
  await using rig = await startHubRig({ limits: { rate: { perSecond: 1000, burst: 20 }, maxUnderWay: 1e6 } });
  const fast = await rig.connect('red/coder');
  const calm = await rig.connect('red/tester');
  const answers = Promise.all(Array.from({ length: 300 }, () => fast.pull()));
  expect(await calm.pull()).toMatchObject({ type: 'page' });
  expect((await answers).map(({ type }) => type)).toEqual(Array(300).fill('page'));
  expect(rig.hub.stats().counts.heldBack).toBeGreaterThan(0);
});

test('a push that cannot be stored is refused and may come again', async () => {
  await using rig = await startHubRig();
  const coder = await rig.connect('red/coder');
  const locked = await import('better-sqlite3').then(({ default: Database }) => new Database(rig.databasePath));
  locked.exec("create trigger refuse before insert on episodes begin select raise(abort, 'disk is full'); end");
  expect(await coder.push(coder.episode(1))).toMatchObject({ code: 'unavailable' });
  locked.exec('drop trigger refuse');
  locked.close();
  expect(await coder.push(coder.episode(1))).toMatchObject({ type: 'ack', through: 1 });
});

import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { startServer } from '../../src/http/server.ts';
import { rawRequest } from '../support/http-rig.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);

test('says what to do when it cannot listen', async () => {
  await using first = await startServer(() => undefined, { host: '127.0.0.1', port: 0 });
  await expect(startServer(() => undefined, { host: '127.0.0.1', port: first.port })).rejects.toThrow(/HEARTH_LISTEN/);
});

// A connection that is kept alive for nothing would hold it for seconds more.
test('lets a running answer out before it closes, and takes no new connections', { timeout: 2500 }, async () => {
  const { promise: asked, resolve: tell } = Promise.withResolvers<undefined>();
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<undefined>();
  const server = await startServer(
    (_request, response) => {
      tell(undefined);
      void mayAnswer.then(() => response.end('done'));
    },
    { host: '127.0.0.1', port: 0, graceMs: 60_000 },
  );
  const pending = fetch(server.url);
  await asked;
  const closed = server[Symbol.asyncDispose]();
  await expect(fetch(server.url)).rejects.toThrow();
  answer(undefined);
  expect(await (await pending).text()).toBe('done');
  await closed;
});

test('does not wait longer than its grace for what never ends', async () => {
  const { promise: asked, resolve: tell } = Promise.withResolvers<undefined>();
  const server = await startServer(
    () => {
      tell(undefined);
    },
    { host: '127.0.0.1', port: 0, graceMs: 50 },
  );
  const pending = rawRequest(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', { ms: 60_000 });
  await asked;
  await server[Symbol.asyncDispose]();
  expect(await pending).toBe('');
});

test.for([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '[::1]'],
  ['::1', '[::1]'],
  ['127.0.0.1', '127.0.0.1'],
])('listening on %s it is reached at %s', async ([host = '', name = ''], { skip }) => {
  // Docker's own network gives containers no IPv6, not even on loopback.
  if (host.includes(':') && !hasIpv6) skip('this machine has no ::1');
  await using server = await startServer((_request, response) => response.end('here'), { host, port: 0 });
  expect(server.url).toBe(`http://${name}:${server.port}`);
  expect(await (await fetch(server.url)).text()).toBe('here');
});

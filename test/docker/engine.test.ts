import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerEngine, type Engine } from '../../src/docker/engine.ts';
import { TEST_IMAGE } from '../support/slots.ts';

describe('an engine that takes calls and never answers', () => {
  const open = new Set<Socket>();
  let server: Server;
  let engine: Engine;

  beforeAll(async () => {
    server = createServer((socket) => {
      open.add(socket.on('error', () => undefined).on('close', () => open.delete(socket)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const host = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    engine = dockerEngine({ host, answerMs: 300, removeMs: 300, makeMs: 300 });
  });

  afterAll(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it.each([
    ['its version', () => engine.version(300)],
    ['an image', () => engine.image('debian')],
    ['a container', () => engine.container('abc')],
    ['a list', () => engine.list('hearth')],
    ['a start', () => engine.run(['debian'])],
    ['a removal', () => engine.remove(['abc'])],
  ])('lets nobody wait for ever who asked for %s', async (_what, ask) => {
    await expect(ask()).rejects.toThrow(/docker: .*timed out after 300 milliseconds/);
  });

  it.each([
    ['a pull', () => engine.pull('debian', () => undefined)],
    [
      'a build',
      () => engine.build({ tag: 't', cacheNamespace: 'n', context: '/nowhere', file: '/nowhere/f' }, () => undefined),
    ],
  ])('ends %s with a sentence that says so', async (_what, ask) => {
    const made = await ask();
    expect(made.ok).toBe(false);
    expect(made.ok || made.lastLines).toMatch(/did not end within 300 ms/);
  });
});

describe('removing containers', () => {
  const engine = dockerEngine();

  it('takes those that are gone for removed, and the others with them', async () => {
    const id = await engine.run(['--network=none', TEST_IMAGE, 'sleep', '1000']);
    await engine.remove(['hearth-was-never-there', id]);
    expect(await engine.container(id)).toBeUndefined();
    await engine.remove([id]);
  });

  it('tells of one that could not be removed although another was gone', async () => {
    const busy = createHttpServer(({ method, url = '' }, response) => {
      response.setHeader('Api-Version', '1.41');
      if (method !== 'DELETE') response.end('OK');
      else response.writeHead(url.includes('gone') ? 404 : 500).end(JSON.stringify({ message: answerOf(url) }));
    });
    const answerOf = (url: string): string =>
      url.includes('gone') ? 'No such container: gone' : 'device or resource busy';
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
    const there = dockerEngine({ host: `tcp://127.0.0.1:${(busy.address() as AddressInfo).port}` });
    await expect(there.remove(['gone', 'busy'])).rejects.toThrow(/docker: .*device or resource busy/s);
    await new Promise((resolve) => busy.close(resolve));
  });
});

describe('a call whose output is taken as it comes', () => {
  const engine = dockerEngine();

  it('ends when it is aborted, though nobody reads what it says', async () => {
    const stop = new AbortController();
    const call = engine.start(['save', TEST_IMAGE], stop.signal);
    await once(call.stdout, 'readable');
    const aborted = performance.now();
    stop.abort();
    expect(await call.exitCode).toBeNull();
    // It is not killed the hard way, which happens after five seconds.
    expect(performance.now() - aborted).toBeLessThan(4_500);
  });

  it('is told by its exit code, or by null when there is no such command line', async () => {
    const { signal } = new AbortController();
    const call = engine.start(['version', '--format', '{{.Server.Os}}'], signal);
    expect(Buffer.concat(await call.stdout.toArray()).toString()).toBe('linux\n');
    expect(await call.exitCode).toBe(0);
    expect(await engine.start(['no-such-verb'], signal).exitCode).toBe(1);
  });
});

/** The image's health check, run by the bash of this machine against small real servers. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: Server): Promise<number> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The exit code of the check. */
async function check(port: number): Promise<number> {
  const env = { ...process.env, LLAMA_ARG_PORT: String(port) };
  const ended = promisify(execFile)('ci/llama/health.sh', { env });
  return ended.then(
    () => 0,
    (error: unknown) => (error as { readonly code: number }).code,
  );
}

it('a server that answers 200 at /health, and nowhere else, is healthy', async () => {
  const asked: string[] = [];
  const port = await listening(
    createHttpServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.writeHead(request.url === '/health' ? 200 : 404).end('{"status":"ok"}');
    }),
  );
  expect(await check(port)).toBe(0);
  expect(asked).toEqual(['GET /health']);
});

it.each([503, 500, 404, 302])('a server that answers %i is not healthy', async (status) => {
  const port = await listening(createHttpServer((_, response) => response.writeHead(status).end('{"status":"ok"}')));
  expect(await check(port)).toBe(1);
});

it('a port that nobody listens at is not healthy', async () => {
  const port = await listening(createServer());
  servers.splice(0).forEach((server) => server.close());
  expect(await check(port)).toBe(1);
});

it('a server that closes without a word, or says something else, is not healthy', async () => {
  expect(await check(await listening(createServer((socket) => socket.destroy())))).toBe(1);
  expect(await check(await listening(createServer((socket) => socket.end('220 mail ready\r\n'))))).toBe(1);
});

it('a server that takes the question and never answers is not healthy', async () => {
  const port = await listening(createServer((socket) => socket.on('error', () => socket.destroy()).unref()));
  expect(await check(port)).toBe(1);
}, 30_000);

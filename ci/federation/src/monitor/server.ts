/** The monitor's HTTP server: one page, its live view as server-sent events, and a health that has to be earned. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startFeed, type FeedOptions } from './hub-feed.ts';
import { viewOf } from './view.ts';
import { processBytes } from '../process-size.ts';

export interface MonitorOptions {
  readonly hub: FeedOptions;
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

export interface Monitor {
  readonly port: number;
  stop(): Promise<void>;
}

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['page.html', 'text/html; charset=utf-8'],
  '/page.mjs': ['page.mjs', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
};

/** Nothing that a name or a task says can become code: only the monitor's own files run. */
const SAFE_HEADERS = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

const MAX_WAITING_BYTES = 1024 * 1024;
/** The view changes with time alone, too, and a burst of events is one view. */
const EVERY_MS = 500;

/** Resolves when it listens. */
export async function startMonitor({ hub, host, port }: MonitorOptions): Promise<Monitor> {
  const feed = startFeed(hub);
  const files = Object.entries(FILES).map(([path, [file, type]]) => {
    return [path, { type, body: readFileSync(join(import.meta.dirname, file)) }] as const;
  });
  const byPath = new Map(files);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://monitor');
    const file = byPath.get(pathname);
    if (request.method !== 'GET') response.writeHead(405, SAFE_HEADERS).end();
    else if (file !== undefined) response.writeHead(200, { ...SAFE_HEADERS, 'content-type': file.type }).end(file.body);
    else if (pathname === '/live') live(response);
    else if (pathname === '/health') health(response);
    else response.writeHead(404, SAFE_HEADERS).end();
  });

  function live(response: ServerResponse): void {
    response.writeHead(200, { ...SAFE_HEADERS, 'content-type': 'text/event-stream' });
    const send = (): void => {
      response.write(`data: ${JSON.stringify(viewOf(feed.state(), Date.now()))}\n\n`);
      if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
    };
    send();
    const timer = setInterval(send, EVERY_MS);
    response.on('close', () => clearInterval(timer));
  }

  /** A monitor without data of now is not healthy, however well it serves its page. */
  function health(response: ServerResponse): void {
    const { isFresh, says, episodes } = viewOf(feed.state(), Date.now());
    const body = { status: isFresh ? 'ok' : 'down', reason: says, episodes, memoryBytes: processBytes() };
    response.writeHead(isFresh ? 200 : 503, { ...SAFE_HEADERS, 'content-type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`);
  }

  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    await feed.stop();
    throw error;
  }
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.close();
      server.closeAllConnections();
      await feed.stop();
    },
  };
}

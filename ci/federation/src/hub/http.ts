/** The hub's second port, for people and machines that look after it: health, stats, events and the database. */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Connection } from './database.ts';
import type { EventLog } from './events.ts';
import type { Health } from './health.ts';
import { totalsOf, type StatsSource } from './stats.ts';

export interface Tokens {
  /** Opens everything. */
  readonly admin: string;
  /** Opens stats with names, and events. */
  readonly read: string | undefined;
}

export interface HttpParts {
  readonly db: Connection;
  readonly databasePath: string;
  readonly stats: StatsSource;
  readonly events: EventLog;
  readonly health: () => Promise<Health>;
  readonly tokens: Tokens;
  /** Of this hub; names the life whose events are numbered. */
  readonly startedAt: string;
}

/** An event stream that does not read is cut. */
const MAX_WAITING_BYTES = 1024 * 1024;
const KEEP_ALIVE_MS = 10_000;

type Right = 'none' | 'read' | 'admin';

/** Not listening yet. Closing ends event streams too. */
export function createHubHttp(parts: HttpParts): Server {
  let isCopying = false;
  return createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else json(response, 500, { error: error instanceof Error ? error.message : String(error) });
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://hub');
    const right = rightOf(request, parts.tokens);
    const route = `${request.method} ${pathname}`;
    if (route === 'GET /health') {
      const health = await parts.health();
      json(response, health.status === 'down' ? 503 : 200, health);
    } else if (route === 'GET /stats') {
      const stats = parts.stats.stats();
      json(response, 200, right === 'none' ? totalsOf(stats) : stats);
    } else if (route === 'GET /events') {
      // Numbers of a hub that has ended say nothing about those of this one.
      const isOfThisHub = (searchParams.get('of') ?? parts.startedAt) === parts.startedAt;
      const after = isOfThisHub ? Number(searchParams.get('after')) || 0 : 0;
      if (right === 'none') json(response, 401, { error: 'Send the read or admin token as a bearer.' });
      else follow(response, after);
    } else if (route === 'GET /database') {
      if (right === 'admin') await sendDatabase(response);
      else json(response, 401, { error: 'Send the admin token as a bearer.' });
    } else json(response, 404, { error: 'There are GET /health, /stats, /events and /database.' });
  }

  function follow(response: ServerResponse, after: number): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-hub-started-at': parts.startedAt,
    });
    const send = (text: string): void => {
      response.write(text);
      if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
    };
    const write = (event: { readonly number: number }): void =>
      send(`id: ${event.number}\ndata: ${JSON.stringify(event)}\n\n`);
    parts.events.after(after).forEach(write);
    const stopFollowing = parts.events.follow(write);
    const timer = setInterval(() => send(': still here\n\n'), KEEP_ALIVE_MS);
    response.on('close', () => {
      clearInterval(timer);
      stopFollowing();
    });
  }

  /** A copy at one moment, made while the hub goes on. */
  async function sendDatabase(response: ServerResponse): Promise<void> {
    if (isCopying) {
      json(response, 503, { error: 'Another copy is being made; try again in a moment.' });
      return;
    }
    isCopying = true;
    const copy = `${parts.databasePath}.copy-${randomUUID()}`;
    try {
      await parts.db.backup(copy);
      const { size } = await stat(copy);
      response.writeHead(200, { 'content-type': 'application/vnd.sqlite3', 'content-length': size });
      await pipeline(createReadStream(copy), response);
    } finally {
      isCopying = false;
      for (const ending of ['', '-wal', '-shm', '-journal']) await rm(`${copy}${ending}`, { force: true });
    }
  }
}

function rightOf(request: IncomingMessage, { admin, read }: Tokens): Right {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (given === undefined) return 'none';
  if (isSame(given, admin)) return 'admin';
  return read !== undefined && isSame(given, read) ? 'read' : 'none';
}

/** In a time that does not tell how much of it was right. */
function isSame(given: string, wanted: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(wanted));
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

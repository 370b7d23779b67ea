/** The hub: puts its parts together, listens, and stops without losing what is under way. */
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { createCounters } from './counters.ts';
import { openDatabase, type Connection } from './database.ts';
import { createEventLog } from './events.ts';
import { createHealth } from './health.ts';
import { createHubHttp, type Tokens } from './http.ts';
import { openMemory, type EpisodeMemory } from './memory.ts';
import { createNews } from './news.ts';
import { createRegistry } from './registry.ts';
import { createSamples } from './samples.ts';
import { startSession, type HubParts, type Member, type Session, type SessionLimits } from './session.ts';
import { createStats, type Stats } from './stats.ts';
import { createHubStore } from './store.ts';
import type { Debug } from '../debug/debug.ts';
import type { Episode } from '../protocol/episode.ts';
import { MAX_FRAME_BYTES } from '../protocol/messages.ts';
import type { KeyRing } from '../protocol/token.ts';

export interface HubOptions {
  readonly databasePath: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly healthPort: number;
  readonly host: string;
  readonly keys: KeyRing;
  readonly tokens: Tokens;
  readonly debug: Debug;
  readonly limits?: Partial<SessionLimits>;
  readonly agentDbPackage?: string;
}

export interface Hub {
  readonly port: number;
  readonly healthPort: number;
  stats(): Stats;
  /** Finishes what is under way, says 1001 to every agent and closes the database. Harmless when repeated. */
  stop(): Promise<void>;
}

export const defaultLimits: SessionLimits = {
  maxAgents: 1000,
  helloMs: 5000,
  heartbeatMs: 10_000,
  closeMs: 2000,
  maxWaitingBytes: 4 * 1024 * 1024,
  rate: { perSecond: 200, burst: 400 },
  maxUnderWay: 32,
  maxConfused: 10,
};

/** Connections that have not said hello, beyond the agents. */
const SPARE_CONNECTIONS = 64;
const INDEXED_AT_START = 500;

/** Resolves when both ports listen. Rejects, with nothing left open, when that cannot be. */
export async function startHub(options: HubOptions): Promise<Hub> {
  const { databasePath, keys, debug } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const nowMs = (): number => Date.now();
  const startedMs = nowMs();
  removeOldCopies(databasePath);
  const db = openDatabase(databasePath);
  const stopping = new AbortController();
  const sessions = new Set<Session>();
  try {
    const memory = await openMemory(options.agentDbPackage);
    fillMemory(db, memory);
    const store = createHubStore(db, () => new Date(nowMs()));
    const registry = createRegistry<Member>();
    const news = createNews(registry, (tenant) => store.clockOf(tenant));
    const events = createEventLog(nowMs);
    const hub: HubParts = {
      ...{ store, registry, keys, limits, events, news, memory, debug, nowMs },
      samples: createSamples(),
      counters: createCounters(),
      memoryOf: new Map(),
      isStopping: () => stopping.signal.aborted,
    };
    const server = createServer((_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end('This port speaks WebSocket.\n');
    });
    server.maxConnections = limits.maxAgents + SPARE_CONNECTIONS;
    const sockets = new WebSocketServer({ server, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });
    sockets.on('connection', (socket) => {
      const session = startSession(socket, hub);
      sessions.add(session);
      socket.on('close', () => sessions.delete(session));
    });
    const stats = createStats(db, hub, startedMs);
    const health = createHealth({
      probeDatabase: (value) => store.probe(value),
      listenerPort: () => portOf(server),
      memory: () => memory.state(),
      isStopping: hub.isStopping,
      now: () => new Date(),
    });
    const startedAt = new Date(startedMs).toISOString();
    const http = createHubHttp({ db, databasePath, stats, events, health, startedAt, tokens: options.tokens });
    const port = await listen(server, options.port, options.host);
    const healthPort = await listen(http, options.healthPort, options.host).catch((error: unknown) => {
      server.close();
      throw error;
    });
    const { says } = memory.state();
    debug('BASIC', {
      kind: 'lifecycle',
      name: 'hub started',
      fields: { port, healthPort, databasePath, memory: says },
    });

    async function stop(): Promise<void> {
      debug('BASIC', { kind: 'lifecycle', name: 'hub stopping', fields: { agents: registry.size } });
      server.close();
      await store.idle();
      // What was committed just now is acknowledged before the connection's close.
      await nextTurn();
      await Promise.all([...sessions].map((session) => session.stop()));
      await store.idle();
      news.stop();
      http.close();
      http.closeAllConnections();
      await memory.idle();
      db.close();
      debug('BASIC', { kind: 'lifecycle', name: 'hub stopped' });
    }
    let stopped: Promise<void> | undefined;
    return {
      port,
      healthPort,
      stats: () => stats.stats(),
      stop() {
        stopping.abort();
        return (stopped ??= stop());
      },
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A hub that was killed while it made one. */
function removeOldCopies(databasePath: string): void {
  const folder = dirname(databasePath);
  for (const name of readdirSync(folder)) {
    if (name.startsWith(`${basename(databasePath)}.copy-`)) rmSync(join(folder, name), { force: true });
  }
}

function fillMemory(db: Connection, memory: EpisodeMemory): void {
  const rows = db.prepare('select tenant, json from episodes order by rowid desc limit ?').all(INDEXED_AT_START);
  for (const { tenant, json } of (rows as readonly { tenant: string; json: string }[]).toReversed()) {
    const { agent, episode } = JSON.parse(json) as { agent: string; episode: Episode };
    memory.add({ tenant, agent }, episode);
  }
}

async function listen(server: Server, port: number, host: string): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  return portOf(server) ?? 0;
}

function portOf(server: Server): number | undefined {
  return server.listening ? (server.address() as AddressInfo).port : undefined;
}

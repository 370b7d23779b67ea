/** One connection of an agent to the hub: opened with a fresh token, asked by id, noticed when it dies. */
import type { KeyObject } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { WebSocket } from 'ws';
import type { Clock } from '../protocol/clock.ts';
import {
  MAX_FRAME_BYTES,
  PROTOCOL,
  replySchema,
  type ErrorCode,
  type Reply,
  type Request,
} from '../protocol/messages.ts';
import type { Identity } from '../protocol/names.ts';
import { signToken } from '../protocol/token.ts';

export interface ConnectOptions {
  readonly url: string;
  /** Who the token is of. */
  readonly identity: Identity;
  readonly key: KeyObject;
  /** Who the hello says it is; only a test of the hub gives another one than the token's. */
  readonly claimed?: Identity;
  readonly helloId: string;
  /** Longest wait for the open socket, and for each answer, in ms. */
  readonly timeoutMs: number;
  /** Between pings, in ms; a hub that is silent for two of them is gone. */
  readonly heartbeatMs: number;
  readonly onNews: (clock: Clock) => void;
}

export interface HubConnection {
  readonly lastSequence: number;
  readonly connectMs: number;
  readonly authMs: number;
  /** Resolves to the answer with the request's id; rejects with Refused, or with Lost when none comes. */
  ask(request: Request): Promise<Reply>;
  /** How it ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly isOpen: boolean;
  close(): Promise<void>;
}

/** The hub answered with an error. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: ErrorCode;

  constructor({ code, message }: Extract<Reply, { type: 'error' }>) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** There is no connection, or none any more; what was asked may have happened. */
export class Lost extends Error {
  override readonly name = 'Lost';
}

/** Resolves when the hub has said welcome. Rejects with Refused or Lost. */
export async function connectHub(options: ConnectOptions): Promise<HubConnection> {
  const { url, identity, key, claimed = identity, helloId, timeoutMs, heartbeatMs, onNews } = options;
  const startedAt = performance.now();
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    handshakeTimeout: timeoutMs,
    // Half a frame of episodes and the largest single one after it.
    maxPayload: 2 * MAX_FRAME_BYTES,
  });
  const waiting = new Map<string, (reply: Reply | Lost) => void>();
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') }));
  });
  void closed.then(({ code, reason }) => {
    for (const tell of waiting.values()) tell(new Lost(`the connection ended (${code} ${reason})`));
  });
  await opened(socket);
  const connectMs = performance.now() - startedAt;
  keepAlive(socket, heartbeatMs);
  socket.on('message', (data: Buffer) => {
    const reply = parseReply(data);
    if (reply === undefined) socket.close(1002, 'not understood');
    else if (reply.type === 'news') onNews(reply.clock);
    else waiting.get(reply.id)?.(reply);
  });

  async function ask(request: Request): Promise<Reply> {
    if (socket.readyState !== WebSocket.OPEN) throw new Lost('the connection has ended');
    const reply = await new Promise<Reply | Lost>((resolve) => {
      const timer = setTimeout(() => {
        resolve(new Lost(`no answer within ${timeoutMs} ms`));
        socket.terminate();
      }, timeoutMs);
      waiting.set(request.id, (answer) => {
        clearTimeout(timer);
        waiting.delete(request.id);
        resolve(answer);
      });
      socket.send(JSON.stringify(request));
    });
    if (reply instanceof Lost) throw reply;
    if (reply.type === 'error') throw new Refused(reply);
    return reply;
  }

  try {
    const token = await signToken(identity, key, Date.now());
    const helloAt = performance.now();
    const { tenant, agent } = claimed;
    const runningMs = helloAt;
    const welcome = await ask({
      type: 'hello',
      id: helloId,
      protocol: PROTOCOL,
      tenant,
      agent,
      token,
      runningMs,
      connectMs,
    });
    if (welcome.type !== 'welcome') throw new Lost(`the hub answered the hello with ${welcome.type}`);
    const authMs = performance.now() - helloAt;
    return {
      ...{ lastSequence: welcome.lastSequence, connectMs, authMs, ask, closed },
      get isOpen() {
        return socket.readyState === WebSocket.OPEN;
      },
      async close() {
        socket.close(1000);
        const timer = setTimeout(() => socket.terminate(), timeoutMs);
        await closed;
        clearTimeout(timer);
      },
    };
  } catch (error) {
    socket.close();
    setTimeout(() => socket.terminate(), timeoutMs).unref();
    throw error;
  }
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('open', resolve);
    // Stays: an error after this one is followed by the connection's end, which is waited for elsewhere.
    socket.on('error', (error) => reject(new Lost(`cannot connect: ${error.message}`, { cause: error })));
  });
}

function keepAlive(socket: WebSocket, heartbeatMs: number): void {
  let heardAt = performance.now();
  const heard = (): void => {
    heardAt = performance.now();
  };
  for (const event of ['ping', 'pong', 'message']) socket.on(event, heard);
  const timer = setInterval(() => {
    if (performance.now() - heardAt > 2 * heartbeatMs) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, heartbeatMs);
  socket.on('close', () => clearInterval(timer));
}

function parseReply(data: Buffer): Reply | undefined {
  try {
    const result = replySchema.safeParse(JSON.parse(data.toString('utf8')));
    return result.success ? result.data : undefined;
  } catch {
    // Not JSON: the caller ends the connection and says why.
    return undefined;
  }
}

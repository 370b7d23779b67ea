/**
 * One connection from its first frame to its end: hello first, then requests, each answered by a message with its id.
 * What is wrong with a message is told by a typed error; the connection policy is in README.md.
 */
import { performance } from 'node:perf_hooks';
import { randomUUID } from 'node:crypto';
import type { RawData, WebSocket } from 'ws';
import type { EventLog } from './events.ts';
import { fullBucket, spend, type Rate } from './limits.ts';
import { readRequest } from './frame.ts';
import type { EpisodeMemory } from './memory.ts';
import type { News } from './news.ts';
import type { Registry } from './registry.ts';
import { handleRequest } from './requests.ts';
import type { Samples } from './samples.ts';
import { CUT_CODES, wrapSocket, type AgentSocket, type SocketLimits } from './socket.ts';
import type { HubStore } from './store.ts';
import type { Counters } from './counters.ts';
import { CLOSE, type ErrorCode, type ErrorReply, type Request, type RequestOf } from '../protocol/messages.ts';
import { identityText, type Identity } from '../protocol/names.ts';
import { verifyToken, type KeyRing } from '../protocol/token.ts';
import type { Debug } from '../debug/debug.ts';

export interface SessionLimits extends SocketLimits {
  readonly maxAgents: number;
  /** From the open socket to the hello, in ms. */
  readonly helloMs: number;
  readonly rate: Rate;
  /** Messages of one connection that are under way; beyond, nothing more is read from it. */
  readonly maxUnderWay: number;
  /** Messages that could not be understood, until the connection is closed. */
  readonly maxConfused: number;
}

/** What all sessions of a hub share. */
export interface HubParts {
  readonly store: HubStore;
  readonly registry: Registry<Member>;
  readonly keys: KeyRing;
  readonly limits: SessionLimits;
  readonly events: EventLog;
  readonly samples: Samples;
  readonly counters: Counters;
  readonly memory: EpisodeMemory;
  readonly news: News;
  /** Memory that agents reported last, in bytes, by `tenant/agent`. */
  readonly memoryOf: Map<string, number>;
  readonly debug: Debug;
  /** Time of day in ms. */
  readonly nowMs: () => number;
  /** Once it is, nothing new is begun. */
  readonly isStopping: () => boolean;
}

/** A session that has proven who it is. */
export interface Member {
  readonly identity: Identity;
  readonly session: string;
  readonly since: string;
  readonly socket: AgentSocket;
  /** Closes the connection; nothing more that comes over it is begun. */
  end(code: number, reason: string): void;
  /** Its agent has said goodbye. */
  saidGoodbye: boolean;
}

export interface Session {
  /** Closes it for everybody's sake: the hub stops. Resolves when the connection and its record are ended. */
  stop(): Promise<void>;
}

/** Serves the socket until it ends. */
export function startSession(socket: WebSocket, hub: HubParts): Session {
  const { limits, counters, debug } = hub;
  const session = randomUUID();
  let member: Member | undefined;
  let isAuthenticating = false;
  let ended: { readonly code: number; readonly reason: string } | undefined;
  let bucket = fullBucket(limits.rate, performance.now());
  let confused = 0;
  let underWay = 0;
  let readAgain: NodeJS.Timeout | undefined;
  const wire = wrapSocket(socket, limits, {
    onCut(why) {
      counters.add(why === 'too slow' ? 'cutForSlowness' : 'cutForSilence');
      ended ??= { code: CUT_CODES[why], reason: why };
    },
  });
  const helloTimer = setTimeout(() => end(CLOSE.unauthorized, 'no hello in time'), limits.helloMs);
  const over = new Promise<void>((resolve) => {
    socket.on('close', (code) => void record(code).finally(resolve));
  });
  socket.on('message', (data, isBinary) => void receive(data, isBinary));
  socket.on('error', (error) => {
    // ws closes the connection itself, with the right code; here is only what it was.
    counters.add('brokenFrames');
    debug('BASIC', { kind: 'message', name: 'broken frame', fields: { session, error: error.message } });
  });

  function end(code: number, reason: string): void {
    ended ??= { code, reason };
    wire.close(code, reason);
  }

  function refuse(id: string, code: ErrorCode, message: string, more: Partial<ErrorReply> = {}): void {
    counters.add('errors');
    debug('DETAILED', { kind: 'message', name: 'refused', fields: { session, id, code } });
    wire.send({ type: 'error', id, code, message, ...more });
  }

  async function receive(data: RawData, isBinary: boolean): Promise<void> {
    wire.heard();
    // What comes after the close is not begun; its sender has no answer and sends it again.
    if (hub.isStopping() || ended !== undefined) return;
    limitRate();
    const read = readRequest(data, isBinary);
    if (!read.ok) {
      refuse(read.id, read.code, read.message);
      confused += 1;
      if (member === undefined || confused >= limits.maxConfused) end(CLOSE.confused, 'messages are not understood');
      return;
    }
    underWay += 1;
    steerFlow();
    try {
      await serve(read.request);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      counters.add('failures');
      debug('BASIC', { kind: 'message', name: 'request failed', fields: { session, id: read.request.id, message } });
      refuse(read.request.id, 'unavailable', 'The hub cannot store this now; send it again later.');
      if (read.request.type === 'hello') end(CLOSE.full, 'unavailable');
    } finally {
      underWay -= 1;
      steerFlow();
    }
  }

  /** Whoever sends too fast is read later: its own network then holds it back, and nothing is lost. */
  function limitRate(): void {
    const spent = spend(bucket, limits.rate, performance.now());
    bucket = spent.bucket;
    if (spent.waitMs === 0) return;
    clearTimeout(readAgain);
    readAgain = setTimeout(() => {
      readAgain = undefined;
      steerFlow();
    }, spent.waitMs);
    steerFlow();
  }

  function steerFlow(): void {
    const isHeld = underWay >= limits.maxUnderWay || readAgain !== undefined;
    if (isHeld && !socket.isPaused) {
      counters.add('heldBack');
      socket.pause();
    } else if (!isHeld && socket.isPaused) socket.resume();
  }

  async function serve(request: Request): Promise<void> {
    if (request.type === 'hello') return greet(request);
    if (member === undefined) {
      refuse(request.id, 'not-authenticated', 'Send a hello with a token first.');
      end(CLOSE.unauthorized, 'hello must come first');
      return;
    }
    await handleRequest({ request, member, hub, refuse });
  }

  async function greet(hello: RequestOf<'hello'>): Promise<void> {
    if (member !== undefined || isAuthenticating) {
      confused += 1;
      refuse(hello.id, 'bad-message', 'This connection has had its hello.');
      return;
    }
    isAuthenticating = true;
    const startedAt = performance.now();
    const identity = await authenticate(hello);
    if (identity === undefined || !wire.isOpen || hub.isStopping()) return;
    clearTimeout(helloTimer);
    if (!hub.registry.has(identity) && hub.registry.size >= limits.maxAgents) {
      counters.add('turnedAway');
      refuse(hello.id, 'full', `The hub has its ${limits.maxAgents} agents; try again later.`);
      end(CLOSE.full, 'full');
      return;
    }
    const since = new Date(hub.nowMs()).toISOString();
    const entry: Member = { identity, session, since, socket: wire, end, saidGoodbye: false };
    // The place is taken before the record is written, so that two of them cannot both count as the last free one.
    member = entry;
    hub.registry.enter(entry)?.end(CLOSE.replaced, 'connected again elsewhere');
    const lastSequence = await hub.store.connected(hello, session);
    counters.add('connected');
    hub.samples.add('auth', performance.now() - startedAt);
    hub.events.add({ kind: 'lifecycle', name: 'connected', ...identity, detail: '' });
    debug('BASIC', { kind: 'lifecycle', name: 'agent connected', fields: { agent: identityText(identity), session } });
    wire.send({ type: 'welcome', id: hello.id, session, lastSequence, clock: hub.store.clockOf(identity.tenant) });
  }

  async function authenticate({ id, token, tenant, agent }: RequestOf<'hello'>): Promise<Identity | undefined> {
    const verdict = await verifyToken(token, hub.keys, hub.nowMs());
    if (!verdict.ok) {
      counters.add('unauthorized');
      refuse(id, verdict.code, `${verdict.message} Sign a new one with the agent's own key.`);
      end(CLOSE.unauthorized, verdict.code);
      return undefined;
    }
    const { identity } = verdict;
    if (identity.tenant === tenant && identity.agent === agent) return identity;
    counters.add('unauthorized');
    const attempt = { request: id, what: 'hello', tenant, code: 'wrong-identity' } as const;
    if (identity.tenant !== tenant) await hub.store.refused(identity, attempt);
    refuse(id, 'wrong-identity', `The token is of ${identityText(identity)}; it opens nothing for anybody else.`);
    end(CLOSE.unauthorized, 'wrong-identity');
    return undefined;
  }

  async function record(code: number): Promise<void> {
    clearTimeout(helloTimer);
    clearTimeout(readAgain);
    if (member === undefined) return;
    hub.registry.leave(member);
    const reason = member.saidGoodbye ? 'goodbye' : (ended?.reason ?? (code === CLOSE.done ? 'closed' : 'lost'));
    if (reason === 'lost') counters.add('lost');
    const { identity } = member;
    hub.events.add({ kind: 'lifecycle', name: 'disconnected', ...identity, detail: reason });
    const fields = { agent: identityText(identity), session, code, reason };
    debug('BASIC', { kind: 'lifecycle', name: 'agent disconnected', fields });
    try {
      await hub.store.ended({ session, code: ended?.code ?? code, reason });
    } catch (error) {
      counters.add('failures');
      debug('BASIC', { kind: 'lifecycle', name: 'end not recorded', fields: { session, error: String(error) } });
    }
  }

  return {
    async stop() {
      end(CLOSE.stopping, 'the hub stops');
      await over;
    },
  };
}

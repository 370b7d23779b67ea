/** A hub of its own on loopback with a real database file, and agents that speak to it frame by frame. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { WebSocket } from 'ws';
import { startHub, type Hub, type HubOptions } from '../../ci/federation/src/hub/hub.ts';
import { digestOf, type Episode } from '../../ci/federation/src/protocol/episode.ts';
import { replySchema, type Reply, type RequestOf } from '../../ci/federation/src/protocol/messages.ts';
import { identityFrom, type Identity } from '../../ci/federation/src/protocol/names.ts';
import { keyTexts, publicKeyFrom, signToken, type KeyRing } from '../../ci/federation/src/protocol/token.ts';

export const adminToken = 'an admin token for tests';
export const readToken = 'a read token for tests';

/** `tenant/agent` as an identity. */
export function who(text: string): Identity {
  return identityFrom(text) ?? raise(`${text} is no identity`);
}

/** Private keys made as they are asked for. */
export interface Keys {
  of(name: string): KeyObject;
  readonly ring: KeyRing;
}

export function makeKeys(...names: readonly string[]): Keys {
  const keys = new Map(names.map((name) => [name, generateKeyPairSync('ed25519').privateKey]));
  const publicHalf = (key: KeyObject): KeyObject => publicKeyFrom(keyTexts(key).publicText) ?? raise('no public half');
  return {
    of: (name) => keys.get(name) ?? raise(`no key was made for ${name}`),
    ring: new Map([...keys].map(([name, key]) => [name, publicHalf(key)])),
  };
}

export interface HubRig extends AsyncDisposable {
  hub: Hub;
  readonly keys: Keys;
  readonly databasePath: string;
  /** Starts a hub again on the same database, after the last one was stopped. */
  again(options?: { readonly port?: number; readonly healthPort?: number }): Promise<void>;
  connect(name: string, options?: { readonly token?: string; readonly as?: string }): Promise<TestAgent>;
  socket(): Promise<TestSocket>;
  get(path: string, token?: string): Promise<Response>;
}

type RigOptions = Partial<Omit<HubOptions, 'keys' | 'databasePath'>> & { readonly agents?: readonly string[] };

const everybody = ['red/coder', 'red/tester', 'red/coach', 'blue/coder', 'blue/loner'];

export async function startHubRig({ agents = everybody, ...options }: RigOptions = {}): Promise<HubRig> {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-federation-'));
  const databasePath = join(folder, 'hub.db');
  const keys = makeKeys(...agents);
  const start = (more: Partial<HubOptions> = {}): Promise<Hub> =>
    startHub({
      ...{ databasePath, keys: keys.ring, port: 0, healthPort: 0, host: '127.0.0.1' },
      ...{ tokens: { admin: adminToken, read: readToken }, debug: () => undefined, agentDbPackage: 'no-such-agentdb' },
      ...options,
      ...more,
    });
  const sockets: TestSocket[] = [];
  const rig: HubRig = {
    hub: await start(),
    keys,
    databasePath,
    async again(more) {
      rig.hub = await start(more);
    },
    async socket() {
      const socket = await openSocket(`ws://127.0.0.1:${rig.hub.port}`);
      sockets.push(socket);
      return socket;
    },
    async connect(name, { token, as = name } = {}) {
      const socket = await rig.socket();
      const signed = token ?? (await signToken(who(name), keys.of(name), Date.now()));
      return greet(socket, who(as), signed);
    },
    get: (path, token) =>
      fetch(`http://127.0.0.1:${rig.hub.healthPort}${path}`, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.raw.terminate();
      await rig.hub.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return rig;
}

type Message = Readonly<Record<string, unknown>> & { readonly id: string };

export interface TestSocket {
  readonly raw: WebSocket;
  /** Everything that arrived. */
  readonly replies: readonly Reply[];
  /** Sends a message and resolves to the answer with its id; rejects when the connection ends first. */
  ask(message: Message): Promise<Reply>;
  /** The next message that fits, also one that is there already. */
  find(fits: (reply: Reply) => boolean): Promise<Reply>;
  /** How the connection ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

export interface TestAgent extends TestSocket {
  readonly identity: Identity;
  readonly welcome: Reply;
  push(...episodes: readonly Episode[]): Promise<Reply>;
  pull(clock?: Readonly<Record<string, number>>, limit?: number): Promise<Reply>;
  /** An episode of this agent. */
  episode(sequence: number, more?: Partial<Episode>): Episode;
}

let ids = 0;
export function nextId(): string {
  return `t${++ids}`;
}

/** Without `checks` messages are neither compared with their schema nor kept: for loads, where that costs most. */
export async function openSocket(url: string, { checks = true } = {}): Promise<TestSocket> {
  const raw = new WebSocket(url, { perMessageDeflate: false });
  const replies: Reply[] = [];
  const watchers = new Set<() => void>();
  const answers = new Map<string, (reply: Reply) => void>();
  raw.on('message', (data: Buffer) => {
    const value: unknown = JSON.parse(data.toString('utf8'));
    const reply = checks ? replySchema.parse(value) : (value as Reply);
    if (checks) replies.push(reply);
    answers.get(reply.id)?.(reply);
    for (const watcher of watchers) watcher();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    raw.on('close', (code, reason) => {
      resolve({ code, reason: reason.toString('utf8') });
      for (const watcher of watchers) watcher();
    });
  });
  raw.on('error', () => undefined);
  raw.setMaxListeners(0);
  await new Promise<void>((resolve, reject) => {
    raw.once('open', resolve);
    raw.once('error', reject);
  });
  const find = (fits: (reply: Reply) => boolean): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = replies.find(fits);
        if (found === undefined && raw.readyState !== WebSocket.CLOSED) return;
        watchers.delete(look);
        if (found === undefined) reject(new Error('The connection ended before the answer.'));
        else resolve(found);
      };
      watchers.add(look);
      look();
    });
  return {
    ...{ raw, replies, closed, find },
    ask(message) {
      raw.send(JSON.stringify(message));
      return new Promise((resolve, reject) => {
        const forget = (): void => {
          answers.delete(message.id);
          raw.off('close', tell);
        };
        const tell = (): void => {
          forget();
          reject(new Error('The connection ended before the answer.'));
        };
        raw.once('close', tell);
        answers.set(message.id, (reply) => {
          forget();
          resolve(reply);
        });
      });
    },
  };
}

/** Says hello and expects to be welcome. */
export async function greet(socket: TestSocket, identity: Identity, token: string): Promise<TestAgent> {
  const welcome = await socket.ask(hello(identity, token));
  if (welcome.type !== 'welcome') throw new Error(`not welcome: ${JSON.stringify(welcome)}`);
  const { tenant } = identity;
  return {
    ...socket,
    identity,
    welcome,
    push: (...episodes) => socket.ask({ type: 'push', id: nextId(), tenant, episodes }),
    pull: (clock = {}, limit) =>
      socket.ask({ type: 'pull', id: nextId(), tenant, clock, ...(limit === undefined ? {} : { limit }) }),
    episode: (sequence, more) => episodeOf(identity, sequence, more),
  };
}

export function hello({ tenant, agent }: Identity, token: string): RequestOf<'hello'> {
  const runningMs = performance.now();
  return { type: 'hello', id: nextId(), protocol: 1, tenant, agent, token, runningMs, connectMs: 1 };
}

export function episodeOf(identity: Identity, sequence: number, more: Partial<Episode> = {}): Episode {
  const content = {
    sequence,
    task: `task ${sequence}`,
    input: 'in',
    output: 'out',
    critique: 'fine',
    reward: 0.8,
    success: true,
    at: '2026-03-01T00:00:00.000Z',
    ...more,
  };
  const { digest: _none, ...withoutDigest } = content as Episode;
  return { ...withoutDigest, digest: more.digest ?? digestOf(identity, withoutDigest) };
}

/** Agent and sequence of what a page holds, as texts. */
export function namesOn(page: Reply): readonly string[] {
  if (page.type !== 'page') throw new Error(`not a page: ${JSON.stringify(page)}`);
  return page.episodes.map(({ agent, episode }) => `${agent} ${episode.sequence}`);
}

function raise(message: string): never {
  throw new Error(message);
}

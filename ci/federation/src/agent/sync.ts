/** One sync: pushes what the hub does not have, then pulls what the agent does not have. */
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { Lost, type HubConnection } from './connection.ts';
import type { LocalStore } from './local-store.ts';
import { MAX_EPISODES_PER_PUSH, type Reply } from '../protocol/messages.ts';
import type { Identity } from '../protocol/names.ts';

export interface Synced {
  readonly id: string;
  readonly pushMs: number;
  readonly pullMs: number;
  readonly syncMs: number;
  readonly pushed: number;
  readonly pulled: number;
}

/** Knows how far the hub is with this agent's episodes. */
export interface Pusher {
  /** Pushes everything that is stored and not acknowledged; resolves to how many. */
  push(connection: HubConnection, id: string): Promise<number>;
  /** What a new connection's welcome said; less than before after a restored backup. */
  hubHas(lastSequence: number): void;
}

export function createPusher(store: LocalStore, { tenant }: Identity): Pusher {
  let acknowledged = 0;
  async function pushOnce(connection: HubConnection, id: string): Promise<number> {
    const episodes = [...store.after(acknowledged, MAX_EPISODES_PER_PUSH)];
    if (episodes.length === 0) return 0;
    const ack = expectType('ack', await connection.ask({ type: 'push', id, tenant, episodes }));
    acknowledged = ack.through;
    return episodes.length;
  }
  return {
    async push(connection, id) {
      for (let part = 1, pushed = 0; ; part += 1) {
        const count = await pushOnce(connection, `${id}.push-${part}`);
        if (count === 0) return pushed;
        pushed += count;
      }
    },
    hubHas(lastSequence) {
      acknowledged = lastSequence;
    },
  };
}

/** Pulls page after page; resolves to how many episodes came. */
export async function pullAll(
  connection: HubConnection,
  store: LocalStore,
  own: Identity,
  id: string,
): Promise<number> {
  for (let part = 1, pulled = 0; ; part += 1) {
    const request = { type: 'pull', id: `${id}.pull-${part}`, tenant: own.tenant, clock: store.clock() } as const;
    const page = expectType('page', await connection.ask(request));
    store.receive(page.episodes);
    pulled += page.episodes.length;
    if (!page.more) return pulled;
  }
}

export interface SyncParts {
  readonly connection: HubConnection;
  readonly store: LocalStore;
  readonly pusher: Pusher;
  readonly identity: Identity;
}

/** Rejects with Lost or Refused; what was acknowledged until then stays so. */
export async function syncOnce({ connection, store, pusher, identity }: SyncParts): Promise<Synced> {
  const id = `sync-${randomUUID()}`;
  const startedAt = performance.now();
  const pushed = await pusher.push(connection, id);
  const pushedAt = performance.now();
  const pulled = await pullAll(connection, store, identity, id);
  const endedAt = performance.now();
  return { id, pushMs: pushedAt - startedAt, pullMs: endedAt - pushedAt, syncMs: endedAt - startedAt, pushed, pulled };
}

/** Another answer than the one to this request is a hub that cannot be trusted. */
export function expectType<T extends Reply['type']>(type: T, reply: Reply): Extract<Reply, { type: T }> {
  if (reply.type !== type) throw new Lost(`expected ${type} and got ${reply.type}`);
  return reply as Extract<Reply, { type: T }>;
}

/** What the hub does with the requests of an agent that has proven who it is. */
import { performance } from 'node:perf_hooks';
import type { HubParts, Member } from './session.ts';
import { digestOf } from '../protocol/episode.ts';
import {
  MAX_EPISODES_PER_PULL,
  type ErrorCode,
  type ErrorReply,
  type Request,
  type RequestOf,
} from '../protocol/messages.ts';
import { identityText } from '../protocol/names.ts';

export interface Asked<T extends Request = Exclude<Request, RequestOf<'hello'>>> {
  readonly request: T;
  readonly member: Member;
  readonly hub: HubParts;
  refuse(id: string, code: ErrorCode, message: string, more?: Partial<ErrorReply>): void;
}

/** Answers the request. Rejects when the database is in trouble; then nothing of it is stored. */
export async function handleRequest(asked: Asked): Promise<void> {
  const { request, hub } = asked;
  const startedAt = performance.now();
  switch (request.type) {
    case 'push':
      await push({ ...asked, request });
      break;
    case 'pull':
      await pull({ ...asked, request });
      break;
    case 'report':
      await report({ ...asked, request });
      break;
    case 'goodbye':
      await goodbye({ ...asked, request });
      break;
  }
  hub.samples.add(request.type, performance.now() - startedAt);
}

async function push(asked: Asked<RequestOf<'push'>>): Promise<void> {
  const { request, member, hub, refuse } = asked;
  const { identity, socket } = member;
  if (await isForeign(asked)) return;
  const wrong = request.episodes.find(({ digest, ...content }) => digestOf(identity, content) !== digest);
  if (wrong !== undefined) {
    refuse(request.id, 'bad-digest', `Episode ${wrong.sequence} does not have the digest that it names.`);
    return;
  }
  const admission = await hub.store.push(identity, request.episodes);
  switch (admission.kind) {
    case 'gap': {
      const { expected } = admission;
      refuse(request.id, 'gap', `Episode ${expected} comes next; send from there.`, { expected });
      return;
    }
    case 'conflict': {
      refuse(request.id, 'conflict', `Episode ${admission.sequence} is stored with another content.`);
      return;
    }
    case 'accepted':
      socket.send({ type: 'ack', id: request.id, through: admission.through });
      hub.counters.add(admission.fresh.length === 0 ? 'repeatedPushes' : 'pushes');
      hub.debug('DETAILED', {
        kind: 'memory',
        name: 'push stored',
        fields: {
          agent: identityText(identity),
          id: request.id,
          through: admission.through,
          new: admission.fresh.length,
        },
      });
      if (admission.fresh.length === 0) return;
      for (const episode of admission.fresh) {
        hub.memory.add(identity, episode);
        const detail = `#${episode.sequence} ${episode.task}`;
        hub.events.add({ kind: 'memory', name: 'episode stored', ...identity, detail });
      }
      hub.news.tell(identity);
  }
}

async function pull(asked: Asked<RequestOf<'pull'>>): Promise<void> {
  const { request, member, hub } = asked;
  if (await isForeign(asked)) return;
  const { identity, socket } = member;
  const page = hub.store.pull(identity.tenant, request.clock, request.limit ?? MAX_EPISODES_PER_PULL);
  hub.counters.add('pulls');
  // Built from the stored texts: parsing them only to write them again costs most of a pull.
  socket.sendText(
    `{"type":"page","id":${JSON.stringify(request.id)},"episodes":[${page.items.join(',')}],"more":${page.more}}`,
  );
  if (page.items.length > 0) {
    const detail = `${page.items.length} episodes`;
    hub.events.add({ kind: 'message', name: 'pulled', ...identity, detail });
  }
  hub.debug('VERBOSE', {
    kind: 'message',
    name: 'pull',
    fields: { agent: identityText(identity), id: request.id, episodes: page.items.length, more: page.more },
  });
}

async function report({ request, member, hub }: Asked<RequestOf<'report'>>): Promise<void> {
  const { identity, socket } = member;
  await hub.store.note(identity, request);
  const { sync } = request;
  for (const kind of ['connectMs', 'authMs', 'storeMs', 'pushMs', 'pullMs', 'syncMs'] as const) {
    const ms = sync[kind];
    if (ms !== null) hub.samples.add(`agent.${kind.slice(0, -2)}`, ms);
  }
  hub.counters.add('reports');
  hub.memoryOf.set(identityText(identity), request.memoryBytes);
  hub.events.add({ kind: 'task', name: 'synced', ...identity, detail: `${sync.task} (${sync.syncMs.toFixed(1)} ms)` });
  socket.send({ type: 'noted', id: request.id });
}

async function goodbye({ request, member, hub }: Asked<RequestOf<'goodbye'>>): Promise<void> {
  const { identity, session, socket } = member;
  await hub.store.summarize(identity, session, request.summary);
  member.saidGoodbye = true;
  hub.counters.add('goodbyes');
  socket.send({ type: 'farewell', id: request.id });
}

/** Refuses a request that names another tenant, and writes down that it was made. */
async function isForeign({
  request,
  member,
  hub,
  refuse,
}: Asked<RequestOf<'push'> | RequestOf<'pull'>>): Promise<boolean> {
  const { identity } = member;
  if (request.tenant === identity.tenant) return false;
  const attempt = { request: request.id, what: request.type, tenant: request.tenant, code: 'wrong-tenant' };
  await hub.store.refused(identity, attempt);
  hub.events.add({ kind: 'message', name: `${request.type} refused`, ...identity, detail: 'wrong-tenant' });
  refuse(request.id, 'wrong-tenant', `You are of tenant ${identity.tenant}; only that one is open to you.`);
  return true;
}

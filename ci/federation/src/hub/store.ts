/** The hub's use-cases on its database. Each write is one transaction; what it resolves to is on disk. */
import type { Episode } from '../protocol/episode.ts';
import { behind, seenOf, type Clock } from '../protocol/clock.ts';
import type { Identity } from '../protocol/names.ts';
import type { Attempt, RequestOf, Summary } from '../protocol/messages.ts';
import { admit, type Admission } from './admission.ts';
import { createWriter, type Connection } from './database.ts';

/** A page as it goes over the wire. */
export interface Page {
  /** Each is the JSON of `{agent, episode}`. */
  readonly items: readonly string[];
  readonly more: boolean;
}

export interface Ended {
  readonly session: string;
  readonly code: number;
  readonly reason: string;
}

export interface HubStore {
  /** Begins a connection's record and knows the agent from now on; resolves to its last stored sequence. */
  connected(hello: RequestOf<'hello'>, session: string): Promise<number>;
  /** Ends the record. A second end of the same connection changes nothing. */
  ended(end: Ended): Promise<void>;
  /** Stores what is new in a push, or nothing at all. May be repeated. */
  push(identity: Identity, episodes: readonly Episode[]): Promise<Admission>;
  /** What the clock has not seen of its tenant, at most `limit` episodes and about half a frame. */
  pull(tenant: string, clock: Clock, limit: number): Page;
  /** What is stored for a tenant. */
  clockOf(tenant: string): Clock;
  /** May be repeated. */
  note(identity: Identity, report: RequestOf<'report'>): Promise<void>;
  /** What the hub refused itself. */
  refused(identity: Identity, attempt: Attempt): Promise<void>;
  summarize(identity: Identity, session: string, summary: Summary): Promise<void>;
  /** Commits a value and reads it back; rejects when that fails or reads another one. One at a time. */
  probe(value: string): Promise<void>;
  /** Resolves when nothing waits for its commit. */
  idle(): Promise<void>;
}

/** Half a frame, since the other half may be one large episode. */
const PAGE_BYTES = 512 * 1024;
/** Attempts are kept as evidence, not as a log for whoever wants to fill the disk. */
const KEPT_ATTEMPTS = 500;

export function createHubStore(db: Connection, now: () => Date): HubStore {
  const writer = createWriter(db);
  const stamp = (): string => now().toISOString();
  const clocks = readClocks(db);
  const sql = statements(db);
  // Whatever a killed hub left open ended with it.
  sql.endAll.run({ at: stamp() });

  function insertAttempt(identity: Identity, attempt: Attempt, by: 'hub' | 'agent'): void {
    const { n } = sql.attempts.get({ ...identity, by }) as { n: number };
    if (n >= KEPT_ATTEMPTS) return;
    sql.attempt.run({ ...identity, ...attempt, by, target: attempt.tenant, tenant: identity.tenant, at: stamp() });
  }

  return {
    connected: ({ tenant, agent, runningMs, connectMs }, session) =>
      writer.write(() => {
        sql.agent.run({ tenant, agent, at: stamp() });
        sql.connect.run({ session, tenant, agent, at: stamp(), runningMs, connectMs });
        return (sql.last.get({ tenant, agent }) as { last: number }).last;
      }),
    async ended({ session, code, reason }) {
      await writer.write(() => sql.end.run({ session, code, reason, at: stamp() }));
    },
    async push(identity, episodes) {
      const admission = await writer.write(() => {
        const { last } = sql.last.get(identity) as { last: number };
        const digest = (sequence: number): string | undefined =>
          (sql.digest.get({ ...identity, sequence }) as { digest: string } | undefined)?.digest;
        const result = admit(episodes, last, digest);
        if (result.kind !== 'accepted' || result.fresh.length === 0) return result;
        for (const episode of result.fresh) {
          const json = JSON.stringify({ agent: identity.agent, episode });
          const { sequence, task, reward, at } = episode;
          const row = { sequence, task, reward, at, digest: episode.digest, success: episode.success ? 1 : 0, json };
          sql.episode.run({ ...identity, ...row, receivedAt: stamp() });
        }
        sql.advance.run({ ...identity, last: result.through });
        return result;
      });
      if (admission.kind === 'accepted' && admission.fresh.length > 0) {
        const clock = clocks.get(identity.tenant) ?? new Map<string, number>();
        clocks.set(identity.tenant, clock.set(identity.agent, admission.through));
      }
      return admission;
    },
    pull(tenant, clock, limit) {
      const items: string[] = [];
      let bytes = 0;
      for (const agent of behind(clock, clockOf(tenant))) {
        const rows = sql.unseen.iterate({ tenant, agent, seen: seenOf(clock, agent) }) as Iterable<{ json: string }>;
        for (const { json } of rows) {
          if (items.length >= limit || (bytes > 0 && bytes + json.length > PAGE_BYTES)) return { items, more: true };
          items.push(json);
          bytes += Buffer.byteLength(json);
        }
      }
      return { items, more: false };
    },
    clockOf,
    note: (identity, { sync, received, attempts, memoryBytes }) =>
      writer.write(() => {
        sql.sync.run({ ...identity, ...sync, memoryBytes, at: stamp() });
        for (const receipt of received) sql.receipt.run({ ...identity, ...receipt, at: stamp() });
        for (const attempt of attempts) insertAttempt(identity, attempt, 'agent');
      }),
    refused: (identity, attempt) => writer.write(() => insertAttempt(identity, attempt, 'hub')),
    async summarize(identity, session, summary) {
      await writer.write(() => sql.summary.run({ ...identity, ...summary, session, at: stamp() }));
    },
    async probe(value) {
      await writer.write(() => sql.probe.run({ value }));
      const { value: found } = sql.readProbe.get() as { value: string };
      if (found !== value) throw new Error(`wrote ${value} and read ${found}`);
    },
    idle: () => writer.idle(),
  };

  function clockOf(tenant: string): Clock {
    return Object.fromEntries(clocks.get(tenant) ?? []);
  }
}

/** Tenant → agent → last sequence. */
function readClocks(db: Connection): Map<string, Map<string, number>> {
  const rows = db.prepare('select tenant, agent, last_sequence as last from agents where last_sequence > 0').all();
  const clocks = new Map<string, Map<string, number>>();
  for (const { tenant, agent, last } of rows as (Identity & { last: number })[]) {
    clocks.set(tenant, (clocks.get(tenant) ?? new Map<string, number>()).set(agent, last));
  }
  return clocks;
}

function statements(db: Connection) {
  const who = 'tenant = :tenant and agent = :agent';
  return {
    agent: db.prepare('insert into agents values (:tenant, :agent, 0, :at) on conflict do nothing'),
    last: db.prepare(`select last_sequence as last from agents where ${who}`),
    advance: db.prepare(`update agents set last_sequence = :last where ${who}`),
    connect: db.prepare(`insert into connections (session, tenant, agent, connected_at, running_ms, connect_ms)
      values (:session, :tenant, :agent, :at, :runningMs, :connectMs)`),
    end: db.prepare(`update connections set ended_at = :at, end_code = :code, end_reason = :reason
      where session = :session and ended_at is null`),
    endAll: db.prepare("update connections set ended_at = :at, end_reason = 'hub ended' where ended_at is null"),
    digest: db.prepare(`select digest from episodes where ${who} and sequence = :sequence`),
    episode: db.prepare(`insert into episodes
      (tenant, agent, sequence, digest, task, reward, success, at, received_at, json)
      values (:tenant, :agent, :sequence, :digest, :task, :reward, :success, :at, :receivedAt, :json)`),
    unseen: db.prepare(`select json from episodes where ${who} and sequence > :seen order by sequence`),
    sync: db.prepare(`insert into syncs values (:tenant, :agent, :id, :iteration, :task, :startedAt, :connectMs, :authMs,
      :storeMs, :pushMs, :pullMs, :syncMs, :pushed, :pulled, :memoryBytes, :at) on conflict do nothing`),
    receipt: db.prepare(`insert into receipts values (:tenant, :agent, :from, :sequence, :digest, :at)
      on conflict do nothing`),
    attempts: db.prepare(`select count(*) as n from attempts where ${who} and by = :by`),
    attempt: db.prepare(`insert into attempts values (:tenant, :agent, :request, :by, :what, :target, :code, :at)
      on conflict do nothing`),
    summary: db.prepare(`insert into summaries values (:session, :tenant, :agent, :iterations, :syncs, :meanReward,
      :successRate, :connectionErrors, :received, :news, :at) on conflict do nothing`),
    probe: db.prepare('insert into probe values (1, :value) on conflict (id) do update set value = :value'),
    readProbe: db.prepare('select value from probe'),
  };
}

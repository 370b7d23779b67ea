/** What an agent has of its own and received from others, in an SQLite file: stored here before it is pushed. */
import Database from 'better-sqlite3';
import { advanced, type Clock } from '../protocol/clock.ts';
import { digestOf, episodeSchema, type Episode, type EpisodeContent } from '../protocol/episode.ts';
import type { Pulled, Receipt } from '../protocol/messages.ts';
import type { Identity } from '../protocol/names.ts';

const SCHEMA = `
  create table if not exists own (sequence integer primary key, json text not null) strict;
  create table if not exists received (
    agent text not null, sequence integer not null, digest text not null, json text not null,
    reported integer not null default 0,
    primary key (agent, sequence)
  ) strict, without rowid;
`;

export interface LocalStore extends Disposable {
  /** Stores the agent's next episode; it is on disk when this returns. */
  add(content: Omit<EpisodeContent, 'sequence'>): Episode;
  /** The hub has so many of this agent: numbers go on after them, also when the file was lost. */
  hubHas(lastSequence: number): void;
  /** Own episodes after that sequence, oldest first. */
  after(sequence: number, limit: number): readonly Episode[];
  /** Stores a page, whole or not at all. Own episodes on it fill up a file that was lost. */
  receive(page: readonly Pulled[]): void;
  clock(): Clock;
  /** Receipts that were not reported yet, each with the digest of what is stored. */
  unreported(limit: number): readonly Receipt[];
  reported(receipts: readonly Receipt[]): void;
  readonly receivedCount: number;
}

/** Opens or makes the file; `:memory:` ends with the process. */
export function openLocalStore(path: string, identity: Identity): LocalStore {
  const db = new Database(path, { timeout: 5000 });
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(SCHEMA);
  const sql = {
    add: db.prepare('insert into own values (:sequence, :json) on conflict do nothing'),
    last: db.prepare('select coalesce(max(sequence), 0) as last from own'),
    has: db.prepare('select 1 from own where sequence = :sequence'),
    after: db.prepare('select json from own where sequence > :sequence order by sequence limit :limit'),
    receive: db.prepare(`insert into received (agent, sequence, digest, json)
      values (:agent, :sequence, :digest, :json) on conflict do nothing`),
    clock: db.prepare('select agent, max(sequence) as last from received group by agent'),
    unreported: db.prepare(`select agent as "from", sequence, digest from received where reported = 0 limit :limit`),
    reported: db.prepare('update received set reported = 1 where agent = :from and sequence = :sequence'),
    count: db.prepare('select count(*) as n from received'),
  };
  let hubLast = 0;
  /** So many own episodes are there from the first on, without a gap. */
  let whole = 0;
  const last = (): number => (sql.last.get() as { last: number }).last;
  const all = <T>(work: (items: readonly T[]) => void) => db.transaction(work);
  const receivePage = all((page: readonly Pulled[]) => {
    for (const { agent, episode } of page) {
      const { digest: _claimed, ...content } = episode;
      const { sequence } = episode;
      // Computed here, so that a receipt proves that the content came and not only its name.
      const digest = digestOf({ tenant: identity.tenant, agent }, content);
      const json = JSON.stringify(episode);
      if (agent === identity.agent) sql.add.run({ sequence, json });
      else sql.receive.run({ agent, sequence, digest, json });
    }
  });
  const markReported = all((receipts: readonly Receipt[]) => {
    for (const { from, sequence } of receipts) sql.reported.run({ from, sequence });
  });

  return {
    add(content) {
      const numbered = { sequence: Math.max(last(), hubLast) + 1, ...content };
      const episode = { ...numbered, digest: digestOf(identity, numbered) };
      sql.add.run({ sequence: episode.sequence, json: JSON.stringify(episode) });
      return episode;
    },
    hubHas(lastSequence) {
      hubLast = lastSequence;
    },
    after(sequence, limit) {
      const rows = sql.after.all({ sequence, limit }) as readonly { json: string }[];
      return rows.map(({ json }) => episodeSchema.parse(JSON.parse(json)));
    },
    receive: (page) => receivePage(page),
    clock() {
      const rows = sql.clock.all() as readonly { agent: string; last: number }[];
      const others = rows.reduce<Clock>((clock, row) => advanced(clock, row.agent, row.last), {});
      while (sql.has.get({ sequence: whole + 1 }) !== undefined) whole += 1;
      return advanced(others, identity.agent, whole);
    },
    unreported: (limit) => sql.unreported.all({ limit }) as Receipt[],
    reported: (receipts) => markReported(receipts),
    get receivedCount() {
      return (sql.count.get() as { n: number }).n;
    },
    [Symbol.dispose]() {
      db.close();
    },
  };
}

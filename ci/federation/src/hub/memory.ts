/**
 * The search index beside the database: agentdb, where it loads. The database is the truth; the index holds the newest
 * episodes in memory, is filled again at every start, and no push waits for it.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Episode } from '../protocol/episode.ts';
import { identityText, type Identity } from '../protocol/names.ts';

export interface MemoryState {
  readonly kind: 'agentdb' | 'sqlite';
  /** For people: what it can do, and why not more. */
  readonly says: string;
  readonly indexed: number;
  /** Episodes that came after the index was full. */
  readonly leftOut: number;
  readonly failures: number;
}

export interface EpisodeMemory {
  /** Indexes it some time later. Never throws; failures are counted and shown. */
  add(identity: Identity, episode: Episode): void;
  state(): MemoryState;
  /** Resolves when everything that was added is indexed. */
  idle(): Promise<void>;
}

/** agentdb never frees what it prepares, so its index cannot grow for ever. */
const MOST_INDEXED = 1000;
const EMBEDDINGS = 'its embeddings are a hash of the text, not semantic';
const SELF_TEST = 'hub/self-test';

/** The package under its name. Tests name one that is not there, or a stand-in. */
export async function openMemory(packageName = 'agentdb'): Promise<EpisodeMemory> {
  try {
    return await openAgentDb(packageName);
  } catch (error) {
    const [why] = (error instanceof Error ? error.message : String(error)).split('\n');
    return withoutIndex(`SQLite alone: ${packageName} does not load (${why})`);
  }
}

function withoutIndex(says: string): EpisodeMemory {
  return {
    add: () => undefined,
    state: () => ({ kind: 'sqlite', says, indexed: 0, leftOut: 0, failures: 0 }),
    idle: () => Promise.resolve(),
  };
}

/** The part of agentdb that is used. */
interface AgentDb {
  createDatabase(path: string): Promise<{ exec(sql: string): unknown }>;
  EmbeddingService: new (options: { model: string; dimension: number; provider: 'local' }) => object;
  ReflexionMemory: new (db: object, embedder: object) => ReflexionMemory;
}

interface ReflexionMemory {
  storeEpisode(episode: Indexed): Promise<number>;
  retrieveRelevant(query: { task: string; k: number }): Promise<readonly { readonly sessionId: string }[]>;
}

interface Indexed {
  readonly sessionId: string;
  readonly task: string;
  readonly input: string;
  readonly output: string;
  readonly critique: string;
  readonly reward: number;
  readonly success: boolean;
}

async function openAgentDb(packageName: string): Promise<EpisodeMemory> {
  const { createDatabase, EmbeddingService, ReflexionMemory } = (await import(packageName)) as AgentDb;
  const db = await createDatabase(':memory:');
  const schemas = join(dirname(createRequire(import.meta.url).resolve(packageName)), 'schemas');
  for (const name of ['schema.sql', 'frontier-schema.sql']) db.exec(readFileSync(join(schemas, name), 'utf8'));
  const embedder = new EmbeddingService({ model: 'hash', dimension: 384, provider: 'local' });
  const reflexion = new ReflexionMemory(db, embedder);
  await proveItWorks(reflexion);

  let queue = Promise.resolve();
  let [indexed, waiting, leftOut, failures] = [0, 0, 0, 0];
  async function index(identity: Identity, { task, input, output, critique, reward, success }: Episode): Promise<void> {
    try {
      const sessionId = identityText(identity);
      await reflexion.storeEpisode({ sessionId, task, input, output, critique, reward, success });
      indexed += 1;
    } catch {
      // Counted, and shown in the hub's health; the episode itself is safe in the database.
      failures += 1;
    } finally {
      waiting -= 1;
    }
  }
  return {
    add(identity, episode) {
      if (indexed + waiting >= MOST_INDEXED) {
        leftOut += 1;
        return;
      }
      waiting += 1;
      // Indexing computes for a millisecond or two; connections get their turn in between.
      queue = queue.then(() => nextTurn()).then(() => index(identity, episode));
    },
    state: () => ({ kind: 'agentdb', says: `agentdb beside SQLite; ${EMBEDDINGS}`, indexed, leftOut, failures }),
    idle: () => queue,
  };
}

/** A package that loads but does not store is as good as none. */
async function proveItWorks(reflexion: ReflexionMemory): Promise<void> {
  const task = 'start of the hub';
  await reflexion.storeEpisode({
    sessionId: SELF_TEST,
    task,
    input: '',
    output: '',
    critique: '',
    reward: 0,
    success: true,
  });
  const [found] = await reflexion.retrieveRelevant({ task, k: 1 });
  if (found?.sessionId !== SELF_TEST) throw new Error('it did not give back what was stored');
}

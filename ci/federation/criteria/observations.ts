/** What was observed of a federation's run: rows of the hub's database, what the monitor's page showed, and sizes. */
import Database from 'better-sqlite3';
import type { Identity } from '../src/protocol/names.ts';

export interface ObservedConnection extends Identity {
  readonly session: string;
  readonly connectedAt: string;
  /** How long the agent's process had run when it connected, in ms. */
  readonly runningMs: number;
  readonly endedAt: string | null;
  readonly endCode: number | null;
  readonly endReason: string | null;
}

export interface ObservedSync extends Identity {
  readonly id: string;
  readonly iteration: number;
  readonly task: string;
  /** Of the connection, with its first sync only. In ms, like all below. */
  readonly connectMs: number | null;
  readonly authMs: number | null;
  readonly storeMs: number;
  readonly pushMs: number;
  readonly pullMs: number;
  readonly syncMs: number;
  readonly memoryBytes: number;
}

export interface ObservedEpisode extends Identity {
  readonly sequence: number;
  readonly digest: string;
}

/** The agent said that it received this; the digest was computed from what came. */
export interface ObservedReceipt extends Identity {
  readonly fromAgent: string;
  readonly digest: string;
}

export interface ObservedAttempt extends Identity {
  readonly request: string;
  readonly by: 'hub' | 'agent';
  readonly what: 'hello' | 'push' | 'pull';
  readonly targetTenant: string;
  readonly code: string | null;
}

export interface ObservedSummary extends Identity {
  readonly iterations: number;
  readonly meanReward: number;
  readonly connectionErrors: number;
}

export interface DatabaseRows {
  readonly connections: readonly ObservedConnection[];
  readonly syncs: readonly ObservedSync[];
  readonly episodes: readonly ObservedEpisode[];
  readonly receipts: readonly ObservedReceipt[];
  readonly attempts: readonly ObservedAttempt[];
  readonly summaries: readonly ObservedSummary[];
}

/** What a page showed at one moment. */
export interface PageSample {
  readonly episodes: number;
  readonly syncs: number;
  readonly connected: number;
  readonly isFresh: boolean;
}

export interface Observations extends DatabaseRows {
  /** Who should have taken part. */
  readonly expected: readonly Identity[];
  /** While agents worked, in order. */
  readonly page: readonly PageSample[];
  /** After the database was copied; undefined = there was none. */
  readonly lastPage: PageSample | undefined;
  readonly databaseBytes: number;
  /** Memory of hub and monitor, in bytes; shared pages count in parts. */
  readonly memoryBytes: { readonly hub: number; readonly monitor: number };
}

/** Reads a copy of the hub's database. Throws when it is none. */
export function readDatabase(path: string): DatabaseRows {
  const db = new Database(path, { readonly: true });
  const all = (sql: string): readonly unknown[] => db.prepare(sql).all();
  try {
    return {
      connections: all(`select tenant, agent, session, connected_at as connectedAt, running_ms as runningMs,
        ended_at as endedAt, end_code as endCode, end_reason as endReason from connections order by connected_at`) as readonly ObservedConnection[],
      syncs: all(`select tenant, agent, id, iteration, task, connect_ms as connectMs, auth_ms as authMs,
        store_ms as storeMs, push_ms as pushMs, pull_ms as pullMs, sync_ms as syncMs, memory_bytes as memoryBytes
        from syncs order by rowid`) as readonly ObservedSync[],
      episodes: all(
        'select tenant, agent, sequence, digest from episodes order by rowid',
      ) as readonly ObservedEpisode[],
      receipts: all(
        'select tenant, agent, from_agent as fromAgent, digest from receipts',
      ) as readonly ObservedReceipt[],
      attempts: all(
        'select tenant, agent, request, "by", what, target_tenant as targetTenant, code from attempts',
      ) as readonly ObservedAttempt[],
      summaries: all(`select tenant, agent, iterations, mean_reward as meanReward,
        connection_errors as connectionErrors from summaries`) as readonly ObservedSummary[],
    };
  } finally {
    db.close();
  }
}

/** What the hub tells about itself: totals for everybody, names only for whoever holds a token. */
import type { Connection } from './database.ts';
import type { Count } from './counters.ts';
import type { MemoryState } from './memory.ts';
import type { HubParts } from './session.ts';
import type { Figures } from './samples.ts';
import { processBytes } from '../process-size.ts';

export interface Totals {
  readonly at: string;
  readonly startedAt: string;
  readonly uptimeMs: number;
  readonly memoryBytes: number;
  readonly agents: { readonly connected: number; readonly max: number };
  readonly episodes: { readonly total: number };
  readonly syncs: { readonly total: number };
  /** Measured by the hub (hello to welcome as `auth`, `push`, `pull` …) and by agents (`agent.push` …). */
  readonly latencies: Readonly<Record<string, Figures>>;
  readonly counts: Readonly<Record<Count, number>>;
  readonly memory: MemoryState;
}

export interface ConnectedAgent {
  readonly agent: string;
  readonly session: string;
  readonly since: string;
}

export interface Stats extends Totals {
  readonly agents: Totals['agents'] & { readonly byTenant: Readonly<Record<string, readonly ConnectedAgent[]>> };
  readonly episodes: { readonly total: number; readonly byTenant: Readonly<Record<string, number>> };
  readonly syncs: { readonly total: number; readonly byTenant: Readonly<Record<string, number>> };
  /** Agents that have said goodbye, `tenant/agent`. */
  readonly goodbyes: readonly string[];
  /** Memory of agents as they reported it, in bytes. */
  readonly agentMemory: Readonly<Record<string, number>>;
}

export interface StatsSource {
  stats(): Stats;
}

export function createStats(db: Connection, hub: HubParts, startedMs: number): StatsSource {
  const episodes = db.prepare('select tenant, count(*) as n from episodes group by tenant order by tenant');
  const syncs = db.prepare('select tenant, count(*) as n from syncs group by tenant order by tenant');
  const goodbyes = db.prepare("select distinct tenant || '/' || agent as name from summaries order by name");
  return {
    stats() {
      const nowMs = hub.nowMs();
      const members = hub.registry.all();
      const byTenant: Record<string, ConnectedAgent[]> = {};
      for (const { identity, session, since } of members) {
        (byTenant[identity.tenant] ??= []).push({ agent: identity.agent, session, since });
      }
      return {
        at: new Date(nowMs).toISOString(),
        startedAt: new Date(startedMs).toISOString(),
        uptimeMs: nowMs - startedMs,
        memoryBytes: processBytes(),
        agents: { connected: members.length, max: hub.limits.maxAgents, byTenant },
        episodes: counted(episodes.all()),
        syncs: counted(syncs.all()),
        latencies: hub.samples.figures(),
        counts: hub.counters.all(),
        goodbyes: (goodbyes.all() as readonly { name: string }[]).map(({ name }) => name),
        agentMemory: Object.fromEntries(hub.memoryOf),
        memory: hub.memory.state(),
      };
    },
  };
}

/** What everybody may see: no name of a tenant or an agent. */
export function totalsOf(stats: Stats): Totals {
  const { at, startedAt, uptimeMs, memoryBytes, agents, episodes, syncs, latencies, counts, memory } = stats;
  return {
    ...{ at, startedAt, uptimeMs, memoryBytes, latencies, counts, memory },
    agents: { connected: agents.connected, max: agents.max },
    episodes: { total: episodes.total },
    syncs: { total: syncs.total },
  };
}

function counted(rows: readonly unknown[]): { total: number; byTenant: Record<string, number> } {
  const pairs = (rows as readonly { tenant: string; n: number }[]).map(({ tenant, n }) => [tenant, n] as const);
  return { total: pairs.reduce((sum, [, n]) => sum + n, 0), byTenant: Object.fromEntries(pairs) };
}

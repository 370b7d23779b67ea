/** What the page shows, made of what is known: plain texts and numbers, which the page only puts in their places. */
import type { FeedState } from './hub-feed.ts';
import { timelineOf, type Timeline } from './timeline.ts';

export interface View {
  readonly isFresh: boolean;
  /** One sentence about how old what is shown is. */
  readonly says: string;
  readonly connected: number;
  readonly episodes: number;
  readonly syncs: number;
  readonly uptime: string;
  readonly goodbyes: number;
  readonly memory: string;
  readonly tenants: readonly TenantView[];
  readonly latencies: readonly LatencyView[];
  readonly timeline: Timeline;
  /** Newest first. */
  readonly log: readonly string[];
}

export interface TenantView {
  readonly name: string;
  readonly agents: readonly string[];
  readonly episodes: number;
  readonly syncs: number;
}

export interface LatencyView {
  readonly name: string;
  readonly n: number;
  readonly p50: string;
  readonly p95: string;
}

/** Stats come every second; older than this they say nothing about now. */
export const FRESH_MS = 5000;
const LOG_LINES = 50;

export function viewOf({ stats, freshAtMs, trouble, events }: FeedState, nowMs: number): View {
  const ageMs = freshAtMs === undefined ? Infinity : nowMs - freshAtMs;
  const isFresh = ageMs < FRESH_MS;
  const seconds = Math.max(0, Math.round(ageMs / 1000));
  const since = freshAtMs === undefined ? 'Nothing is known of the hub' : `From ${seconds} s ago`;
  return {
    isFresh,
    says: trouble === undefined ? since : `${since}. ${trouble}`,
    connected: stats?.agents.connected ?? 0,
    episodes: stats?.episodes.total ?? 0,
    syncs: stats?.syncs.total ?? 0,
    uptime: durationText(stats?.uptimeMs ?? 0),
    goodbyes: stats?.goodbyes.length ?? 0,
    memory: stats?.memory.says ?? '',
    tenants: tenantsOf(stats),
    latencies: Object.entries(stats?.latencies ?? {})
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([name, { n, p50, p95 }]) => ({ name, n, p50: msText(p50), p95: msText(p95) })),
    timeline: timelineOf(events, nowMs),
    log: events
      .slice(-LOG_LINES)
      .toReversed()
      .map(
        (event) =>
          `${new Date(event.atMs).toISOString().slice(11, 19)} ${event.tenant}/${event.agent} ${event.name} ${event.detail}`,
      ),
  };
}

function tenantsOf(stats: FeedState['stats']): readonly TenantView[] {
  if (stats === undefined) return [];
  const { agents, episodes, syncs } = stats;
  const names = new Set([...Object.keys(agents.byTenant), ...Object.keys(episodes.byTenant)]);
  return [...names].toSorted().map((name) => ({
    name,
    agents: (agents.byTenant[name] ?? []).map(({ agent }) => agent).toSorted(),
    episodes: episodes.byTenant[name] ?? 0,
    syncs: syncs.byTenant[name] ?? 0,
  }));
}

function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours} h ${minutes} min ${seconds % 60} s`;
}

function msText(ms: number | null): string {
  return ms === null ? '–' : `${ms.toFixed(1)} ms`;
}

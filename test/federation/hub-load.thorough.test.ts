/** A hundred agents at ten syncs a second each. FEDERATION_LOAD_SECONDS=60 runs it for the full minute. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { figuresOf } from '../../ci/federation/src/hub/samples.ts';
import { connectTo, startHubProgram } from '../support/federation-process.ts';
import { adminToken, makeKeys, who, type TestAgent } from '../support/federation-rig.ts';

const seconds = Number(process.env['FEDERATION_LOAD_SECONDS'] ?? 10);
const TENANTS = 10;
const AGENTS_PER_TENANT = 10;
const SYNCS_PER_SECOND = 10;

const names = Array.from({ length: TENANTS * AGENTS_PER_TENANT }, (_none, index) => {
  return `tenant-${index % TENANTS}/agent-${Math.floor(index / TENANTS)}`;
});

interface Work {
  readonly syncs: number[];
  pulled: number;
}

/** Syncs on a fixed timetable, so that a slow hub is asked no less often. */
async function syncOnTime(agent: TestAgent, startAt: number): Promise<Work> {
  const work: Work = { syncs: [], pulled: 0 };
  let clock: Record<string, number> = {};
  for (let n = 0; n < seconds * SYNCS_PER_SECOND; n += 1) {
    const dueIn = startAt + (n * 1000) / SYNCS_PER_SECOND - performance.now();
    if (dueIn > 0) await new Promise((resolve) => setTimeout(resolve, dueIn));
    const from = performance.now();
    const ack = await agent.push(agent.episode(n + 1));
    if (ack.type !== 'ack') throw new Error(JSON.stringify(ack));
    clock = { ...clock, [agent.identity.agent]: n + 1 };
    for (let more = true; more;) {
      const page = await agent.pull(clock);
      if (page.type !== 'page') throw new Error(JSON.stringify(page));
      for (const { agent: other, episode } of page.episodes) clock[other] = episode.sequence;
      work.pulled += page.episodes.length;
      more = page.more;
    }
    work.syncs.push(performance.now() - from);
  }
  return work;
}

test(
  'a hundred agents at ten syncs a second lose nothing and see all of their tenant',
  { timeout: 60_000 + seconds * 3000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-federation-load-'));
    const keys = makeKeys(...names);
    const databasePath = join(folder, 'hub.db');
    try {
      await using hub = await startHubProgram({ databasePath, keys, names });
      const agents = await Promise.all(names.map((name) => connectTo(hub.port, who(name), keys, { checks: false })));
      const startAt = performance.now();
      const works = await Promise.all(agents.map((agent, index) => syncOnTime(agent, startAt + index)));
      const elapsed = (performance.now() - startAt) / 1000;
      const syncs = works.flatMap((work) => work.syncs);
      const stats = (await (
        await fetch(`http://127.0.0.1:${hub.healthPort}/stats`, { headers: { authorization: `Bearer ${adminToken}` } })
      ).json()) as {
        episodes: { total: number };
        memoryBytes: number;
        counts: Record<string, number>;
        latencies: unknown;
      };
      const megabytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(0)} MB`;
      console.log(
        `${agents.length} agents, ${elapsed.toFixed(1)} s: ${(syncs.length / elapsed).toFixed(0)} syncs/s,`,
        `${(works.reduce((sum, { pulled }) => sum + pulled, 0) / elapsed).toFixed(0)} episodes/s pulled;`,
        `sync ms ${JSON.stringify(figuresOf(syncs))}; hub ${megabytes(stats.memoryBytes)}, database ${megabytes(statSync(databasePath).size)};`,
        JSON.stringify(stats.latencies),
      );
      expect(syncs.length).toBe(names.length * seconds * SYNCS_PER_SECOND);
      expect(stats.episodes.total).toBe(syncs.length);
      expect(stats.counts).toMatchObject({ errors: 0, lost: 0, cutForSlowness: 0, cutForSilence: 0, failures: 0 });
      // The last pull of whoever was last has seen everything; nobody can have seen more than the others made.
      const most = (AGENTS_PER_TENANT - 1) * seconds * SYNCS_PER_SECOND;
      expect(Math.max(...works.map(({ pulled }) => pulled))).toBeLessThanOrEqual(most);
      expect(Math.min(...works.map(({ pulled }) => pulled))).toBeGreaterThan(most * 0.9);
      expect(await hub.end('SIGTERM')).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

/** The ten criteria, decided from what was observed. Nothing observed is never a pass. */
import { isolation } from './isolation.ts';
import type { Observations } from './observations.ts';
import { figuresOf } from '../src/hub/samples.ts';
import { identityText, type Identity } from '../src/protocol/names.ts';

export interface Criterion {
  readonly number: number;
  readonly name: string;
  readonly target: string;
  readonly observed: string;
  readonly passed: boolean;
}

export const SHARED_TENANT = 'test-collaboration';
export const APART_TENANT = 'different-tenant';

const MOST_START_MS = 10_000;
const LEAST_ITERATIONS = 10;
const MOST_MEAN_SYNC_MS = 100;
const LEAST_PAGE_VALUES = 3;

/** A criterion without its number. */
type Verdict = Omit<Criterion, 'number'>;

export function decide(seen: Observations): readonly Criterion[] {
  const verdicts: readonly Verdict[] = [
    connecting(seen),
    iterations(seen),
    counted('episodes in the hub', 50, seen.episodes.length),
    counted(`episodes of ${SHARED_TENANT}`, 40, ofTenant(seen, SHARED_TENANT)),
    counted(`episodes of ${APART_TENANT}`, 10, ofTenant(seen, APART_TENANT)),
    { name: 'no access across tenants', target: 'sharing within, refusals across', ...isolation(seen) },
    syncTime(seen),
    connectionErrors(seen),
    monitor(seen),
    goodbyes(seen),
  ];
  return verdicts.map((verdict, index) => ({ number: index + 1, ...verdict }));
}

function connecting({ expected, connections }: Observations): Verdict {
  const firsts = expected.map((who) => connections.find((connection) => isOf(connection, who)));
  const found = firsts.filter((first) => first !== undefined);
  const slowest = Math.max(0, ...found.map(({ runningMs }) => runningMs));
  const lastBegin =
    found
      .map(({ connectedAt }) => connectedAt)
      .toSorted()
      .at(-1) ?? '';
  const isTogether = found.every(({ endedAt }) => endedAt === null || endedAt > lastBegin);
  const rest = `slowest ${seconds(slowest)} after its start, ${isTogether ? 'all at once' : 'never all at once'}`;
  return {
    name: 'all agents connect',
    target: `${expected.length} within ${seconds(MOST_START_MS)}`,
    observed: found.length === 0 ? 'no connection was recorded' : `${found.length} of ${expected.length}, ${rest}`,
    passed: expected.length > 0 && found.length === expected.length && slowest <= MOST_START_MS && isTogether,
  };
}

function iterations({ expected, syncs }: Observations): Verdict {
  const counts = expected.map((who) => {
    return new Set(syncs.filter((sync) => isOf(sync, who)).map(({ iteration }) => iteration)).size;
  });
  return {
    name: 'iterations of each agent',
    target: `at least ${LEAST_ITERATIONS}`,
    observed: syncs.length === 0 ? 'no sync was recorded' : counts.join(', '),
    passed: counts.length > 0 && counts.every((count) => count >= LEAST_ITERATIONS),
  };
}

function counted(name: string, least: number, count: number): Verdict {
  return { name, target: `at least ${least}`, observed: String(count), passed: count >= least };
}

function syncTime({ syncs }: Observations): Verdict {
  const { n, mean, p50, p95 } = figuresOf(syncs.map(({ syncMs }) => syncMs));
  return {
    name: 'mean time of a sync',
    target: `below ${MOST_MEAN_SYNC_MS} ms`,
    observed: mean === null ? 'no sync was measured' : `${mean} ms (p50 ${p50}, p95 ${p95}, ${n} syncs)`,
    passed: mean !== null && mean < MOST_MEAN_SYNC_MS,
  };
}

function connectionErrors({ expected, connections, summaries }: Observations): Verdict {
  const broken = connections.filter(({ endReason }) => endReason !== 'goodbye');
  const counted = summaries.reduce((sum, { connectionErrors: count }) => sum + count, 0);
  const silent = expected.filter((who) => !summaries.some((summary) => isOf(summary, who)));
  const untold = silent.length === 0 ? '' : `; not told by ${silent.map(identityText).join(', ')}`;
  const reasons = broken.map(({ endReason }) => endReason ?? 'still open').join(', ');
  return {
    name: 'no connection errors',
    target: '0',
    observed:
      connections.length === 0
        ? 'no connection was recorded'
        : `${counted} counted by agents, ${broken.length} seen by the hub${reasons === '' ? '' : ` (${reasons})`} in ${connections.length} connections${untold}`,
    passed: connections.length > 0 && broken.length === 0 && counted === 0 && silent.length === 0,
  };
}

function monitor({ page, lastPage, episodes, syncs }: Observations): Verdict {
  const values = page.map((sample) => sample.episodes);
  const different = new Set(values).size;
  const isGrowing = values.every((value, index) => value >= (values[index - 1] ?? 0));
  const isSame = lastPage?.episodes === episodes.length && lastPage.syncs === syncs.length && lastPage.isFresh;
  const last =
    lastPage === undefined
      ? 'the page was not there at the end'
      : `last ${lastPage.episodes} episodes and ${lastPage.syncs} syncs, in the database ${episodes.length} and ${syncs.length}`;
  return {
    name: 'the monitor shows updates',
    target: `at least ${LEAST_PAGE_VALUES} values that grow, the last as in the database`,
    observed: `${different} values${isGrowing ? '' : ' that went back'}; ${last}${lastPage?.isFresh === false ? ', out of date' : ''}`,
    passed: different >= LEAST_PAGE_VALUES && isGrowing && isSame && episodes.length > 0,
  };
}

function goodbyes({ expected, connections, summaries }: Observations): Verdict {
  const good = expected.filter((who) => {
    const own = connections.filter((connection) => isOf(connection, who));
    const last = own.at(-1);
    return last?.endReason === 'goodbye' && last.endCode === 1000 && summaries.some((summary) => isOf(summary, who));
  });
  const open = connections.filter(({ endedAt }) => endedAt === null).length;
  return {
    name: 'agents disconnect in order',
    target: `${expected.length} goodbyes, none left open`,
    observed: `${good.length} goodbyes recorded by the hub, ${open} connections open`,
    passed: expected.length > 0 && good.length === expected.length && open === 0,
  };
}

function ofTenant({ episodes }: Observations, tenant: string): number {
  return episodes.filter((episode) => episode.tenant === tenant).length;
}

function isOf(row: Identity, who: Identity): boolean {
  return row.tenant === who.tenant && row.agent === who.agent;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

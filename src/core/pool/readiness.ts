/**
 * Whether a pool may be relied on, line by line. A line has nothing but what was observed: there is no way to say that
 * something is fine without the observation. Pure.
 */
import type { PoolHistory, PoolRecord } from './pool-store.ts';

/** What was seen, when, and where to look it up. */
export interface Observation {
  readonly text: string;
  readonly at: Date;
  /** Page of the forge; null = there is none. */
  readonly url: string | null;
}

export interface ReadinessLine {
  readonly what: string;
  /** null = not observed. */
  readonly observed: Observation | null;
}

export interface Readiness {
  /** `go` only when each line was observed. */
  readonly verdict: 'go' | 'no-go';
  readonly lines: readonly ReadinessLine[];
}

export function readinessOf({ condition }: Pick<PoolRecord, 'condition'>, history: PoolHistory): Readiness {
  const { registered, online, imagesBuilt } = history;
  const { seen, at, message, state } = condition;
  const success = history.jobs.find(({ conclusion }) => conclusion === 'success');
  const lines: readonly ReadinessLine[] = [
    line('everything it needs is there', state === 'ready' ? at : null, () => message),
    line('architecture verified', seen?.at ?? null, () => {
      const how = seen?.isEmulated === true ? 'emulated' : 'native';
      return `uname -m said ${seen?.machine ?? ''} for ${seen?.platform ?? ''} (${how})`;
    }),
    line(
      'a runner registered',
      registered?.plannedAt ?? null,
      () => `${registered?.name ?? ''}, number ${registered?.githubId ?? ''} at GitHub`,
    ),
    line('a runner online', online?.onlineAt ?? null, () => online?.name ?? ''),
    jobLine('a real job succeeded', success),
    jobLine('images built', imagesBuilt ?? undefined),
  ];
  return { verdict: lines.every(({ observed }) => observed !== null) ? 'go' : 'no-go', lines };
}

function line(what: string, at: Date | null, text: () => string): ReadinessLine {
  return { what, observed: at === null ? null : { text: text(), at, url: null } };
}

function jobLine(what: string, job: PoolHistory['jobs'][number] | undefined): ReadinessLine {
  if (job?.completedAt === undefined || job.completedAt === null) return { what, observed: null };
  const text = `${job.workflow ?? 'workflow'} run ${job.runId}, job ${job.id} (${job.name}) on ${job.runner ?? ''}`;
  return { what, observed: { text, at: job.completedAt, url: job.url === '' ? null : job.url } };
}

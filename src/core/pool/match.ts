/** Which pools a job of a workflow may go to, and why none takes it. Pure. */
import { nearestWord } from '../problem.ts';
import type { WorkflowJob } from '../workflow.ts';
import { covers, scopesOf, type Pool, type Scope } from './pool.ts';

/** A pool with the labels of its runners. */
export interface Offering {
  readonly pool: Pool;
  readonly labels: readonly string[];
}

/** Where in the pool a runner for the job would be registered; undefined when the pool is not for it. */
export function scopeFor({ pool, labels }: Offering, job: Pick<WorkflowJob, 'labels' | 'repo'>): Scope | undefined {
  const has = new Set(labels.map(lower));
  if (!job.labels.every((label) => has.has(lower(label)))) return undefined;
  return scopesOf(pool).find((scope) => covers(scope, job.repo));
}

/** Jobs that name one of GitHub's own machines are none of ours. */
export function isForSelfHosted(job: Pick<WorkflowJob, 'labels'>): boolean {
  return job.labels.some((label) => lower(label) === 'self-hosted');
}

/** Why no pool can ever take the job, with the nearest labels; for jobs that ask for `self-hosted`. */
export function whyNoPool(offerings: readonly Offering[], job: Pick<WorkflowJob, 'labels' | 'repo'>): string {
  const wanted = `runs-on: [${job.labels.join(', ')}]`;
  const inScope = offerings.filter(({ pool }) => scopesOf(pool).some((scope) => covers(scope, job.repo)));
  const repo = `${job.repo.owner}/${job.repo.name}`;
  if (inScope.length === 0) {
    const others = offerings.filter((one) => fits(one, job)).map(({ pool }) => pool.name);
    const advice =
      others.length > 0 ? `pool ${others.join(', ')} has these labels; add the repository to it` : 'add one';
    return `${wanted}: no pool is for ${repo}; ${advice}`;
  }
  const missing = inScope
    .map(({ pool, labels }) => ({ pool, labels, lacks: lacking(labels, job.labels) }))
    .toSorted((a, b) => a.lacks.length - b.lacks.length);
  const [nearest] = missing;
  if (nearest === undefined) return wanted;
  const lacks = nearest.lacks.map((label) => {
    const meant = nearestWord(lower(label), nearest.labels.map(lower));
    return meant === undefined ? label : `${label} (did you mean ${meant}?)`;
  });
  return `${wanted}: no pool for ${repo} has all of these labels; the nearest, ${nearest.pool.name}, has [${nearest.labels.join(', ')}] and lacks ${lacks.join(', ')}`;
}

function fits({ labels }: Offering, job: Pick<WorkflowJob, 'labels'>): boolean {
  return lacking(labels, job.labels).length === 0;
}

function lacking(labels: readonly string[], wanted: readonly string[]): readonly string[] {
  const has = new Set(labels.map(lower));
  return wanted.filter((label) => !has.has(lower(label)));
}

function lower(text: string): string {
  return text.toLowerCase();
}

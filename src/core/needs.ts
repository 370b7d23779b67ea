/** What a job waits for of each job that it needs: its end, or artifacts that it publishes while it runs. Pure. */
import type { Job } from './job.ts';
import type { ArtifactNeed } from './pipeline/pipeline.ts';
import { listOf } from './pipeline/schema-values.ts';

/** As the file says it. */
type NeedInput =
  | string
  | {
      readonly job: string;
      readonly optional?: boolean | undefined;
      readonly artifact?: string | readonly string[] | undefined;
      readonly artifacts?: boolean | undefined;
    };

/** The fields of a job's specification that say what it waits for. */
export interface Needs {
  readonly needs: readonly string[] | undefined;
  readonly optionalNeeds: readonly string[];
  readonly artifactNeeds?: readonly ArtifactNeed[];
  readonly refusesArtifactsOf?: readonly string[];
}

export function needsOf(input: NeedInput | readonly NeedInput[] | undefined): Needs {
  if (input === undefined) return { needs: undefined, optionalNeeds: [] };
  const needs = listOf<NeedInput>(input).map((need) => (typeof need === 'string' ? { job: need } : need));
  const named = needs.flatMap(({ job, artifact = [] }) => listOf(artifact).map((name) => ({ job, artifact: name })));
  const artifactNeeds = [...new Map(named.map((one) => [`${one.job} ${one.artifact}`, one])).values()];
  const refused = unique(needs.filter(({ artifacts }) => artifacts === false).map(({ job }) => job));
  return {
    needs: unique(needs.map(({ job }) => job)),
    optionalNeeds: unique(needs.filter(({ optional }) => optional === true).map(({ job }) => job)),
    ...(artifactNeeds.length === 0 ? {} : { artifactNeeds }),
    ...(refused.length === 0 ? {} : { refusesArtifactsOf: refused }),
  };
}

/** Names of the artifacts that a job waits for of another one, by its key; undefined = it waits for its end. */
export function awaitedArtifacts({ spec }: Pick<Job, 'spec'>, key: string): readonly string[] | undefined {
  const names = spec.artifactNeeds?.filter(({ job }) => job === key).map(({ artifact }) => artifact);
  return names === undefined || names.length === 0 ? undefined : names;
}

/** Whether all that a job waits for of a need was published by the need's newest attempt, whatever became of that since. */
export function hasPublished(need: Pick<Job, 'spec' | 'published'>, job: Pick<Job, 'spec'>): boolean {
  return awaitedArtifacts(job, need.spec.key)?.every((name) => need.published.includes(name)) === true;
}

/**
 * Whether a job that could start once has to wait anew: what released it was of an attempt that failed, and the next one
 * has not come so far.
 */
export function waitsAnew(job: Job, byName: ReadonlyMap<string, Job>): boolean {
  if (job.spec.artifactNeeds === undefined || job.state !== 'queued') return false;
  const needs = job.waitsFor.map((name) => byName.get(name));
  return needs.some((need) => need !== undefined && need.state !== 'finished' && !hasPublished(need, job));
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

/** What jobs leave behind: folders of their workspace that outlive it, for the jobs after them and for people. */
import type { ArtifactSpec } from './pipeline/artifact-schema.ts';
import type { JobId, RunId } from './job.ts';
import type { Download, JobSpec } from './pipeline/pipeline.ts';
import type { Run } from './run.ts';

/** An artifact that was captured and lies whole on the disk. */
export interface KeptArtifact {
  readonly name: string;
  /** Sizes of plain files added up. */
  readonly bytes: number;
  readonly files: number;
  readonly expiresAt: Date;
}

/** What a step of a job that goes on has published. */
export interface Publication {
  /** All that it said it would; of an optional one nothing may have been there. */
  readonly names: readonly string[];
  readonly artifacts: readonly KeptArtifact[];
}

/** Which attempt of which job it is of. */
export interface ArtifactOf extends KeptArtifact {
  readonly runId: RunId;
  readonly jobId: JobId;
  readonly attempt: number;
  /** Of the job. */
  readonly job: string;
}

/** Name of its folder: integers and hex digits, whatever the artifact is called. */
export function artifactKey(of: Pick<ArtifactOf, 'runId' | 'jobId' | 'attempt' | 'name'>): string {
  const name = Array.from(new TextEncoder().encode(of.name), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [of.runId, of.jobId, of.attempt, name].join('-');
}

/** Its folder below `artifacts/` in the data folder. */
export function artifactFolder(run: Pick<Run, 'repo' | 'trust'>, of: ArtifactOf): string {
  return [run.repo.id, run.trust, artifactKey(of)].join('/');
}

/** Whether a job gets this artifact of one that it waited for. */
export function isGiven({ name }: ArtifactOf, from: JobSpec, to: JobSpec): boolean {
  if (to.refusesArtifactsOf?.includes(from.key) === true) return false;
  const isAsked = from.artifacts.find((spec) => spec.name === name)?.isAsked === true;
  return !isAsked || to.downloads?.some((one) => one.job === from.key && one.name === name) === true;
}

/** The first that a job asked for, cannot do without, and is not there. */
export function missingDownload({ downloads = [] }: JobSpec, given: readonly ArtifactOf[]): Download | undefined {
  return downloads.find(
    ({ job, name, isRequired }) => isRequired && !given.some((one) => one.job === job && one.name === name),
  );
}

/** Whether a job that came to this outcome keeps it. What was cancelled or lost keeps nothing: nobody knows how far it got. */
export function isKept({ when }: ArtifactSpec, result: 'success' | 'failure'): boolean {
  return when === 'always' || when === result;
}

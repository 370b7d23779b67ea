/** Which commit's files say what runs for an event: its own, but for a fork that of the base branch. */
import { isPipelineFile, PIPELINE_FOLDERS } from '../core/pipeline/pipeline-file.ts';
import { NO_PIPELINE, type Sidecar } from '../core/pipeline/pipeline.ts';
import type { Git, GitTrouble, IntakePlan } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import { trustOf, type ConfigSource } from '../core/run.ts';
import { rightsOf } from '../core/trust.ts';
import { readPipelines, type FoundPipeline } from './pipelines.ts';
import type { HeadIntake } from './plan.ts';

export interface FoundConfig {
  readonly found: readonly FoundPipeline[];
  /** The commit they were read at. */
  readonly sha: string;
  /** null = the commit of the event. */
  readonly source: ConfigSource | null;
}

/** The sha of the intake is in the mirror. Fetches the base of a fork's pull request; the trouble is of the forge or the disk. */
export async function readConfig(git: Git, intake: HeadIntake): Promise<Result<FoundConfig, GitTrouble>> {
  const { repo, sha, baseRef, defaultBranch } = intake;
  if (rightsOf(intake.trust).config === 'own commit')
    return success({ found: await readPipelines(git, repo, sha), sha, source: null });
  const branch = baseRef ?? defaultBranch;
  const ref = `refs/heads/${branch}`;
  const fetched = await git.fetch({ repo, sha: null, ref });
  if (!fetched.ok) return fetched;
  const base = fetched.value.head;
  if (base === null) return failed({ kind: 'missing', message: `the base branch ${branch} is not there` });
  const read = new Set<string>();
  const found = await readPipelines(remembering(git, read), repo, base);
  const ignored = await changesOf(
    git,
    intake,
    base,
    (path) => read.has(path) || isBuiltFrom(path, found) || isConfig(path),
  );
  return success({
    found,
    sha: base,
    source: { sha: base, branch, trust: trustOf(ref, defaultBranch), ignored: ignored.slice(0, MOST_SHOWN) },
  });
}

/** What is planned carries where its pipeline came from. */
export function withSource(plan: IntakePlan, source: ConfigSource | null): IntakePlan {
  if (source === null) return plan;
  return { ...plan, runs: plan.runs.map((run) => (run.pipeline === NO_PIPELINE ? run : { ...run, config: source })) };
}

const MOST_SHOWN = 20;

function isConfig(path: string): boolean {
  return isPipelineFile(path) && PIPELINE_FOLDERS.some((folder) => path.startsWith(`${folder}/`));
}

function isBuiltFrom(path: string, found: readonly FoundPipeline[]): boolean {
  const sidecars = found.flatMap(({ parsed }): Sidecar[] => (parsed.ok ? [parsed.value.sidecar] : []));
  return sidecars.some(
    (one) => one.kind === 'build' && (path === one.file || path === one.context || path.startsWith(`${one.context}/`)),
  );
}

function remembering(git: Git, read: Set<string>): Git {
  return {
    ...git,
    read: (repo, sha, path) => {
      read.add(path);
      return git.read(repo, sha, path);
    },
  };
}

/** Without a common past nobody can tell what the fork changed, so nothing is claimed. */
async function changesOf(
  git: Git,
  { repo, sha }: HeadIntake,
  base: string,
  counts: (path: string) => boolean,
): Promise<readonly string[]> {
  const changed = await git.changedPaths(repo, { base, head: sha, from: 'merge-base' });
  return (changed ?? []).filter(counts);
}

/** `hearth preview`: what an event would run, level by level. Jobs of one level may run at the same time. */
import { expandPipeline, runHeading } from '../core/plan/expand.ts';
import { levelsOf } from '../core/plan/graph.ts';
import type { LaneSpec } from '../core/lane/lane-spec.ts';
import { awaitedArtifacts } from '../core/needs.ts';
import type { Pipeline } from '../core/pipeline/pipeline.ts';
import { formatProblem, type Problem } from '../core/problem.ts';
import { failed, success, type Result } from '../core/result.ts';
import { judgeTrigger } from '../core/plan/trigger.ts';
import { exits, type ExitCode } from './exit.ts';
import { laneText } from './text.ts';
import { findPipelines, NOTHING_FOUND } from './working-tree.ts';

export interface PreviewArgs {
  readonly cwd: string;
  readonly json: boolean;
  readonly out: (line: string) => void;
  readonly event: 'push' | 'pull_request';
  /** Branch of the push, or base branch of the pull request. */
  readonly branch: string;
}

interface Preview {
  readonly pipeline: string;
  readonly file: string;
  readonly wanted: boolean;
  readonly why: string | null;
  readonly levels: readonly (readonly PreviewedJob[])[];
}

interface PreviewedJob {
  readonly name: string;
  readonly waits_for: readonly string[];
  /** Of those, what it waits for instead of their end, by their names; absent = nothing. */
  readonly artifacts?: Readonly<Record<string, readonly string[]>>;
  /** Of a job that runs elsewhere. */
  readonly lane?: LaneSpec['kind'];
  readonly workflow?: string;
}

/** Exit 0; 1 when a file is broken; 3 when there is none. */
export async function preview({ cwd, json, out, event, branch }: PreviewArgs): Promise<ExitCode> {
  const found = await findPipelines(cwd);
  if (found.length === 0) {
    out(json ? JSON.stringify({ pipelines: [], problems: [] }) : NOTHING_FOUND);
    return exits.nothing;
  }
  const previews = found.map(({ parsed }) => (parsed.ok ? previewOf(parsed.value, event, branch) : parsed));
  const problems = previews.flatMap((one) => (one.ok ? [] : one.problem));
  const pipelines = previews.flatMap((one) => (one.ok ? [one.value] : []));
  if (json) out(JSON.stringify({ pipelines, problems }));
  else for (const line of [...pipelines.flatMap(linesOf), ...problems.map(formatProblem)]) out(line);
  return problems.length > 0 ? exits.bad : exits.good;
}

function previewOf(
  pipeline: Pipeline,
  eventName: 'push' | 'pull_request',
  branch: string,
): Result<Preview, readonly Problem[]> {
  const baseRef = eventName === 'push' ? null : branch;
  const verdict = judgeTrigger(pipeline.on, { eventName, headRef: `refs/heads/${branch}`, baseRef }, null);
  const common = { pipeline: pipeline.name, file: pipeline.file };
  if (!verdict.wanted) return success({ ...common, wanted: false, why: verdict.why, levels: [] });
  const github = {
    ...{ event_name: eventName, event: {}, base_ref: baseRef ?? '', workflow: pipeline.name },
    ...(eventName === 'push' ? { ref: `refs/heads/${branch}`, ref_name: branch, ref_type: 'branch' } : {}),
  };
  const values = { contexts: { github, inputs: {}, vars: pipeline.vars } };
  const heading = runHeading(pipeline, values);
  const jobs = expandPipeline(pipeline, values);
  if (!heading.ok || !jobs.ok)
    return failed([...(heading.ok ? [] : heading.problem), ...(jobs.ok ? [] : jobs.problem)]);
  const waitsFor = new Map(jobs.value.map((job) => [job.spec.name, job.waitsFor]));
  const specs = new Map(jobs.value.map(({ spec }) => [spec.name, spec]));
  const levels = levelsOf(waitsFor).map((level) =>
    level.map((name): PreviewedJob => {
      const waits_for = waitsFor.get(name) ?? [];
      const spec = specs.get(name);
      const lane = spec?.lane === undefined ? {} : { lane: spec.lane.kind, workflow: spec.lane.workflow };
      if (spec?.artifactNeeds === undefined) return { name, waits_for, ...lane };
      const artifacts = waits_for.flatMap((need): [string, readonly string[]][] => {
        const names = awaitedArtifacts({ spec }, specs.get(need)?.key ?? '');
        return names === undefined ? [] : [[need, names]];
      });
      return { name, waits_for, artifacts: Object.fromEntries(artifacts), ...lane };
    }),
  );
  return success({ ...common, wanted: true, why: null, levels });
}

function linesOf({ pipeline, file, wanted, why, levels }: Preview): readonly string[] {
  if (!wanted) return [`${pipeline} (${file}): does not run: ${why}`];
  const lines = levels.flatMap((level, index) =>
    level.map(
      ({ name, waits_for, artifacts = {}, workflow }) =>
        `  ${index + 1}  ${name}${waits_for.length > 0 ? `  after ${waits_for.map((need) => labelOf(need, artifacts[need])).join(', ')}` : ''}${workflow === undefined ? '' : laneText({ workflow })}`,
    ),
  );
  return [`${pipeline} (${file})`, ...lines];
}

/** `build`, or `dist of build` where the job does not wait for the end of it. */
function labelOf(need: string, artifacts: readonly string[] | undefined): string {
  return artifacts === undefined ? need : `${artifacts.join(' and ')} of ${need}`;
}

/** `hearth list`: pipelines of the working tree and their jobs. */
import type { Pipeline } from '../core/pipeline/pipeline.ts';
import { formatProblem } from '../core/problem.ts';
import { exits, type ExitCode } from './exit.ts';
import { laneText } from './text.ts';
import { findPipelines, NOTHING_FOUND } from './working-tree.ts';

export interface ListArgs {
  readonly cwd: string;
  readonly json: boolean;
  readonly out: (line: string) => void;
}

/** Exit 0; 1 when a file is broken; 3 when there is none. */
export async function list({ cwd, json, out }: ListArgs): Promise<ExitCode> {
  const found = await findPipelines(cwd);
  if (found.length === 0) {
    out(json ? JSON.stringify({ pipelines: [], problems: [] }) : NOTHING_FOUND);
    return exits.nothing;
  }
  const problems = found.flatMap(({ parsed }) => (parsed.ok ? [] : parsed.problem));
  const pipelines = found.flatMap(({ parsed }) => (parsed.ok ? [parsed.value] : []));
  if (json) out(JSON.stringify({ pipelines: pipelines.map(entryOf), problems }));
  else for (const line of [...pipelines.flatMap(linesOf), ...problems.map(formatProblem)]) out(line);
  return problems.length > 0 ? exits.bad : exits.good;
}

function entryOf({ name, file, on, jobs }: Pipeline) {
  return {
    name,
    file,
    on,
    jobs: jobs.map(({ name: job, title, needs = null, phase = null, artifactNeeds, lane }) => ({
      ...{ name: job, title, needs, phase },
      ...(artifactNeeds === undefined ? {} : { artifact_needs: artifactNeeds }),
      ...(lane === undefined ? {} : { lane: lane.kind, workflow: lane.workflow }),
    })),
  };
}

function linesOf({ name, file, on, jobs }: Pipeline): readonly string[] {
  const events = Object.keys(on).join(', ') || 'started by hand only';
  return [
    `${name} (${file}; ${events})`,
    ...jobs.map((job) => `  ${job.name}${job.title === job.name ? '' : `  ${job.title}`}${laneText(job.lane)}`),
  ];
}

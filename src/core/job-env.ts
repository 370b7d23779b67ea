/** The environment that a step's process gets: the image's, then ours, then the pipeline's, then what steps added. */
import { mayAssign, parseAssignments, parsePaths } from './command-files.ts';
import type { Job } from './job.ts';
import type { JobSpec } from './pipeline/pipeline.ts';
import { filesAt, fullName, type Run, type RunContext } from './run.ts';
import type { SecretTexts } from './secrets/secrets-port.ts';
import type { SecretUse } from './pipeline/secret-uses.ts';

const JOB_FILES = '/.hearth/job';
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface StepEnvInputs {
  readonly run: Run;
  readonly context: RunContext;
  readonly job: Job;
  /** Of pipeline and job, filled in. */
  readonly jobEnv: Readonly<Record<string, string>>;
  /** Of the step, filled in. */
  readonly stepEnv: Readonly<Record<string, string>>;
  /** `NAME=value` lines of the image. */
  readonly imageEnv: readonly string[];
  readonly home: string;
  readonly secrets: SecretTexts;
  /** What each earlier step wrote to GITHUB_ENV and GITHUB_PATH (every step gets fresh files), oldest first. */
  readonly earlier: readonly { readonly env: string; readonly path: string }[];
}

export function stepEnv(inputs: StepEnvInputs): Readonly<Record<string, string>> {
  const { run, context, job, imageEnv, earlier } = inputs;
  const image = Object.fromEntries(imageEnv.map((line) => splitOnce(line)));
  const added: Record<string, string> = {};
  let path = image['PATH'] ?? DEFAULT_PATH;
  for (const files of earlier) {
    for (const [name, value] of Object.entries(parseAssignments(files.env))) if (mayAssign(name)) added[name] = value;
    path = [...parsePaths(files.path), path].join(':');
  }
  return {
    HOME: inputs.home,
    ...image,
    PATH: path,
    ...builtIn(run, context, job),
    ...secretVariables(job.spec.secrets, inputs.secrets),
    ...inputs.jobEnv,
    ...added,
    ...inputs.stepEnv,
  };
}

/** The secrets that the job gets as files, by file name. They lie in memory, below {@link SECRET_FOLDER}. */
export function secretFiles(uses: readonly SecretUse[], texts: SecretTexts): Readonly<Record<string, string>> {
  const files = uses.filter(({ name, isFile }) => isFile && texts[name] !== undefined);
  return Object.fromEntries(files.map(({ name }) => [name, texts[name] ?? '']));
}

/** In the container. */
const SECRET_FOLDER = `${JOB_FILES}/secrets`;

function secretVariables(uses: readonly SecretUse[], texts: SecretTexts): Readonly<Record<string, string>> {
  return Object.fromEntries(
    uses.flatMap(({ name, variable, isFile }): [string, string][] => {
      if (variable === null) return [];
      const isGiven = texts[name] !== undefined;
      return [[variable, isFile && isGiven ? `${SECRET_FOLDER}/${name}` : (texts[name] ?? '')]];
    }),
  );
}

/** The variables that pipeline and job give; `render` fills in their expressions. */
export function jobEnv(spec: JobSpec, render: (text: string) => string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(spec.env).map(([name, text]) => [name, render(text)]));
}

function builtIn(run: Run, context: RunContext, job: Job): Record<string, string> {
  const { shard } = job.spec;
  return {
    CI: 'true',
    HEARTH: 'true',
    HEARTH_RUN_ID: String(run.id),
    HEARTH_JOB: job.name,
    HEARTH_ATTEMPT: String(job.attempt),
    HEARTH_PIPELINE: run.pipeline,
    GITHUB_ACTOR: context.actor,
    GITHUB_BASE_REF: context.baseRef ?? '',
    GITHUB_ENV: `${JOB_FILES}/env`,
    GITHUB_EVENT_NAME: run.eventName,
    GITHUB_HEAD_REF: context.headRef ?? '',
    GITHUB_JOB: job.spec.key,
    GITHUB_OUTPUT: `${JOB_FILES}/output`,
    GITHUB_PATH: `${JOB_FILES}/path`,
    GITHUB_REF: run.ref,
    GITHUB_REF_NAME: context.refName,
    GITHUB_REF_TYPE: run.ref.startsWith('refs/tags/') ? 'tag' : 'branch',
    GITHUB_REPOSITORY: fullName(run.repo),
    GITHUB_REPOSITORY_ID: String(run.repo.id),
    GITHUB_REPOSITORY_OWNER: run.repo.owner,
    GITHUB_RUN_ATTEMPT: String(job.attempt),
    GITHUB_RUN_ID: String(run.id),
    GITHUB_SHA: filesAt(run, context),
    GITHUB_STEP_SUMMARY: `${JOB_FILES}/summary`,
    GITHUB_WORKFLOW: run.pipeline,
    GITHUB_WORKSPACE: '/work',
    ...(shard === null ? {} : { CI_NODE_INDEX: String(shard.index), CI_NODE_TOTAL: String(shard.total) }),
  };
}

function splitOnce(line: string): [string, string] {
  const equals = line.indexOf('=');
  return equals === -1 ? [line, ''] : [line.slice(0, equals), line.slice(equals + 1)];
}

/** What GitHub would run and we would not: rules for ci/github/build-images.yml, beyond its grammar. */
import { parse } from 'yaml';

export interface WorkflowFiles {
  /** The text of the workflow. */
  readonly workflow: string;
  /** The texts of the scripts beside it, by file name. */
  readonly scripts: Readonly<Record<string, string>>;
}

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly 'timeout-minutes'?: number;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, unknown>>;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> };
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on: { readonly workflow_dispatch: { readonly inputs: Readonly<Record<string, Input>> } };
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly env: Readonly<Record<string, unknown>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Input {
  readonly type: string;
  readonly options?: readonly string[];
}

/** One sentence for each thing that is against the rules. */
export function problemsOf({ workflow: text, scripts }: WorkflowFiles): readonly string[] {
  const workflow = parse(text) as Workflow;
  const jobs = Object.entries(workflow.jobs);
  return [
    ...inputProblems(workflow, text),
    ...choiceProblems(workflow.on.workflow_dispatch.inputs, text, scripts),
    ...pinProblems(text),
    ...permissionProblems(workflow),
    ...(workflow.concurrency === undefined ? ['no concurrency'] : []),
    ...jobs.flatMap(([id, job]) => jobProblems(id, job, workflow, scripts)),
    ...axisProblems(jobs, text),
    ...onceProblems(jobs),
  ];
}

/** What a step runs of ci/github, by file name. */
function scriptOf({ run = '' }: Step): string | undefined {
  return /^ci\/github\/([\w-]+\.sh)$/.exec(run)?.[1];
}

function inputProblems({ on, ...rest }: Workflow, text: string): readonly string[] {
  const known = Object.keys(on.workflow_dispatch.inputs);
  const used = namesIn(JSON.stringify(rest));
  return [
    ...known.filter((name) => !used.has(name)).map((name) => `input ${name} is used nowhere`),
    ...[...namesIn(text)].filter((name) => !known.includes(name)).map((name) => `input ${name} is not declared`),
  ];
}

function namesIn(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/\binputs\.([\w-]+)/g)].map(([, name = '']) => name));
}

/** A value that is compared with and can never be chosen switches something off for ever. */
function choiceProblems(
  inputs: Readonly<Record<string, Input>>,
  text: string,
  scripts: WorkflowFiles['scripts'],
): readonly string[] {
  const problems: string[] = [];
  for (const [name, { options }] of Object.entries(inputs)) {
    if (options === undefined) continue;
    const compared = [...text.matchAll(new RegExp(`inputs\\.${name}\\s*[!=]=\\s*'([^']*)'`, 'g'))];
    const variable = name.toUpperCase().replaceAll('-', '_');
    const inScripts = Object.values(scripts).flatMap((script) => [
      ...script.matchAll(new RegExp(`"\\$${variable}" !?= ([\\w-]+)`, 'g')),
    ]);
    for (const [, value = ''] of [...compared, ...inScripts])
      if (!options.includes(value)) problems.push(`${name} is compared with ${value}, which is no choice`);
    for (const [file, script] of Object.entries(scripts)) {
      const allowed = new RegExp(`^one_of ${variable} "\\$${variable}" (.*)$`, 'm').exec(script)?.[1];
      if (allowed !== undefined && allowed !== options.join(' '))
        problems.push(`${file} allows ${variable} ${allowed}, and the choices are ${options.join(' ')}`);
    }
  }
  return problems;
}

function pinProblems(text: string): readonly string[] {
  const found = [...text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map(([, value = '']) => value);
  const loose = found.filter((value) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(value));
  const actions = new Set(found.map((value) => value.split('@')[0]));
  return [
    ...loose.map((value) => `${value} is not pinned by a commit with its version behind it`),
    ...(new Set(found).size > actions.size ? ['one action is pinned to several commits'] : []),
  ];
}

function permissionProblems({ permissions, jobs }: Workflow): readonly string[] {
  const writers = Object.entries(jobs).flatMap(([id, job]) =>
    Object.entries(job.permissions ?? {})
      .filter(([, right]) => right === 'write')
      .map(([name]) => `${id}: ${name}`),
  );
  return [
    ...(JSON.stringify(permissions) === '{"contents":"read"}' ? [] : ['the workflow may do more than read contents']),
    ...writers.filter((one) => one !== 'push: packages').map((one) => `job ${one} may be written`),
    ...Object.entries(jobs)
      .filter(([id, job]) => id !== 'push' && JSON.stringify(job).includes('github.token'))
      .map(([id]) => `job ${id} has the token`),
  ];
}

function jobProblems(id: string, job: Job, { env }: Workflow, scripts: WorkflowFiles['scripts']): readonly string[] {
  const problems: string[] = [];
  if (job['timeout-minutes'] === undefined) problems.push(`job ${id} has no timeout-minutes`);
  const last = job.steps.at(-1);
  if (last?.run !== 'ci/github/clean.sh' || last.if !== 'always()')
    problems.push(`job ${id} does not always end with clean.sh`);
  for (const step of job.steps) {
    if (step.run?.includes('${{') === true) problems.push(`job ${id}: an expression in "${step.run}"`);
    if (step.uses?.startsWith('actions/checkout@') === true && step.with?.['persist-credentials'] !== false)
      problems.push(`job ${id} leaves credentials in the checkout`);
    if (step.run === undefined) continue;
    const script = scriptOf(step);
    const source = script === undefined ? undefined : scripts[script];
    if (source === undefined) {
      problems.push(`job ${id}: "${step.run}" is no script of ci/github`);
      continue;
    }
    const given = { ...env, ...job.env, ...step.env };
    for (const name of variablesOf(source))
      if (!(name in given)) problems.push(`job ${id}: ${script} is not given ${name}`);
  }
  return problems;
}

/** What a script reads and does not set itself. */
function variablesOf(source: string): ReadonlySet<string> {
  const required = [...source.matchAll(/\$\{([A-Z_]+):?\?/g)].map(([, name = '']) => name);
  return new Set([...required, ...(source.includes('\nbuild_id\n') ? ['BUILD_ID'] : [])]);
}

function axisProblems(jobs: readonly (readonly [string, Job])[], text: string): readonly string[] {
  const axes = Object.assign({}, ...jobs.map(([, job]) => job.strategy?.matrix ?? {})) as Record<string, string[]>;
  return [...text.matchAll(/matrix\.([\w-]+)(?:\s*[!=]=\s*'([^']*)')?/g)].flatMap(([, axis = '', value]) => {
    if (axes[axis] === undefined) return [`there is no axis ${axis}`];
    return value === undefined || axes[axis].includes(value) ? [] : [`axis ${axis} never is ${value}`];
  });
}

function onceProblems(jobs: readonly (readonly [string, Job])[]): readonly string[] {
  const calls = jobs.flatMap(([, job]) => job.steps.map(scriptOf));
  return ['check.sh', 'build.sh', 'test.sh', 'result.sh', 'push.sh', 'manifest.sh']
    .map((name) => [name, calls.filter((call) => call === name).length] as const)
    .filter(([, count]) => count !== 1)
    .map(([name, count]) => `${name} is called ${count} times`);
}

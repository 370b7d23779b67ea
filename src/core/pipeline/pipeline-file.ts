/** Text of a pipeline file → Pipeline, or everything that is wrong with it. */
import { containerOf, servicesOf } from './container-schema.ts';
import { normalPath, normalVolumePath } from './pipeline-paths.ts';
import {
  DEFAULT_SHM_BYTES,
  DEFAULT_TIMEOUT_MINUTES,
  type CacheSpec,
  type JobTemplate,
  type Pipeline,
  type Sidecar,
  type StepSpec,
} from './pipeline.ts';
import { actionsOf } from '../actions/actions.ts';
import { problemsOfExpressions } from './expression-places.ts';
import { withIncludes, withoutIncludes, type ReadIncluded, type Whole } from './include.ts';
import { keyPosition, nodeAt, problemsOfIssues } from './pipeline-issues.ts';
import { notesOf } from './pipeline-notes.ts';
import { problemsOfRules } from './pipeline-rules.ts';
import { pipelineSchema, type CacheInput, type JobInput, type PipelineInput } from './pipeline-schema.ts';
import { placed, type Position, type Problem } from '../problem.ts';
import { failed, success, type Result } from '../result.ts';
import { resourcesOf } from './resources-schema.ts';
import { artifactsOf } from './artifact-schema.ts';
import { checksOf, imageOf, secretTextsOf } from './image-schema.ts';
import { concurrencyOf, conditionOf, patternsOf, retryOf, strategyOf } from './job-parts.ts';
import { laneOf } from './lane-schema.ts';
import { platformOf } from '../runs-on.ts';
import { usesOf } from './secret-uses.ts';
import { durationMs, listOf } from './schema-values.ts';
import { needsOf } from '../needs.ts';
import { parseSize } from '../size.ts';
import { triggersOf } from './pipeline-triggers.ts';
import { withActions } from '../actions/with-actions.ts';
import { readYaml, writtenIn, type YamlNode } from './yaml-tree.ts';

/** Where pipeline files lie; the first folder that has one counts, the others do not. */
export const PIPELINE_FOLDERS = ['.hearth', 'ci/pipelines'] as const;

export const DEFAULT_IMAGE = 'debian:bookworm-slim';

export function isPipelineFile(path: string): boolean {
  return /\.ya?ml$/.test(path);
}

/**
 * Checks a file and fills in defaults. `file` is its path inside the repository: it gives the name where the file gives
 * none, and stands in every problem. All problems come at once, in the order of the text, each with line and column.
 * Never throws, whatever the text is.
 */
export function parsePipeline(text: string, file: string): Result<Pipeline, readonly Problem[]> {
  const tree = readYaml(text);
  return tree.ok
    ? checkPipeline(withoutIncludes(tree.value, file), file)
    : failed(tree.problem.map((trouble) => ({ ...trouble, file })));
}

/** The same with the files that it includes. Rejects only when `read` does. */
export async function loadPipeline(
  text: string,
  file: string,
  read: ReadIncluded,
): Promise<Result<Pipeline, readonly Problem[]>> {
  const use = { characters: 0, tokens: 0, values: 0 };
  const tree = readYaml(text, { use });
  return tree.ok
    ? checkPipeline(await withIncludes(tree.value, file, read, use), file)
    : failed(tree.problem.map((trouble) => ({ ...trouble, file })));
}

function checkPipeline({ root, problems: found }: Whole, file: string): Result<Pipeline, readonly Problem[]> {
  if (root.value === null) {
    return failed([
      {
        code: 'empty-pipeline',
        message: 'The file is empty. Write at least one job below "jobs:".',
        file,
        position: root.position,
      },
    ]);
  }
  const checked = pipelineSchema.safeParse(root.value);
  const expressions = problemsOfExpressions(root, file, found.length === 0);
  const actions = actionsOf(root, file);
  // A misplaced expression breaks other rules as well, which nobody needs to be told.
  const isExpression = ({ position }: Problem): boolean =>
    expressions.some((one) => isSamePlace(one.position, position));
  const others = [
    ...(checked.success ? [] : problemsOfIssues(checked.error.issues, root, file)),
    ...problemsOfRules(root, file),
    ...actions.problems,
  ];
  const problems = [...found, ...others.filter((problem) => !isExpression(problem)), ...expressions];
  const name = nameIn(root.value) ?? stemOf(file);
  if (!SAFE_STEM.test(name) && nameIn(root.value) === undefined) {
    const message = `The file name gives no usable pipeline name. Add "name:" at the top of the file, or rename the file.`;
    problems.push({ code: 'missing-key', message, file, position: root.position });
  }
  if (problems.length > 0 || !checked.success) return failed(inOrder(problems, file));
  return success(withActions(pipelineOf(checked.data, root, name, file), actions));
}

/** The name a file would have, also when the rest of it is broken; undefined when not even that can be told. */
export function pipelineNameOf(text: string, file: string): string | undefined {
  const tree = readYaml(text);
  const given = tree.ok ? nameIn(tree.value.value) : undefined;
  const name = given !== undefined && pipelineSchema.shape.name.safeParse(given).success ? given : stemOf(file);
  return SAFE_STEM.test(name) || name === given ? name : undefined;
}

const SAFE_STEM = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

function stemOf(file: string): string {
  return (file.split('/').at(-1) ?? '').replace(/\.ya?ml$/, '');
}

function nameIn(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string'
    ? value.name
    : undefined;
}

function isSamePlace(one: Position | undefined, other: Position | undefined): boolean {
  return one?.line === other?.line && one?.column === other?.column && one?.file === other?.file;
}

/** The pipeline's own file comes first. */
function inOrder(problems: readonly Problem[], file: string): readonly Problem[] {
  return problems
    .map(placed)
    .toSorted(
      (a, b) =>
        Number(a.file !== file) - Number(b.file !== file) ||
        (a.file ?? '').localeCompare(b.file ?? '') ||
        (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
        (a.position?.column ?? 0) - (b.position?.column ?? 0),
    );
}

function pipelineOf(input: PipelineInput, root: YamlNode, name: string, file: string): Pipeline {
  const common = { env: envAt(root, ['env']), defaults: input.defaults?.run };
  return {
    name,
    file,
    on: triggersOf(input.on, root),
    sidecar: sidecarOf(input.sidecar),
    phases: input.phases ?? [],
    caches: Object.fromEntries(Object.entries(input.cache ?? {}).map(([cache, spec]) => [cache, cacheOf(spec)])),
    runName: input['run-name'] ?? null,
    concurrency: concurrencyOf(input.concurrency),
    notes: notesOf(root, file),
    vars: envAt(root, ['vars']),
    // Not Object.keys: it moves names that are numbers to the front.
    jobs: [...(nodeAt(root, ['jobs'])?.entries.keys() ?? [])].flatMap((job) => {
      const spec = input.jobs[job];
      return spec ? [jobOf(job, spec, root, common)] : [];
    }),
  };
}

function sidecarOf(input: PipelineInput['sidecar']): Sidecar {
  const limits = {
    shmBytes: parseSize(input?.['shm-size'] ?? DEFAULT_SHM_BYTES) ?? DEFAULT_SHM_BYTES,
    ...(input?.memory === undefined ? {} : { memoryBytes: parseSize(input.memory) ?? 0 }),
    ...(input?.['read-only'] === true ? { readOnly: true as const } : {}),
  };
  if (!input?.build) return { kind: 'image', image: input?.image ?? DEFAULT_IMAGE, ...limits };
  const context = normalPath(input.build.context ?? '.');
  const file = normalPath(input.build.file ?? `${context}/Dockerfile`);
  return { kind: 'build', context, file, ...limits };
}

function cacheOf(input: CacheInput): CacheSpec {
  if (input.volume !== undefined) return { kind: 'volume', path: normalVolumePath(input.volume) };
  const { key = [], paths = [], install = '' } = input;
  return { kind: 'layer', key: listOf(key).map(normalPath), paths: listOf(paths).map(normalPath), install };
}

/** What the file says for all jobs. */
interface Common {
  readonly env: Readonly<Record<string, string>>;
  readonly defaults: Defaults;
}

type Defaults = NonNullable<PipelineInput['defaults']>['run'];

function jobOf(name: string, input: JobInput, root: YamlNode, common: Common): JobTemplate {
  const path = ['jobs', name];
  const isOfForge = input.lane !== undefined;
  const steps = input.image === undefined && !isOfForge ? (input.steps ?? [{ run: input.run ?? '' }]) : [];
  const defaults = { ...common.defaults, ...input.defaults?.run };
  // As on GitHub, where the container has its own, and the file's and the job's come on top.
  const env = isOfForge
    ? {}
    : { ...envAt(root, [...path, 'container', 'env']), ...common.env, ...envAt(root, [...path, 'env']) };
  const specs = steps.flatMap(({ run, ...step }, index) =>
    run === undefined ? [] : [stepOf({ ...step, run }, envAt(root, [...path, 'steps', index, 'env']), defaults)],
  );
  const texts = [env, ...specs.map((step) => ({ ...step.env, run: step.run }))].flatMap((one) => Object.values(one));
  const templates = [...texts, ...secretTextsOf(input.image)];
  return {
    name,
    title: input.name ?? name,
    position: keyPosition(root, path),
    strategy: input.strategy === undefined ? null : strategyOf(input.strategy),
    condition: conditionOf(input.if),
    ...needsOf(input.needs),
    phase: input.phase,
    steps: specs,
    env,
    artifacts: artifactsOf(input.artifacts),
    ...(input['runs-on'] === undefined ? {} : { runsOn: input['runs-on'] }),
    ...(input.platforms === undefined || input.image !== undefined ? {} : { platforms: platformsOf(input.platforms) }),
    ...(input.image === undefined
      ? {}
      : { image: imageOf(input.image, platformsOf(input.platforms ?? []), (key) => envAt(root, [...path, ...key])) }),
    ...(input.verify === undefined ? {} : { verify: checksOf(input.verify) }),
    ...(input.workflow === undefined ? {} : { lane: laneOf(input.workflow, envAt(root, [...path, 'inputs'])) }),
    ...patternsOf(input.inputs),
    secrets: usesOf(input.secrets, templates),
    timeoutMinutes: input['timeout-minutes'] ?? DEFAULT_TIMEOUT_MINUTES,
    continueOnError: input['continue-on-error'] ?? false,
    caches: unique(listOf(input.cache ?? [])),
    allowedExitCodes: input['allow-exit-codes'] ?? [],
    interruptible: input.interruptible ?? true,
    startDelayMs: input['start-delay'] === undefined ? 0 : durationMs(input['start-delay']),
    concurrency: concurrencyOf(input.concurrency),
    retry: retryOf(input.retry),
    priority: input.priority ?? 0,
    resources: resourcesOf(input.resources),
    parallel: input.parallel ?? null,
    outputs: envAt(root, [...path, 'outputs']),
    ...(input.container === undefined ? {} : { container: containerOf(input.container) }),
    ...(input.services === undefined
      ? {}
      : { services: servicesOf(input.services, (name) => envAt(root, [...path, 'services', name, 'env'])) }),
  };
}

function stepOf(
  input: NonNullable<JobInput['steps']>[number] & { readonly run: string },
  env: Readonly<Record<string, string>>,
  defaults: Defaults,
): StepSpec {
  return {
    id: input.id ?? null,
    name: input.name ?? null,
    condition: conditionOf(input.if),
    run: input.run,
    env,
    workingDirectory: normalPath(input['working-directory'] ?? defaults?.['working-directory'] ?? '.'),
    shell: input.shell ?? defaults?.shell ?? null,
    timeoutMinutes: input['timeout-minutes'] ?? null,
    continueOnError: input['continue-on-error'] ?? false,
    ...(input.publish === undefined ? {} : { publish: unique(listOf(input.publish)) }),
  };
}

function envAt(root: YamlNode, path: readonly PropertyKey[]): Readonly<Record<string, string>> {
  const entries = nodeAt(root, path)?.entries ?? new Map<string, { node: YamlNode }>();
  return Object.fromEntries([...entries].map(([name, { node }]) => [name, writtenIn(node)]));
}

function platformsOf(input: NonNullable<JobInput['platforms']>): readonly string[] {
  return unique(listOf(input).map((text) => platformOf(text) ?? text));
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

/** From the jobs of a file to the jobs of a run: matrices are multiplied out, and what is known when planning is filled in. */
import { Trouble, attempt, filled, given, isList, numberOf, short, yesOrNo } from './fill-in.ts';
import type { StrategyKey } from '../expression/context-keys.ts';
import { contextsUsed } from '../expression/expression-syntax.ts';
import { renderTemplate, type Value, type Values } from '../expression/expression.ts';
import { waitsForOf } from './graph.ts';
import { MAX_COMBINATIONS, combinationNames, combinationsOf, countProduct, type Axes, type Matrix } from './matrix.ts';
import type {
  Concurrency,
  ConcurrencyTemplate,
  ExpandedJob,
  JobSpec,
  JobTemplate,
  MatrixTemplate,
  Pipeline,
  Strategy,
} from '../pipeline/pipeline.ts';
import { placed, type Problem } from '../problem.ts';
import { failed, success, type Result } from '../result.ts';
import { PLATFORMS } from '../runs-on.ts';
import { shown } from '../shown.ts';

const MAX_JOBS = 1000;
const MAX_TIMEOUT_MINUTES = 1440;
const MINUTE_MS = 60_000;

/**
 * The jobs in the order of the file. `values` holds the contexts github and inputs; the file's own vars are added. All
 * problems come at once; each names its key.
 */
export function expandPipeline(pipeline: Pipeline, values: Values): Result<readonly ExpandedJob[], readonly Problem[]> {
  const contexts = { ...values.contexts, vars: { ...pipeline.vars, ...mapping(values.contexts.vars) } };
  const problems: Problem[] = [];
  const made = new Map<string, readonly JobSpec[]>();
  for (const template of pipeline.jobs) {
    try {
      made.set(template.name, instancesOf(template, { ...values, contexts }));
    } catch (cause) {
      if (!(cause instanceof Trouble)) throw cause;
      const { code, message } = cause;
      problems.push(placed({ code, message, file: pipeline.file, position: template.position }));
    }
  }
  const specs = [...made.values()].flat();
  if (specs.length > MAX_JOBS) {
    const message = `The matrices of ${pipeline.name} make ${specs.length} jobs, and a run has at most ${MAX_JOBS}. Split it into several pipelines.`;
    problems.push({ code: 'bad-matrix', message, file: pipeline.file });
  }
  if (problems.length > 0) return failed(problems);
  const waitsFor = waitsForOf(pipeline);
  return success(
    specs.map((spec) => ({
      spec,
      waitsFor: (waitsFor.get(spec.key) ?? []).flatMap((key) => (made.get(key) ?? []).map(({ name }) => name)),
    })),
  );
}

/** What the top of the file says of a run, filled in. */
export interface RunHeading {
  readonly title: string;
  readonly concurrency: Concurrency | null;
}

/** `values` as in {@link expandPipeline}. */
export function runHeading(pipeline: Pipeline, values: Values): Result<RunHeading, readonly Problem[]> {
  const { runName, name, file } = pipeline;
  try {
    const title = runName === null ? '' : attempt('run-name', () => renderTemplate(runName, values)).trim();
    return success({ title: title || name, concurrency: concurrencyOf(pipeline.concurrency, 'concurrency', values) });
  } catch (cause) {
    if (!(cause instanceof Trouble)) throw cause;
    return failed([{ code: cause.code, message: cause.message, file }]);
  }
}

/** A group whose name came out empty would be one for all; it is none, as on GitHub. */
function concurrencyOf(template: ConcurrencyTemplate | null, label: string, values: Values): Concurrency | null {
  if (template === null) return null;
  const group = attempt(`${label}.group`, () => renderTemplate(template.group, values)).trim();
  if (group === '') return null;
  return { group, cancelInProgress: yesOrNo(template.cancelInProgress, `${label}.cancel-in-progress`, values) };
}

function instancesOf(template: JobTemplate, values: Values): readonly JobSpec[] {
  const { name, parallel, platforms = [] } = template;
  const { combinations, names, failFast, maxParallel } = combinationsOfJob(template, values);
  const shards = parallel ?? 1;
  const kinds = platforms.length > 1 ? platforms : [platforms[0]];
  const total = combinations.length * kinds.length * shards;
  if (total > MAX_COMBINATIONS) {
    const key = template.strategy === null ? `jobs.${name}.parallel` : `jobs.${name}.strategy.matrix with parallel`;
    throw new Trouble(
      'bad-matrix',
      `${key} makes ${total} jobs, and at most ${MAX_COMBINATIONS} are possible. Take values away or split the job.`,
    );
  }
  if (platforms.length > 0 && combinations.some((axes) => Object.hasOwn(axes, 'platform')))
    throw new Trouble(
      'bad-matrix',
      `jobs.${name} has both platforms and an axis platform, and expressions would see only one. Rename the axis.`,
    );
  const isAlone = template.strategy === null && parallel === null && kinds.length === 1;
  const parts = combinations.flatMap((axes, combination) =>
    kinds.flatMap((platform) =>
      Array.from({ length: shards }, (_, part) => ({ axes, combination, platform, part: part + 1 })),
    ),
  );
  return parts.map(({ axes, combination, platform, part }, index): JobSpec => {
    const shard = parallel === null ? null : { index: part, total: shards };
    const marks = [
      ...(kinds.length > 1 && platform !== undefined ? [PLATFORMS.get(platform) ?? platform] : []),
      ...(shard === null ? [] : [`${part}/${shards}`]),
    ];
    return instanceOf(template, values, {
      name: withMarks(names[combination] ?? name, marks),
      axes: platform === undefined ? axes : { ...axes, platform },
      shard,
      group: isAlone ? null : { index, total, failFast, maxParallel },
      ...(platform === undefined ? {} : { platform }),
    });
  });
}

/** `test` → `test (arm64, 2/3)`, `test (18)` → `test (18, arm64, 2/3)`. */
function withMarks(name: string, marks: readonly string[]): string {
  if (marks.length === 0) return name;
  return name.endsWith(')') ? `${name.slice(0, -1)}, ${marks.join(', ')})` : `${name} (${marks.join(', ')})`;
}

interface Combinations {
  readonly combinations: readonly Axes[];
  readonly names: readonly string[];
  readonly failFast: boolean;
  readonly maxParallel: number | null;
}

function combinationsOfJob({ strategy, name }: JobTemplate, values: Values): Combinations {
  // Parts of one job that only `parallel` made are all of interest, also after a failure of one.
  if (strategy === null) return { combinations: [{}], names: [name], failFast: false, maxParallel: null };
  const key = `jobs.${name}.strategy`;
  const matrix = matrixOf(strategy, `${key}.matrix`, values);
  const combinations = countProduct(matrix) > MAX_COMBINATIONS ? undefined : combinationsOf(matrix);
  if (combinations === undefined || combinations.length > MAX_COMBINATIONS) {
    const count = combinations?.length ?? countProduct(matrix);
    throw new Trouble(
      'bad-matrix',
      `${key}.matrix makes ${count} jobs, and at most ${MAX_COMBINATIONS} are possible. Take values away or split the job.`,
    );
  }
  // A job that silently runs zero times would be green without having been observed.
  if (combinations.length === 0)
    throw new Trouble('bad-matrix', `${key}.matrix leaves no combination. Add a value or remove an exclude.`);
  return {
    combinations,
    names: combinationNames(name, matrix, combinations),
    failFast: yesOrNo(strategy.failFast, `${key}.fail-fast`, values),
    maxParallel:
      strategy.maxParallel === null ? null : numberOf(strategy.maxParallel, `${key}.max-parallel`, values, 1, MAX_JOBS),
  };
}

function instanceOf(
  template: JobTemplate,
  values: Values,
  own: Pick<JobSpec, 'name' | 'axes' | 'group' | 'shard' | 'platform'>,
): JobSpec {
  const { strategy: _, position: _place, title: _title, parallel: _parts, ...common } = template;
  const { name: key, timeoutMinutes, continueOnError, concurrency, runsOn, platforms: _platforms, ...rest } = common;
  const label = `jobs.${key}`;
  const known = { ...values, contexts: { ...values.contexts, matrix: own.axes, strategy: strategyContext(own.group) } };
  const minutes = numberOf(timeoutMinutes, `${label}.timeout-minutes`, known, 0, MAX_TIMEOUT_MINUTES);
  return {
    ...rest,
    ...own,
    key,
    title: titleOf(template, own, known),
    timeoutMs: Math.max(1, Math.round(minutes * MINUTE_MS)),
    continueOnError: yesOrNo(continueOnError, `${label}.continue-on-error`, known),
    concurrency: concurrencyOf(concurrency, `${label}.concurrency`, known),
    ...(runsOn === undefined ? {} : { runsOn: workerLabels(runsOn, `${label}.runs-on`, known) }),
  };
}

function workerLabels(template: NonNullable<JobTemplate['runsOn']>, label: string, values: Values): readonly string[] {
  const found = filled(template, label, values);
  const labels = isList(found) ? found : [found];
  const wrong = labels.find((text) => typeof text !== 'string' || !/^[\w.-]{1,64}$/.test(text));
  if (wrong === undefined && labels.length > 0) return labels.map(String);
  throw new Trouble(
    'bad-value',
    `${label} must be labels of workers: up to 64 letters, digits, dots, dashes and underscores. It is ${short(found)}.`,
  );
}

/** A name without a word about the matrix would be the same for all combinations. */
function titleOf({ title, name: key }: JobTemplate, own: Pick<JobSpec, 'name' | 'group'>, values: Values): string {
  if (title === key) return own.name;
  const rendered = attempt(`jobs.${key}.name`, () => renderTemplate(title, values)).trim();
  if (rendered === '') return own.name;
  return own.group === null || contextsUsed(title).has('matrix')
    ? rendered
    : `${rendered}${own.name.slice(key.length)}`;
}

/** The `strategy` context, as on GitHub. */
export function strategyContext(group: JobSpec['group']): Readonly<Record<StrategyKey, Value>> {
  return {
    'fail-fast': group?.failFast ?? true,
    'job-index': group?.index ?? 0,
    'job-total': group?.total ?? 1,
    'max-parallel': group?.maxParallel ?? group?.total ?? 1,
  };
}

function matrixOf({ matrix }: Strategy, label: string, values: Values): Matrix {
  const whole = typeof matrix === 'string' ? given(matrix, label, values) : undefined;
  const parts: MatrixTemplate = whole === undefined ? (matrix as MatrixTemplate) : partsOf(mappingAt(whole, label));
  const exclude = combinationsAt(filled(parts.exclude, `${label}.exclude`, values), `${label}.exclude`);
  const stray = exclude.flatMap((entry) => Object.keys(entry)).find((axis) => !Object.hasOwn(parts.axes, axis));
  // It would take nothing away, and nobody writes it for that.
  if (stray !== undefined)
    throw new Trouble(
      'bad-matrix',
      `${label}.exclude names ${shown(stray)}, which is no axis. Its axes: ${Object.keys(parts.axes).join(', ') || 'none'}.`,
    );
  return {
    exclude,
    axes: Object.fromEntries(
      Object.entries(parts.axes).map(([axis, list]) => [
        axis,
        listAt(filled(list, `${label}.${axis}`, values), `${label}.${axis}`),
      ]),
    ),
    include: combinationsAt(filled(parts.include, `${label}.include`, values), `${label}.include`),
  };
}

function partsOf({ include = [], exclude = [], ...axes }: Readonly<Record<string, Value>>): MatrixTemplate {
  return {
    axes: axes as MatrixTemplate['axes'],
    include: include as readonly Axes[],
    exclude: exclude as readonly Axes[],
  };
}

function listAt(value: Value, label: string): readonly Value[] {
  if (isList(value) && value.length > 0) return value;
  throw new Trouble('bad-matrix', `${label} must be a list with at least one value. It is ${short(value)}.`);
}

function mappingAt(value: Value, label: string): Readonly<Record<string, Value>> {
  if (typeof value === 'object' && value !== null && !isList(value)) return value;
  throw new Trouble('bad-matrix', `${label} must be a mapping from axes to values. It is ${short(value)}.`);
}

function combinationsAt(value: Value, label: string): readonly Axes[] {
  if (isList(value)) return value.map((item) => mappingAt(item, label));
  throw new Trouble('bad-matrix', `${label} must be a list of combinations. It is ${short(value)}.`);
}

function mapping(value: Value | undefined): Readonly<Record<string, Value>> {
  return typeof value === 'object' && value !== null && !isList(value) ? value : {};
}

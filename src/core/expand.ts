/** From the jobs of a file to the jobs of a run: matrices are multiplied out, and what is known when planning is filled in. */
import { contextsUsed } from './expression-syntax.ts';
import {
  ExpressionFailure,
  evaluateTemplate,
  isTruthy,
  renderTemplate,
  type Value,
  type Values,
} from './expression.ts';
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
} from './pipeline.ts';
import { placed, type Problem, type ProblemCode } from './problem.ts';
import { failed, success, type Result } from './result.ts';

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
  return { group, cancelInProgress: isTruthy(given(template.cancelInProgress, `${label}.cancel-in-progress`, values)) };
}

class Trouble extends Error {
  readonly code: ProblemCode;

  constructor(code: ProblemCode, message: string) {
    super(message);
    this.code = code;
  }
}

function instancesOf(template: JobTemplate, values: Values): readonly JobSpec[] {
  const { name, parallel } = template;
  const { combinations, names, failFast, maxParallel } = combinationsOfJob(template, values);
  const shards = parallel ?? 1;
  const total = combinations.length * shards;
  if (total > MAX_COMBINATIONS) {
    const key = template.strategy === null ? `jobs.${name}.parallel` : `jobs.${name}.strategy.matrix with parallel`;
    throw new Trouble(
      'bad-matrix',
      `${key} makes ${total} jobs, and at most ${MAX_COMBINATIONS} are possible. Take values away or split the job.`,
    );
  }
  return combinations.flatMap((axes, combination) =>
    Array.from({ length: shards }, (_, part): JobSpec => {
      const shard = parallel === null ? null : { index: part + 1, total: shards };
      const group = { index: combination * shards + part, total, failFast, maxParallel };
      const isAlone = template.strategy === null && parallel === null;
      const own = { name: withShard(names[combination] ?? name, shard), axes, shard, group: isAlone ? null : group };
      return instanceOf(template, values, own);
    }),
  );
}

/** `test` → `test (2/3)`, `test (linux)` → `test (linux, 2/3)`. */
function withShard(name: string, shard: JobSpec['shard']): string {
  if (shard === null) return name;
  const part = `${shard.index}/${shard.total}`;
  return name.endsWith(')') ? `${name.slice(0, -1)}, ${part})` : `${name} (${part})`;
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
    failFast: isTruthy(given(strategy.failFast, `${key}.fail-fast`, values)),
    maxParallel:
      strategy.maxParallel === null ? null : numberOf(strategy.maxParallel, `${key}.max-parallel`, values, 1, MAX_JOBS),
  };
}

function instanceOf(
  template: JobTemplate,
  values: Values,
  own: Pick<JobSpec, 'name' | 'axes' | 'group' | 'shard'>,
): JobSpec {
  const { strategy: _, position: _place, title: _title, parallel: _parts, ...common } = template;
  const { name: key, timeoutMinutes, continueOnError, concurrency, ...rest } = common;
  const label = `jobs.${key}`;
  const known = { ...values, contexts: { ...values.contexts, matrix: own.axes, strategy: strategyContext(own.group) } };
  const minutes = numberOf(timeoutMinutes, `${label}.timeout-minutes`, known, 0, MAX_TIMEOUT_MINUTES);
  return {
    ...rest,
    ...own,
    key,
    title: titleOf(template, own, known),
    timeoutMs: Math.max(1, Math.round(minutes * MINUTE_MS)),
    continueOnError: isTruthy(given(continueOnError, `${label}.continue-on-error`, known)),
    concurrency: concurrencyOf(concurrency, `${label}.concurrency`, known),
  };
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
export function strategyContext(group: JobSpec['group']): Value {
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
  return {
    axes: Object.fromEntries(
      Object.entries(parts.axes).map(([axis, list]) => [
        axis,
        listAt(filled(list, `${label}.${axis}`, values), `${label}.${axis}`),
      ]),
    ),
    include: combinationsAt(filled(parts.include, `${label}.include`, values), `${label}.include`),
    exclude: combinationsAt(filled(parts.exclude, `${label}.exclude`, values), `${label}.exclude`),
  };
}

function partsOf({ include = [], exclude = [], ...axes }: Readonly<Record<string, Value>>): MatrixTemplate {
  return {
    axes: axes as MatrixTemplate['axes'],
    include: include as readonly Axes[],
    exclude: exclude as readonly Axes[],
  };
}

/** Expressions may stand anywhere in a matrix, also inside of its values. */
function filled(value: Value, label: string, values: Values): Value {
  if (typeof value === 'string') return given(value, label, values);
  if (isList(value)) return value.map((item) => filled(item, label, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, filled(item, label, values)]));
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

function short(value: Value): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}

function mapping(value: Value | undefined): Readonly<Record<string, Value>> {
  return typeof value === 'object' && value !== null && !isList(value) ? value : {};
}

function numberOf(value: number | string, label: string, values: Values, least: number, most: number): number {
  const found = given(value, label, values);
  const number = Number(found);
  if (number > 0 && number >= least && number <= most) return number;
  throw new Trouble('bad-value', `${label} must be a number from ${least} to ${most}. It is ${short(found)}.`);
}

/** What stands in the file, or what its expression gives. */
function given(value: Value, label: string, values: Values): Value {
  return typeof value === 'string' ? attempt(label, () => evaluateTemplate(value, values)) : value;
}

function attempt<T>(label: string, evaluate: () => T): T {
  try {
    return evaluate();
  } catch (cause) {
    if (!(cause instanceof ExpressionFailure)) throw cause;
    throw new Trouble('bad-expression', `${label}: ${cause.message}. Correct the expression or what it takes.`);
  }
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** The order of a pipeline's jobs: checks it, turns phases into names, and cuts out the part that somebody asked for. */
import type { Value } from '../expression/expression.ts';
import type { Axes } from './matrix.ts';
import type { ExpandedJob } from '../pipeline/pipeline.ts';
import { nearestWord, type Problem, type ProblemCode } from '../problem.ts';
import { failed, success, type Result } from '../result.ts';
import { shown } from '../shown.ts';

/** What the order depends on. A job without `phase` belongs to the first one. */
export interface GraphJob {
  readonly name: string;
  readonly needs: readonly string[] | undefined;
  /** Those of `needs` that may be absent. */
  readonly optionalNeeds?: readonly string[];
  readonly phase: string | undefined;
}

export interface GraphTrouble {
  readonly code: Extract<
    ProblemCode,
    'unknown-need' | 'self-need' | 'need-cycle' | 'need-later-phase' | 'unknown-phase'
  >;
  readonly message: string;
  readonly job: string;
  /** Absent when it is the job's phase that is wrong. */
  readonly need?: string;
}

/** Everything that is wrong with needs and phases, in the order of the jobs; each circle is told once. */
export function checkGraph(jobs: readonly GraphJob[], phases: readonly string[]): readonly GraphTrouble[] {
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const troubles = jobs.flatMap((job) => [
    ...checkPhase(job, phases),
    ...(job.needs ?? []).flatMap((need) => checkNeed(job, need, byName, phases)),
  ]);
  return [...troubles, ...findCycles(jobs, byName)];
}

function checkPhase(job: GraphJob, phases: readonly string[]): GraphTrouble[] {
  if (job.phase === undefined || phases.includes(job.phase)) return [];
  const next =
    phases.length === 0
      ? `List it below "phases:" in the file or remove the key`
      : `${suggest(job.phase, phases)}The file lists ${[...new Set(phases)].map(shown).join(', ')}`;
  return [
    {
      code: 'unknown-phase',
      message: `Job ${shown(job.name)} names the phase ${shown(job.phase)}, which the file does not list. ${next}.`,
      job: job.name,
    },
  ];
}

function checkNeed(
  job: GraphJob,
  need: string,
  byName: ReadonlyMap<string, GraphJob>,
  phases: readonly string[],
): GraphTrouble[] {
  const about = { job: job.name, need };
  if (need === job.name)
    return [{ code: 'self-need', message: `Job ${shown(job.name)} needs itself. Remove it from its needs.`, ...about }];
  const target = byName.get(need);
  if (!target && job.optionalNeeds?.includes(need)) return [];
  if (!target) {
    const next = suggest(need, [...byName.keys()]) || 'Add that job or remove the need.';
    return [
      {
        code: 'unknown-need',
        message: `Job ${shown(job.name)} needs ${shown(need)}, which is not a job of this file. ${next.trim()}`,
        ...about,
      },
    ];
  }
  const mine = phaseIndex(job, phases);
  // An unknown phase (−1) is a problem of its own.
  if (mine < 0 || phaseIndex(target, phases) <= mine) return [];
  const message = `Job ${shown(job.name)} needs ${shown(need)} of the later phase ${shown(target.phase ?? '')}. Move one of the two to another phase.`;
  return [{ code: 'need-later-phase', message, ...about }];
}

/** Phases cannot make a circle (they only point back), so needs alone are searched; iterative, for chains of any length. */
function findCycles(jobs: readonly GraphJob[], byName: ReadonlyMap<string, GraphJob>): GraphTrouble[] {
  const done = new Set<string>();
  const troubles: GraphTrouble[] = [];
  for (const start of jobs) {
    const path: { readonly job: GraphJob; readonly rest: string[] }[] = [];
    const enter = (job: GraphJob) => path.push({ job, rest: [...(job.needs ?? [])] });
    if (!done.has(start.name)) enter(start);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const need = top.rest.shift();
      const target = need === undefined ? undefined : byName.get(need);
      if (need === undefined) {
        done.add(top.job.name);
        path.pop();
      } else if (target && target !== top.job && !done.has(need)) {
        const first = path.findIndex((entry) => entry.job === target);
        if (first === -1) enter(target);
        else troubles.push(cycleTrouble(path.slice(first).map((entry) => entry.job.name)));
      }
    }
  }
  return troubles;
}

function cycleTrouble(names: readonly string[]): GraphTrouble {
  const some = names.length > 10 ? [...names.slice(0, 9), '…'] : names;
  const message = `Jobs need each other in a circle: ${[...some, names[0] ?? ''].map(shown).join(' → ')}. Remove one of these needs.`;
  return { code: 'need-cycle', message, job: names[0] ?? '', need: names[1] ?? names[0] ?? '' };
}

/**
 * Every job each job waits for, phases turned into names: a job without `needs` waits for all jobs of earlier phases,
 * one with `needs` (also an empty list) for these alone. The pipeline must be free of graph troubles.
 */
export function waitsForOf(pipeline: {
  readonly phases: readonly string[];
  readonly jobs: readonly GraphJob[];
}): ReadonlyMap<string, readonly string[]> {
  const { phases, jobs } = pipeline;
  const known = new Set(jobs.map((job) => job.name));
  return new Map(
    jobs.map((job) => [
      job.name,
      job.needs?.filter((need) => known.has(need)) ??
        jobs.filter((other) => phaseIndex(other, phases) < phaseIndex(job, phases)).map((other) => other.name),
    ]),
  );
}

/** Jobs by the earliest moment they could start: level 0 waits for nothing, level n for something of level n − 1. */
export function levelsOf(waitsFor: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const levels: string[][] = [];
  const placed = new Set<string>();
  while (placed.size < waitsFor.size) {
    const level = [...waitsFor]
      .filter(([name, needs]) => !placed.has(name) && needs.every((need) => placed.has(need)))
      .map(([name]) => name);
    if (level.length === 0) break;
    for (const name of level) placed.add(name);
    levels.push(level);
  }
  return levels;
}

export interface JobSelection {
  /**
   * Jobs named by a person; alone, or with what they wait for when `needs` is set. Empty = all. A key stands for all
   * combinations of its matrix, here and below.
   */
  readonly names: readonly string[];
  readonly needs: boolean;
  /** Only these jobs, with what they wait for. */
  readonly only: readonly string[];
  /** Without these jobs, and without those that need them. Phases alone do not drag a job along. */
  readonly skip: readonly string[];
  /** Of matrix jobs only the combinations with these values; jobs without any of these axes stay. */
  readonly axes: Readonly<Record<string, string>>;
}

/** The jobs that one pipeline makes. */
export interface PipelineJobs {
  readonly pipeline: string;
  readonly jobs: readonly ExpandedJob[];
}

/**
 * The part of each pipeline that was asked for, in the order of the file; empty where nothing of it was. Of several pipelines
 * one may well lack a job or an axis: what no pipeline has is a problem, and so is that nothing is left of any.
 */
export function selectJobs(
  pipelines: readonly PipelineJobs[],
  selection: JobSelection,
): Result<readonly (readonly ExpandedJob[])[], readonly Problem[]> {
  const faults = [
    ...[...selection.names, ...selection.only, ...selection.skip]
      .filter((name) => pipelines.every(({ jobs }) => named(jobs, name).length === 0))
      .flatMap((name) => pipelines.map((one) => nameFault(one, name))),
    ...Object.entries(selection.axes)
      .filter((wanted) => pipelines.every(({ jobs }) => !valuesOf(jobs, wanted[0]).has(wanted[1])))
      .flatMap((wanted) => pipelines.map((one) => axisFault(one, wanted))),
  ];
  if (faults.length > 0) return failed(faults.map(problem));
  const parts = pipelines.map(({ jobs }) => partOf(jobs, selection));
  if (parts.some((part) => part.length > 0)) return success(parts);
  return failed(
    pipelines.map((one) =>
      problem(`No job of ${one.pipeline} is left to run. Loosen the filters; its jobs: ${keysOf(one).join(', ')}.`),
    ),
  );
}

function partOf(jobs: readonly ExpandedJob[], selection: JobSelection): readonly ExpandedJob[] {
  const waitsFor = new Map(jobs.map((job) => [job.spec.name, job.waitsFor]));
  const [names = [], only = [], skip = []] = [selection.names, selection.only, selection.skip].map((some) =>
    some.flatMap((name) => named(jobs, name)),
  );
  const all = [...waitsFor.keys()];
  const wanted = new Set(selection.names.length + selection.only.length === 0 ? all : []);
  for (const name of selection.needs ? closure(names, waitsFor) : names) wanted.add(name);
  for (const name of closure(only, waitsFor)) wanted.add(name);
  const needing = new Map(
    jobs.map(({ spec: { name, key } }) => [
      name,
      jobs
        .filter(({ spec }) => spec.needs?.includes(key) && !spec.optionalNeeds.includes(key))
        .map(({ spec }) => spec.name),
    ]),
  );
  for (const name of closure(skip, needing)) wanted.delete(name);
  for (const { spec } of jobs) if (!hasAxes(spec.axes, selection.axes)) wanted.delete(spec.name);
  return jobs
    .filter(({ spec }) => wanted.has(spec.name))
    .map((job) => ({ ...job, waitsFor: job.waitsFor.filter((name) => wanted.has(name)) }));
}

function named(jobs: readonly ExpandedJob[], name: string): readonly string[] {
  return jobs.filter(({ spec }) => spec.name === name || spec.key === name).map(({ spec }) => spec.name);
}

function keysOf({ jobs }: PipelineJobs): readonly string[] {
  return [...new Set(jobs.map(({ spec }) => spec.key))];
}

function nameFault(one: PipelineJobs, name: string): string {
  const keys = keysOf(one);
  return `There is no job ${shown(name)} in ${one.pipeline}. ${suggest(name, keys)}Its jobs: ${keys.join(', ')}.`;
}

function hasAxes(axes: Axes, wanted: JobSelection['axes']): boolean {
  const known = Object.entries(wanted).filter(([axis]) => Object.hasOwn(axes, axis));
  return known.every(([axis, value]) => textOf(axes[axis]) === value);
}

function axisFault({ pipeline, jobs }: PipelineJobs, [axis, value]: readonly [string, string]): string {
  const values = valuesOf(jobs, axis);
  if (values.size === 0) return `No job of ${pipeline} has an axis ${shown(axis)}.`;
  return `The axis ${shown(axis)} of ${pipeline} has no value ${shown(value)}. It has ${[...values].map(shown).join(', ')}.`;
}

function valuesOf(jobs: readonly ExpandedJob[], axis: string): ReadonlySet<string> {
  return new Set(jobs.flatMap(({ spec }) => (Object.hasOwn(spec.axes, axis) ? [textOf(spec.axes[axis])] : [])));
}

function textOf(value: Value | undefined): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The names and all that can be reached from them. */
function closure(names: readonly string[], edges: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const reached = new Set(names);
  for (const name of reached) for (const next of edges.get(name) ?? []) reached.add(next);
  return reached;
}

function phaseIndex(job: GraphJob, phases: readonly string[]): number {
  return job.phase === undefined ? 0 : phases.indexOf(job.phase);
}

function suggest(word: string, known: readonly string[]): string {
  const near = nearestWord(word, known);
  return near === undefined ? '' : `Did you mean ${shown(near)}? `;
}

function problem(message: string): Problem {
  return { code: 'bad-value', message };
}

/**
 * Result reuse: a job that declares its `inputs` is not run again when a job of the same repository and trust class, with
 * the same inputs and everything else that can change its result, succeeded before. What is compared is the text made
 * here; a little too much in it costs a run, a little too little would show green what nobody observed.
 */
import type { ArtifactOf } from './artifact.ts';
import type { Sha256 } from './cache-key.ts';
import { jobValues } from './contexts.ts';
import type { Value } from './expression/expression.ts';
import { conditionOf, split } from './expression/expression-syntax.ts';
import type { TreeFile } from './git-port.ts';
import type { Outcome } from './outcome.ts';
import { matchesPattern } from './pattern.ts';
import type { JobSpec } from './pipeline/pipeline.ts';
import type { Claim } from './ports.ts';
import { failed, success, type Result } from './result.ts';
import type { Reusable, Reuse } from './reusable.ts';
import type { Run } from './run.ts';
import { shown } from './shown.ts';

/** What was found out on the worker for a job that is about to run. */
export interface ReuseFacts {
  /** What `inputs` matches at the commit. */
  readonly files: readonly TreeFile[];
  /** Id of the image that its commands run in, not its tag. */
  readonly imageId: string;
  /** As Docker writes it, e.g. `linux/arm64`. */
  readonly platform: string;
  /** Ids of the images of its services, in the order of the file. */
  readonly serviceImageIds: readonly string[];
  /** Keys of its dependency layers, in the order of the file. */
  readonly layerKeys: readonly string[];
}

/** One in so many results that could be taken over is run all the same, to see whether it still comes to the same. */
export const AUDIT_ONE_IN = 20;

/** Whether a run's jobs leave results for others: never those of forks, whose commands strangers wrote. */
export function leavesResults({ trust }: Pick<Run, 'trust'>): boolean {
  return trust === 'T1' || trust === 'T2';
}

/** Whether its jobs take results over: not when a person or the clock asked for just this run, or to see it once more. */
export function takesResults(run: Pick<Run, 'trust' | 'eventName' | 'rerunOf'>): boolean {
  const isAsked = run.eventName !== 'push' && run.eventName !== 'pull_request' && run.eventName !== 'merge_group';
  return leavesResults(run) && !isAsked && run.rerunOf === null;
}

/** Decided by the job alone, so that a worker that begins anew comes to the same. */
export function isAudited(key: string, { id }: Claim['job'], sha256: Sha256): boolean {
  return Number.parseInt(sha256(`${key} ${id}`).slice(0, 8), 16) % AUDIT_ONE_IN === 0;
}

/** The files that the patterns match. Every pattern must match one: a typing error would make the job stand for ever. */
export function inputFiles(
  patterns: readonly string[],
  tree: readonly TreeFile[],
): Result<readonly TreeFile[], string> {
  const chosen = new Set<TreeFile>();
  const idle: string[] = [];
  for (const pattern of patterns) {
    const isNegative = pattern.startsWith('!');
    const matching = tree.filter(({ path }) => matchesPattern(isNegative ? pattern.slice(1) : pattern, path));
    if (matching.length === 0 && !isNegative) idle.push(pattern);
    for (const file of matching)
      if (isNegative) chosen.delete(file);
      else chosen.add(file);
  }
  if (idle.length > 0)
    return failed(
      `inputs: no file of this commit matches ${idle.map(shown).join(', ')}; correct the pattern or remove it`,
    );
  if (chosen.size === 0)
    return failed('inputs: its patterns leave no file; a job that depends on none needs no inputs');
  return success(tree.filter((file) => chosen.has(file)));
}

const REUSE_VERSION = 1;

/** The text whose hash is the key. Repository and trust class are not part of it: they are looked up beside it. */
export function reuseKeyText(claim: Claim, facts: ReuseFacts): string {
  const { job, run, context, needs, artifacts } = claim;
  const { sidecar, caches, inputs, vars } = context;
  const { shmBytes, memoryBytes = null, readOnly = false } = sidecar;
  return JSON.stringify({
    version: REUSE_VERSION,
    pipeline: run.pipeline,
    job: whatRuns(job.spec),
    ...used(claim),
    ...{ inputs, vars, needs },
    artifacts: artifacts.map(({ jobId, attempt, name }: ArtifactOf) => [jobId, attempt, name]),
    caches: job.spec.caches.map((name) => [name, caches[name] ?? null]),
    slot: { shmBytes, memoryBytes, readOnly },
    ...facts,
  });
}

/** Decides when, how long, how often or beside what a job runs, and nothing of what comes out. */
const ORDER = [
  ...['title', 'group', 'condition', 'needs', 'optionalNeeds', 'phase', 'timeoutMs', 'continueOnError'],
  ...['concurrency', 'retry', 'interruptible', 'startDelayMs', 'priority', 'resources'],
];

/** Everything else counts, also what a later version adds. */
function whatRuns(spec: JobSpec): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(spec).filter(([name]) => !ORDER.includes(name)));
}

/** What of these says nothing about a job unless an expression names it: its commit and run, and its place in a matrix. */
const WHERE_NAMED = ['github', 'strategy'] as const;
/** An expression that sees all of them, for a text that cannot be read. */
const ALL_OF_THEM = WHERE_NAMED.join(' ');

/** What the job's expressions can see of these contexts. */
function used({ run, context, job, needs }: Claim): Readonly<Record<string, Readonly<Record<string, Value>>>> {
  const { contexts } = jobValues(run, context, job, needs);
  const expressions = textsIn(whatRuns(job.spec)).flatMap(expressionsIn);
  return Object.fromEntries(
    WHERE_NAMED.map((name) => {
      const paths = new Set(expressions.flatMap((expression) => pathsBelow(name, expression)));
      const values = [...paths].toSorted().map((path) => [path, valueAt(contexts[name] ?? null, path.split('\n'))]);
      return [name, Object.fromEntries(values)];
    }),
  );
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) =>
    // A condition is an expression also without `${{ }}`.
    key === 'condition' && typeof below === 'string' ? [`\${{ ${conditionText(below)} }}`] : textsIn(below),
  );
}

function conditionText(text: string): string {
  const condition = conditionOf(text);
  return condition.ok ? condition.value : ALL_OF_THEM;
}

function expressionsIn(text: string): readonly string[] {
  const parts = split(text);
  if (!parts.ok) return [ALL_OF_THEM];
  return parts.value.flatMap((part) => ('expression' in part ? [part.expression] : []));
}

/** Names below a context, up to the first that is computed; all of it for one that stands alone. In lower case. */
function pathsBelow(context: string, expression: string): readonly string[] {
  const name = String.raw`\s*\.\s*[A-Za-z_][\w-]*|\s*\[\s*'[^']*'\s*\]`;
  return [...expression.matchAll(new RegExp(String.raw`\b${context}\b((?:${name})*)`, 'gi'))].map(([, names = '']) =>
    [...names.matchAll(/\.\s*([\w-]+)|'([^']*)'/g)]
      .map(([, plain, quoted]) => plain ?? quoted ?? '')
      .join('\n')
      .toLowerCase(),
  );
}

function valueAt(value: Value, [name = '', ...rest]: readonly string[]): Value {
  if (name === '') return value;
  if (typeof value !== 'object' || value === null) return null;
  const found = Object.entries(value).find(([key]) => key.toLowerCase() === name);
  return found === undefined ? null : valueAt(found[1], rest);
}

/** What an attempt that runs began with; kept in its ticket, so that a re-attach judges its end alike. */
export interface BegunForReuse {
  readonly key: string;
  /** The earlier result that this attempt audits; null = there was none. */
  readonly audits: Pick<Reusable, 'from' | 'outputs'> | null;
}

/** What the end of an attempt that ran says of its key, and what its log says of it; files it left are not compared. */
export function judgeEnd(
  { key, audits }: BegunForReuse,
  { outcome, outputs }: { readonly outcome: Outcome; readonly outputs: Readonly<Record<string, string>> },
): { readonly reuse: Reuse; readonly note: string } {
  if (audits === null) return { reuse: { kind: 'ran', key }, note: '' };
  const difference = differenceOf(audits, { outcome, outputs });
  if (difference === null) return { reuse: { kind: 'ran', key }, note: '' };
  const note =
    `\nhearth: this was an audit of the result of run ${audits.from.runId}, which had the same inputs: ${difference}. ` +
    'Its result depends on something that `inputs` does not name, so nobody takes it over any more.\n';
  return { reuse: { kind: 'contradicted', key }, note };
}

/** null = none, or nothing that says anything about the commands. */
function differenceOf(
  earlier: Pick<Reusable, 'outputs'>,
  { outcome, outputs }: { readonly outcome: Outcome; readonly outputs: Readonly<Record<string, string>> },
): string | null {
  if (outcome.result === 'failure') return `that one succeeded, and this one did not (${outcome.message})`;
  if (outcome.result !== 'success') return null;
  const names = [...new Set([...Object.keys(earlier.outputs), ...Object.keys(outputs)])];
  const others = names.filter((name) => earlier.outputs[name] !== outputs[name]).toSorted();
  return others.length === 0 ? null : `its outputs ${others.join(', ')} were others`;
}

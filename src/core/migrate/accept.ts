/** Makes a draft one that Hearth's own reader accepts: what it refuses is commented out, with what the reader says of it. */
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import { parsePipeline } from '../pipeline/pipeline-file.ts';
import { labelOf } from '../pipeline/pipeline-issues.ts';
import type { Problem } from '../problem.ts';
import { failed, success, type Result } from '../result.ts';
import { keyOf, textOf, type Draft, type Path } from './draft.ts';
import { closeJob, isClosed, pairOf, stepsOf, switchOff } from './parts.ts';

/** Each round takes out what all problems of the one before are about; the reader reports at most 50 of some kinds. */
const MAX_ROUNDS = 100;

export interface Reading {
  readonly draft: Draft;
  /** Where the file will lie; the reader takes the name from it. */
  readonly file: string;
  /** The line of the original that a path of the draft came from. */
  readonly lineOf: (path: Path) => number | null;
}

/** The text that the reader takes, or its problems when nothing helped. */
export function acceptable({ draft, file, lineOf }: Reading): Result<string, readonly Problem[]> {
  let first: readonly Problem[] | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const text = draft.toText();
    const read = parsePipeline(text, file);
    if (read.ok) return success(text);
    const problems = read.problem;
    first ??= problems;
    const places = placesIn(text);
    // From the end: taking out an item would move those behind it.
    const found = problems
      .map((problem) => ({ problem, path: unitOf(places(problem), problem) }))
      .filter(({ path }, index, all) => all.findIndex((other) => isInside(path, other.path)) === index)
      .toReversed();
    const placed = found.filter(({ path }) => path.length > 0);
    // What is wrong with the file as a whole, such as its size, is not mended by taking out a key.
    if (placed.length === 0) break;
    for (const { problem, path } of placed) takeOut(draft, path, problem, lineOf);
  }
  // Later rounds only tell what the first ones have taken away.
  return failed(first ?? []);
}

function isInside(path: Path, above: Path): boolean {
  return above.length <= path.length && above.every((part, index) => path[index] === part);
}

/** The path of the key or item that a problem of this text is about. */
function placesIn(text: string): (problem: Problem) => Path {
  const lines = new LineCounter();
  const root = parseDocument(text, { lineCounter: lines, uniqueKeys: false }).contents;
  return ({ position, code }) => {
    if (position === undefined) return [];
    const offset = (lines.lineStarts[position.line - 1] ?? 0) + position.column - 1;
    const path: (string | number)[] = [];
    let node: unknown = root;
    for (;;) {
      if (isMap(node)) {
        const pair = node.items.find(
          ({ key, value }) => (startOf(key) ?? Infinity) <= offset && offset < (endOf(value) ?? endOf(key) ?? -1),
        );
        const isLack = code === 'missing-key' && startOf(node) === offset && typeof path.at(-1) === 'number';
        if (pair === undefined || isLack) return path;
        path.push(keyOf(pair));
        if (offset < (startOf(pair.value) ?? Infinity)) return path;
        node = pair.value;
      } else if (isSeq(node)) {
        const index = node.items.findIndex(
          (item) => (startOf(item) ?? Infinity) <= offset && offset < (endOf(item) ?? -1),
        );
        if (index === -1) return path;
        path.push(index);
        node = node.items[index];
      } else return path;
    }
  };
}

function startOf(node: unknown): number | undefined {
  return isMap(node) || isSeq(node) || isScalar(node) ? node.range?.[0] : undefined;
}

function endOf(node: unknown): number | undefined {
  const range = isMap(node) || isSeq(node) || isScalar(node) ? node.range : undefined;
  return range == null ? undefined : Math.max(range[1], range[0] + 1);
}

/** Keys of a step without which it would do something else than it was meant to: then the whole step goes. */
const vital: ReadonlySet<unknown> = new Set(['uses', 'run', 'if', 'shell', 'working-directory']);

/** What has to go as one when this is refused. */
function unitOf(path: Path, { code }: Problem): Path {
  const [top, , third, , fifth] = path;
  if (top === 'on') return path.slice(0, 3);
  if (top !== 'jobs')
    return top === 'phases' || top === 'env' ? path.slice(0, 2) : path.slice(0, top === 'cache' ? 2 : 3);
  if (third === 'steps' && path.length > 3 && (vital.has(fifth) || path.length === 4 || code === 'missing-key'))
    return path.slice(0, 4);
  if (third === 'steps') return path.slice(0, 6);
  if (third === 'strategy' && path[3] !== 'matrix') return path.slice(0, 4);
  // Without its image the job or the service would be another one.
  if (third === 'container') return path[3] === 'image' ? path.slice(0, 3) : path.slice(0, path[3] === 'env' ? 5 : 4);
  if (third === 'services') {
    if (fifth === 'image') return path.slice(0, 4);
    return path.slice(0, fifth === 'env' || fifth === 'ports' || fifth === 'health' ? 6 : 5);
  }
  return third === 'env' || third === 'artifacts' || third === 'outputs' || third === 'needs' || third === 'cache'
    ? path.slice(0, 4)
    : path.slice(0, 3);
}

function takeOut(draft: Draft, path: Path, problem: Problem, lineOf: (path: Path) => number | null): void {
  const parent = draft.at(path.slice(0, -1));
  const last = path.at(-1);
  const remark = {
    line: lineOf(path),
    key: labelOf(path),
    kind: 'todo',
    text: adviceOf(path, problem),
  } as const;
  const [top, name, third] = path;
  const job = draft.at(['jobs', String(name)]);
  if (top === 'jobs' && isMap(job) && isMap(parent) && path.length === 2 && isClosed(job)) {
    draft.drop(parent, String(name), remark);
    return;
  }
  if (top === 'jobs' && isMap(job) && (path.length === 2 || (path.length === 3 && heart.has(third)))) {
    closeJob(draft, job, { ...remark, original: textOf(job) });
    return;
  }
  if (top === 'jobs' && isMap(job) && path.length === 3 && third === 'if') {
    // A job that lost its condition must not run on everything.
    draft.before(job, 'if', { ...remark, original: textOf(pairOf(job, 'if')) });
    job.set('if', false);
    return;
  }
  if (top === 'jobs' && isMap(job) && path.length === 3 && third === 'container') {
    draft.drop(job, 'container', { ...remark, text: `${remark.text} The job is off until then.` });
    switchOff(draft, job, remark);
    return;
  }
  if (isSeq(parent) && typeof last === 'number') draft.dropItem(parent, draft.at(path), remark);
  else if (isMap(parent) && typeof last === 'string') draft.drop(parent, last, remark);
  if (top === 'jobs' && isMap(job) && third === 'steps') keepOneStep(draft, job);
}

/** Keys of a job without which nothing is left of what it was meant to check. */
const heart: ReadonlySet<unknown> = new Set(['strategy', 'run', 'steps', 'uses', 'parallel']);

/** A job needs a step; one that does nothing must not be green. */
export function keepOneStep(draft: Draft, job: YAMLMap): void {
  const steps = stepsOf(job);
  if (steps === undefined || steps.items.some((item) => !draft.isMark(item))) return;
  steps.items.push(draft.document.createNode({ run: NOTHING_LEFT }));
}

export const NOTHING_LEFT = "echo 'Nothing of this job could be taken over, see the comments in its file.' >&2; exit 1";

/** Ways out for what people bring along most often; the reader's own words say only that it does not know the key. */
const advice: ReadonlyMap<unknown, string> = new Map([
  ['environment', 'There are no environments. Put their variables into "env", and guard the job with "if".'],
  ['workflow_call', 'Pipelines cannot call each other. Copy the jobs to where they are called.'],
  ['pull_request_target', 'It would run with the rights of the base branch. Use pull_request, or leave it on GitHub.'],
]);

/** People read it at the place it is about, so it need not name the place again. */
function adviceOf(path: Path, problem: Problem): string {
  const message = problem.message
    .replace(/ Remove it(?:, or wait for a later version|; known keys: .*)\.$/, '')
    .replace(/\bjobs\.[\w-]+(?:\.[\w-]+|\[\d+\])*/g, shortLabel);
  const [first = message] = message.split(/(?<=\.) /);

  const key = [...path].reverse().find((part) => advice.has(part));
  if (message.includes('secrets is not known here'))
    return 'Secrets are not known in this place. Put it into a variable of "env" and look at that in the script.';
  return key === undefined ? message : `${first} ${advice.get(key) ?? ''}`;
}

function shortLabel(label: string): string {
  const parts = label.split('.');
  const last = parts.at(-1) ?? label;
  if (parts.length === 2) return 'the job';
  return last.startsWith('steps[') ? 'the step' : last;
}

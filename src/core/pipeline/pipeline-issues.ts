/** What the schema found → problems with a place and a next step. */
import type { z } from 'zod';
import { keysOf } from './pipeline-schema.ts';
import { NO_EXPRESSION } from './schema-values.ts';
import { nearestWord, type Position, type Problem, type ProblemCode } from '../problem.ts';
import { shown } from '../shown.ts';
import type { YamlNode } from './yaml-tree.ts';

type Path = readonly PropertyKey[];

/** Every issue as problems, in no order. */
export function problemsOfIssues(
  issues: readonly z.core.$ZodIssue[],
  root: YamlNode,
  file: string,
): readonly Problem[] {
  return issues.flatMap((issue) => problemsOf(issue, [], root, file));
}

function problemsOf(issue: z.core.$ZodIssue, above: Path, root: YamlNode, file: string): Problem[] {
  const path = [...above, ...issue.path];
  const node = nodeAt(root, path);
  const problem = (code: ProblemCode, message: string, position: Position): Problem => ({
    code,
    message: endSentence(message),
    file,
    position,
  });
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) =>
        problem('unknown-key', unknownKey(path, key), node?.entries.get(key)?.keyPosition ?? keyPosition(root, path)),
      );
    case 'invalid_union': {
      if (node === undefined) return [problem('missing-key', missingKey(path), keyPosition(root, path.slice(0, -1)))];
      const branch = issue.errors.find((errors) => errors.some((error) => isTelling(error, node)));
      if (branch) return branch.flatMap((error) => problemsOf(error, path, root, file));
      return [problem('wrong-type', `${labelOf(path)} ${issue.message}${isNot(node)}`, keyOrValue(root, path))];
    }
    case 'invalid_key':
      return [
        problem(
          'bad-value',
          `${labelOf(path)} ${issue.issues[0]?.message ?? 'is not a name'}`,
          keyPosition(root, path),
        ),
      ];
    case 'invalid_type':
      if (node === undefined) return [problem('missing-key', missingKey(path), keyPosition(root, path.slice(0, -1)))];
      return [problem('wrong-type', `${labelOf(path)} ${issue.message}${isNot(node)}`, keyOrValue(root, path))];
    default:
      return [problem('bad-value', `${labelOf(path)} ${issue.message}`, keyOrValue(root, path))];
  }
}

/** Whether the issue is about what the person wrote, and not only "this is none of the other forms". */
function isTelling(issue: z.core.$ZodIssue, node: YamlNode | undefined): boolean {
  if (issue.message === NO_EXPRESSION) return false;
  if (issue.path.length > 0 || issue.code === 'unrecognized_keys' || issue.code === 'too_small') return true;
  return typeof node?.value === 'string' && issue.code !== 'invalid_type';
}

function unknownKey(path: Path, key: string): string {
  const where = path.length === 0 ? 'of the file' : `of ${labelOf(path)}`;
  const { known, later } = levelOf(path);
  const cure = cures.get(key);
  if (cure !== undefined && later.some((word) => word === key))
    return `Hearth does not have the key ${shown(key)} ${where}. ${cure}`;
  if (later.some((word) => word === key))
    return `This version of Hearth does not have the key ${shown(key)} ${where} yet. Remove it, or wait for a later version`;
  const elsewhere = otherWords.get(key);
  const near = elsewhere !== undefined && known.includes(elsewhere) ? elsewhere : nearestWord(key, known);
  const next = near === undefined ? `Remove it; known keys: ${known.join(', ')}` : `Did you mean "${near}"?`;
  return `Unknown key ${shown(key)} ${where}. ${next}`;
}

/** For what people bring along from GitHub Actions, and what stands in its place here. */
const cures: ReadonlyMap<string, string> = new Map([
  [
    'uses',
    'Workflows cannot be called; copy the jobs of that file, or put them into a file that "include" names, or let GitHub run it with "lane: github"',
  ],
  ['with', 'Remove it together with "uses"'],
  ['options', 'Remove it; limits stand at "sidecar" (memory, shm-size), and what a tool needs belongs into the image'],
  ['ports', 'Remove it; a job reaches the ports of its services at <service>:<port>, and nobody reaches a job'],
  ['volumes', 'Remove it; put files into the image, or use a cache with "volume" for what is kept between runs'],
  ['credentials', 'Remove it; whoever runs Hearth logs the Docker engine in (docker login), for every job alike'],
  ['matrix', 'Put it below "strategy"'],
  ['environment', 'Remove it, or put its variables into "env"'],
]);

/** What other systems call it. */
const otherWords: ReadonlyMap<string, string> = new Map([
  ...[['script', 'run'] as const, ['command', 'run'] as const, ['commands', 'run'] as const],
  ...[['stage', 'phase'] as const, ['stages', 'phases'] as const, ['depends_on', 'needs'] as const],
  ...[
    ['timeout', 'timeout-minutes'] as const,
    ['variables', 'env'] as const,
    ['allow_failure', 'continue-on-error'] as const,
  ],
]);

function levelOf(path: Path): { readonly known: readonly string[]; readonly later: readonly string[] } {
  const [first, second, third] = path;
  if (first === 'on') {
    if (path.length === 1) return keysOf.on;
    if (second === 'workflow_dispatch') return path.length === 2 ? keysOf.workflow_dispatch : keysOf.input;
    return second === 'push' || second === 'pull_request' || second === 'merge_group' || second === 'schedule'
      ? keysOf[second]
      : keysOf.on;
  }
  if (first === 'sidecar') return path.length === 1 ? keysOf.sidecar : keysOf.build;
  if (first === 'cache') return keysOf.cache;
  if (first === 'defaults') return path.length === 1 ? keysOf.defaults : keysOf.defaultsRun;
  if (first === 'concurrency' || third === 'concurrency') return keysOf.concurrency;
  if (first !== 'jobs') return keysOf.top;
  if (third === 'defaults') return path.length === 3 ? keysOf.defaults : keysOf.defaultsRun;
  if (third === 'steps') return keysOf.step;
  if (third === 'strategy') return keysOf.strategy;
  if (third === 'retry') return keysOf.retry;
  if (third === 'secrets') return keysOf.secret;
  if (third === 'artifacts') return keysOf.artifact;
  if (third === 'resources') return keysOf.resources;
  if (third === 'container') return keysOf.container;
  if (third === 'image') return path.length === 3 ? keysOf.image : keysOf.credentials;
  if (third === 'verify') return keysOf.verify;
  if (third === 'services') return path[4] === 'health' ? keysOf.health : keysOf.service;
  return third === 'needs' ? keysOf.need : keysOf.job;
}

function missingKey(path: Path): string {
  const key = String(path.at(-1));
  const where = path.length === 1 ? 'The file' : labelOf(path.slice(0, -1));
  return `${where} must have the key "${key}". Add it`;
}

/** `jobs.build.steps[0].run`; unusual keys in quotes and cut, since they come from outside. */
export function labelOf(path: Path): string {
  if (path.length === 0) return 'The file';
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${shown(String(part))}`))
    .join('');
}

export function nodeAt(root: YamlNode, path: Path): YamlNode | undefined {
  return path.reduce<YamlNode | undefined>(
    (node, part) => (typeof part === 'number' ? node?.items[part] : node?.entries.get(String(part))?.node),
    root,
  );
}

/** Where the key of the last part stands; for an item of a list, or the whole file, where it begins. */
export function keyPosition(root: YamlNode, path: Path): Position {
  const last = path.at(-1);
  const parent = nodeAt(root, path.slice(0, -1));
  const entry = typeof last === 'string' ? parent?.entries.get(last)?.keyPosition : undefined;
  return entry ?? nodeAt(root, path)?.position ?? parent?.position ?? root.position;
}

/** An empty value has no place of its own that helps anybody; its key has. */
function keyOrValue(root: YamlNode, path: Path): Position {
  const node = nodeAt(root, path);
  return node === undefined || node.value === null ? keyPosition(root, path) : node.position;
}

function isNot(node: YamlNode | undefined): string {
  const value = node?.value;
  if (value === undefined) return '';
  if (value === null) return '. It is empty';
  if (typeof value === 'number' && !Number.isFinite(value)) return '. It is no finite number';
  return `. It is ${Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'a mapping' : typeof value === 'string' ? 'text' : `a ${typeof value}`}`;
}

function endSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

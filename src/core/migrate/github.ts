/** A GitHub Actions workflow → a draft of our pipeline file. Keys that both have stay as they are, comments included. */
import { isMap, isScalar, isSeq, type YAMLMap } from 'yaml';
import { keysOf } from '../pipeline/pipeline-schema.ts';
import { Draft, keyOf, nothing, textOf, type Path } from './draft.ts';
import { migrateJob } from './github-job.ts';
import { createNeeds } from './github-needs.ts';
import { addressesInCondition, addressesInText, forEachText, secretsIn, varsIn } from './github-texts.ts';
import type { Workflow } from './github-workflow.ts';
import type { Original } from './original.ts';
import { keepOneStep } from './accept.ts';
import { mapAt, pairOf, stepsOf, textIn } from './parts.ts';

export interface GitHubDraft {
  readonly draft: Draft;
  /** The line of the original that a path of the draft came from. */
  readonly lineOf: (path: Path) => number | null;
}

export function migrateGitHub(original: Original): GitHubDraft {
  const { document, root, text, lineOf, hadAliases } = original;
  const draft = new Draft(document, text);
  const workflow: Workflow = { draft, root, lineOf, needs: createNeeds() };
  if (hadAliases)
    draft.note({ line: null, key: 'anchors', kind: 'changed', text: 'Anchors and aliases were written out.' });
  migrateName(workflow);
  migrateEvents(workflow);
  const jobs = mapAt(root, 'jobs');
  for (const pair of jobs?.items ?? [])
    if (isMap(pair.value)) migrateJob({ ...workflow, name: keyOf(pair), job: pair.value });
  writeTexts(workflow);
  workflow.needs.write(workflow);
  for (const pair of jobs?.items ?? []) if (isMap(pair.value)) settleJob(draft, pair.value);
  return { draft, lineOf: lineFinder(draft, lineOf) };
}

/** Finds the line of the original for a path of the draft: the nearest node above it that came from there. */
function lineFinder(draft: Draft, lineOf: Original['lineOf']): (path: Path) => number | null {
  return (path) => {
    for (let length = path.length; length > 0; length--) {
      const parent = draft.at(path.slice(0, length - 1));
      const last = path[length - 1];
      const pair = isMap(parent) ? parent.items.find((one) => keyOf(one) === last) : undefined;
      const line = lineOf(pair ?? draft.at(path.slice(0, length)));
      if (line !== null) return line;
    }
    return null;
  };
}

/** Ours is part of every status context, so it takes fewer characters. */
function migrateName({ draft, root, lineOf }: Workflow): void {
  const name = textIn(root, 'name');
  const pair = pairOf(root, 'name');
  if (name === undefined || pair === undefined) return;
  const safe = name
    .replaceAll('&', ' and ')
    .replace(/[^A-Za-z0-9_. -]+/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(/^[^A-Za-z0-9_]+|[^A-Za-z0-9_.]+$/g, '')
    .slice(0, 100)
    .trim();
  if (safe === name) return;
  const remark = { line: lineOf(pair), key: 'name', kind: 'changed', original: textOf(pair) } as const;
  if (safe === '') {
    draft.drop(root, 'name', { ...remark, text: 'The name of the file is the name of the pipeline.' });
    return;
  }
  draft.before(root, 'name', { ...remark, text: 'A name takes letters, digits, "_", "-", "." and spaces.' });
  if (isScalar(pair.value)) pair.value.value = safe;
}

const usualTypes: ReadonlySet<unknown> = new Set(['opened', 'synchronize', 'reopened']);

/** Filters that the reader takes as they are. */
const known: ReadonlySet<string> = new Set(
  (['pull_request', 'merge_group'] as const).flatMap((event) => keysOf[event].known.map((key) => `${event}.${key}`)),
);

/** What the reader does not know of `on` it comments out itself; here is what it cannot know. */
function migrateEvents({ draft, root, lineOf }: Workflow): void {
  const on = root.get('on', true) as unknown;
  const hasMapping = isMap(on);
  const listed = isSeq(on)
    ? on.items.map((item) => (isScalar(item) ? String(item.value) : ''))
    : [textIn(root, 'on') ?? ''];
  const unknown = listed.filter((event) => event !== '' && !(keysOf.on.known as readonly string[]).includes(event));
  // As a mapping each event can have a remark of its own.
  if (!hasMapping && unknown.length > 0) {
    const events = draft.document.createNode(Object.fromEntries(listed.map((event) => [event, null]))) as YAMLMap;
    for (const pair of events.items) pair.value = nothing();
    root.set('on', events);
  }
  for (const event of ['pull_request', 'merge_group']) {
    const filter = hasMapping ? mapAt(on, event) : undefined;
    const types = filter?.get('types', true) as unknown;
    if (filter === undefined || types === undefined || known.has(`${event}.types`)) continue;
    const wanted: readonly unknown[] = isSeq(types)
      ? types.items.map((item) => (isScalar(item) ? item.value : item))
      : [textIn(filter, 'types')];
    const usual = event === 'merge_group' || wanted.every((type) => usualTypes.has(type));
    const pair = pairOf(filter, 'types');
    draft.drop(filter, 'types', {
      line: lineOf(pair),
      key: `on.${event}.types`,
      kind: usual ? 'dropped' : 'todo',
      text: usual
        ? `That is when it runs anyway${event === 'merge_group' ? '' : ': opened, updated, reopened'}.`
        : 'It runs for opened, updated and reopened pull requests, and for nothing else. Check that this is meant.',
    });
  }
}

/** Expressions that read what GitHub keeps or knows, and a pipeline file has to say. */
function writeTexts({ draft, root, lineOf }: Workflow): void {
  const vars = new Set<string>();
  const secrets = new Set<string>();
  forEachText(root, (text, path, holder) => {
    for (const name of secretsIn(text)) secrets.add(name);
    const isBare = path.at(-1) === 'if' && !text.includes('${{');
    for (const name of varsIn(isBare ? `\${{ ${text} }}` : text)) vars.add(name);
    const { text: changed, names } = isBare ? addressesInCondition(text) : addressesInText(text);
    if (names.length === 0) return;
    holder.node.value = changed;
    const said = names.map((name) => `github.${name} was written out`).join(', ');
    const remark = { line: lineOf(holder.node), key: path.join('.'), kind: 'changed', text: `${said}.` } as const;
    if (isMap(holder.parent)) draft.before(holder.parent, holder.key, remark);
    else draft.note(remark);
  });
  if (secrets.size > 0) remindOfSecrets(draft, root, [...secrets]);
  if (vars.size === 0 || root.has('vars')) return;
  const node = draft.document.createNode(Object.fromEntries([...vars].map((name) => [name, '']))) as YAMLMap;
  const pair = draft.document.createPair('vars', node);
  const jobsAt = root.items.findIndex((one) => keyOf(one) === 'jobs');
  root.items.splice(jobsAt === -1 ? root.items.length : jobsAt, 0, pair);
  draft.before(root, 'vars', {
    line: null,
    key: 'vars',
    kind: 'todo',
    text: 'Variables of the repository or organization are not read from GitHub. Write their values here.',
  });
}

/** A job that reads a secret which is not given is an error, where GitHub would give it an empty text. */
function remindOfSecrets(draft: Draft, root: YAMLMap, names: readonly string[]): void {
  if (!(keysOf.job.known as readonly string[]).includes('secrets')) return;
  const own = names.filter((name) => name !== 'GITHUB_TOKEN');
  const given =
    own.length === 0 ? '' : `Give the secrets ${own.join(', ')}: hearth secret set NAME --repo OWNER/NAME. `;
  const token =
    own.length === names.length ? '' : 'There is no GITHUB_TOKEN: use a token of your own, under another name.';
  draft.before(root, 'jobs', { line: null, key: 'secrets', kind: 'todo', text: `${given}${token}`.trim() });
}

/** A job of which all steps went away. */
function settleJob(draft: Draft, job: YAMLMap): void {
  if (stepsOf(job) !== undefined) keepOneStep(draft, job);
}

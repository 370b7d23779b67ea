/** A .gitlab-ci.yml → a draft of our pipeline file. What GitLab resolves over several places stands in the jobs themselves. */
import { Document, isMap, isScalar, YAMLMap } from 'yaml';
import type { Problem } from '../problem.ts';
import { failed, success, type Result } from '../result.ts';
import { Draft, emptyMap, keyOf, nothing, textOf, type Path } from './draft.ts';
import { conditionOf } from './gitlab-condition.ts';
import {
  resolveGitLab,
  isList,
  tableOf,
  textOfData,
  textsOf,
  type Data,
  type GitLabFile,
  type GitLabJob,
  type Table,
} from './gitlab-data.ts';
import { imageOf, rawValue, writeJob } from './gitlab-job.ts';
import { expanded, expressions, isRunnerSetting, usedVariables } from './gitlab-variables.ts';
import { cachesNode, createCaches } from './caches.ts';
import type { GitLabContext, Names } from './gitlab-context.ts';
import type { Original } from './original.ts';
import { freeName, mapAt, pairOf, safeName } from './parts.ts';

export interface GitLabDraft {
  readonly draft: Draft;
  readonly lineOf: (path: Path) => number | null;
}

export function migrateGitLab(original: Original, file: string): Result<GitLabDraft, readonly Problem[]> {
  const resolved = resolveGitLab(original);
  if (resolved === undefined) {
    const message =
      'The jobs are too large once "extends" and "!reference" are resolved. Use fewer of them, or split the file.';
    return failed([{ code: 'bad-value', message, file, position: { line: 1, column: 1 } }]);
  }
  const draft = new Draft(new Document(new YAMLMap()), original.text);
  const comments = [original.document.commentBefore, original.root.commentBefore].filter((part) => part != null);
  if (comments.length > 0) draft.document.commentBefore = comments.join('\n\n');
  for (const note of resolved.notes) draft.before(draft.top, '', { ...note, original: note.key });
  const variables = tableOf(resolved.top.get('variables')) ?? new Map<string, Data>();
  const caches = createCaches();
  const context: GitLabContext = {
    ...{ draft, names: namesOf(resolved), image: mostUsed(resolved.jobs), predefined: new Set(), events: new Set() },
    isVariable: (name) => variables.has(name),
    topValue: (name) => rawValue(variables.get(name)),
    useCache: caches.nameFor,
  };
  const jobs = new YAMLMap();
  for (const job of resolved.jobs) jobs.items.push(jobPair(job, context, job === resolved.jobs[0]));
  writeTop(original, resolved, context);
  if (caches.all.size > 0) draft.top.items.push(apart(draft, 'cache', cachesNode(caches.all)));
  draft.top.items.push(apart(draft, 'jobs', jobs));
  const lines = new Map(resolved.jobs.map((job) => [context.names.jobOf(job.name), job.line]));
  return success({ draft, lineOf: ([top, name]) => (top === 'jobs' ? (lines.get(String(name)) ?? null) : null) });
}

function jobPair(job: GitLabJob, context: GitLabContext, isFirst: boolean) {
  const key = context.names.jobOf(job.name);
  const map = new YAMLMap();
  writeJob({ ...context, job, key, map, shown: new Set() });
  const pair = context.draft.document.createPair(key, map);
  const node = pair.key as unknown as { commentBefore?: string; spaceBefore?: boolean };
  if (job.lead.comment !== undefined) node.commentBefore = job.lead.comment;
  node.spaceBefore = job.lead.isApart && !isFirst;
  return pair;
}

function apart(draft: Draft, key: string, value: unknown) {
  const pair = draft.document.createPair(key, value);
  (pair.key as unknown as { spaceBefore: boolean }).spaceBefore = true;
  return pair;
}

const USUAL_STAGES = ['.pre', 'build', 'test', 'deploy', '.post'];

function namesOf({ top, jobs }: GitLabFile): Names {
  const taken = new Map<string, string>();
  for (const { name } of jobs) {
    const used = new Set([...taken.values()].map((one) => one.toLowerCase()));
    taken.set(
      name,
      freeName(safeName(name), (one) => used.has(one.toLowerCase())),
    );
  }
  const used = new Set(jobs.map(({ values }) => textOfData(values.get('stage')) ?? 'test'));
  const listed = top.has('stages') ? textsOf(top.get('stages')) : USUAL_STAGES.filter((stage) => used.has(stage));
  const stages = [
    ...new Set([...(used.has('.pre') ? ['.pre'] : []), ...listed, ...(used.has('.post') ? ['.post'] : [])]),
  ];
  const phases = new Map(stages.map((stage) => [stage, safeName(stage)]));
  return {
    jobOf: (name) => taken.get(name) ?? safeName(name),
    phaseOf: (name) => phases.get(name) ?? safeName(name),
    phases: stages.length === 1 && !top.has('stages') ? [] : [...new Set(phases.values())],
  };
}

function mostUsed(jobs: readonly GitLabJob[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { values } of jobs) {
    const image = imageOf(values.get('image'));
    if (image !== undefined) counts.set(image, (counts.get(image) ?? 0) + 1);
  }
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}

function writeTop(original: Original, { top, jobs }: GitLabFile, context: GitLabContext): void {
  const { draft, names, image } = context;
  const file = draft.top;
  writeInclude(original, top, draft);
  file.items.push(draft.document.createPair('on', eventsOf(original, top, context)));
  writeWorkflow(original, top, context);
  writeVariables(original, context);
  if (!jobs.some(({ values }) => /alpine|busybox|docker|kaniko/.test(textsOf(values.get('image')).join(' ')))) {
    file.items.push(apart(draft, 'defaults', { run: { shell: 'bash' } }));
    const text = 'As in GitLab, a failure anywhere in a pipe fails the job. Without bash in the image, remove it.';
    draft.before(file, 'defaults', { line: null, key: 'defaults', kind: 'changed', text });
  }
  if (image !== undefined) file.items.push(apart(draft, 'sidecar', { image }));
  if (names.phases.length > 0) file.items.push(apart(draft, 'phases', flow(draft, names.phases)));
  const known = new Set(
    'stages include default workflow before_script after_script image services cache variables types'.split(' '),
  );
  for (const pair of original.root.items) {
    if (isMap(pair.value) || known.has(keyOf(pair)) || keyOf(pair).startsWith('.')) continue;
    const place = { line: original.lineOf(pair), key: keyOf(pair), kind: 'todo', original: textOf(pair) } as const;
    draft.before(file, '', { ...place, text: 'Hearth has nothing like it.' });
  }
}

function flow(draft: Draft, list: readonly string[]) {
  const node = draft.document.createNode(list);
  (node as unknown as { flow: boolean }).flow = true;
  return node;
}

function writeInclude(original: Original, top: Table, draft: Draft): void {
  const value = top.get('include');
  if (value === undefined) return;
  const pair = original.root.items.find((one) => keyOf(one) === 'include');
  const locals = (isList(value) ? value : [value]).flatMap((item) => {
    const table = tableOf(item);
    const path = textOfData(table === undefined ? item : table.get('local'));
    return path === undefined || path.startsWith('http') ? [] : [path.replace(/^\//, '')];
  });
  const own = locals.length === 0 ? '' : `Migrate these too: ${locals.join(', ')}. `;
  draft.before(draft.top, '', {
    line: original.lineOf(pair),
    ...{ key: 'include', kind: 'todo', original: pair === undefined ? '' : textOf(pair) },
    text: `${own}What other files bring is missing below; "include" takes files of this repository in our form, and none of other projects.`,
  });
}

/** What `workflow: rules` say, where every rule is one that `on` can say; GitLab's own default otherwise. */
function eventsOf(original: Original, top: Table, { draft, events }: GitLabContext): YAMLMap {
  const on = new YAMLMap();
  const workflow = original.root.items.find((one) => keyOf(one) === 'workflow');
  const rules = tableOf(top.get('workflow'))?.get('rules');
  const read = isList(rules) ? eventsOfRules(rules) : undefined;
  for (const [event, filter] of Object.entries(read ?? { push: null }))
    on.items.push(draft.document.createPair(event, filter ?? nothing()));
  const asked = [...events].join('\n');
  for (const event of ['pull_request', 'workflow_dispatch'])
    if (asked.includes(`== '${event}'`) && !on.has(event)) on.items.push(draft.document.createPair(event, nothing()));
  if (asked.includes("== 'schedule'")) {
    on.items.push(draft.document.createPair('schedule', [{ cron: '0 3 * * *' }]));
    const text = 'GitLab keeps the times of schedules in its settings: write yours here. This one is an example.';
    draft.before(on, 'schedule', { line: null, key: 'on.schedule', kind: 'todo', text });
  }
  if (workflow !== undefined && read === undefined)
    draft.before(draft.top, '', {
      line: original.lineOf(workflow),
      ...{ key: 'workflow', kind: 'todo', original: textOf(workflow) },
      text: 'When the pipeline runs could not be taken over: check what stands in "on".',
    });
  return on.items.length === 0 ? emptyMap() : on;
}

/** What `workflow` says beside its rules. */
function writeWorkflow(original: Original, top: Table, { draft, topValue }: GitLabContext): void {
  const node = mapAt(original.root, 'workflow');
  for (const [key, value] of tableOf(top.get('workflow')) ?? []) {
    if (key === 'rules') continue;
    const pair = node === undefined ? undefined : pairOf(node, key);
    const name = key === 'name' ? expanded(textOfData(value) ?? '', topValue) : undefined;
    if (name !== undefined && name !== '') draft.top.items.push(draft.document.createPair('run-name', name));
    else
      draft.before(draft.top, '', {
        ...{ line: original.lineOf(pair), key: `workflow.${key}`, kind: 'todo', original: textOf(pair) },
        text: key === 'name' ? 'Write it as run-name, without variables of GitLab.' : 'Hearth has nothing like it.',
      });
  }
}

type Events = Record<string, Record<string, string[]> | null>;

function eventsOfRules(rules: readonly Data[]): Events | undefined {
  const events: Events = {};
  const push = (key: string, pattern: string): void => {
    const filter = events['push'] === undefined ? {} : events['push'];
    // Everything is asked for already.
    if (filter === null) return;
    filter[key] = [...new Set([...(filter[key] ?? []), pattern])];
    events['push'] = filter;
  };
  for (const rule of rules) {
    const table = tableOf(rule);
    const text = textOfData(table?.get('if'));
    const never = table?.get('when') === 'never';
    if (table === undefined || [...table.keys()].some((key) => !['if', 'when', 'changes'].includes(key)))
      return undefined;
    // A push and a merge request of one commit are one run here anyway.
    if (never && text !== undefined && text.includes('$CI_OPEN_MERGE_REQUESTS')) continue;
    // The last rule often says again that nothing else runs.
    if (never && text === undefined && rule === rules.at(-1)) continue;
    if (never) return undefined;
    const condition = text === undefined ? 'true' : conditionOf(text);
    if (condition === "github.event_name == 'pull_request'") events['pull_request'] = pathsOf(table);
    else if (condition === "startsWith(github.ref, 'refs/heads/')") push('branches', '**');
    else if (condition === "startsWith(github.ref, 'refs/tags/')") push('tags', '**');
    else if (condition?.includes('default_branch') === true && !/&&|\|\|/.test(condition)) push('branches', 'main');
    else if (condition === 'true') events['push'] = pathsOf(table);
    else {
      const [, kind, name = ''] = /^github\.ref == 'refs\/(heads|tags)\/([\w./-]+)'$/.exec(condition ?? '') ?? [];
      if (kind === undefined) return undefined;
      push(kind === 'heads' ? 'branches' : 'tags', name);
    }
  }
  return events;
}

function pathsOf(table: Table): Record<string, string[]> | null {
  const changes = table.get('changes');
  const paths = textsOf(tableOf(changes)?.get('paths') ?? changes);
  return paths.length === 0 ? null : { paths: [...paths] };
}

/** The mapping itself goes over, with its comments; values that hold variables are written out. */
function writeVariables({ root, lineOf }: Original, { draft, predefined, topValue }: GitLabContext): void {
  const pair = root.items.find((one) => keyOf(one) === 'variables');
  const env = isMap(pair?.value) ? pair.value : new YAMLMap();
  for (const one of [...env.items]) {
    const name = keyOf(one);
    const place = { line: lineOf(one), key: `variables.${name}` };
    const value = isMap(one.value) ? one.value.get('value', true) : one.value;
    const raw = topValue(name) ?? '';
    const text = expanded(raw, (other) => (other === name ? undefined : topValue(other)));
    if (isRunnerSetting(name)) {
      draft.drop(env, name, {
        ...place,
        kind: 'dropped',
        text: 'Settings of the runner of GitLab have no meaning here.',
      });
    } else if (text === undefined) {
      const missing = usedVariables(raw, () => false).missing.join(', ');
      const why = missing === '' ? 'Variables in "env" hold no other variables' : `${missing} has no value here`;
      draft.drop(env, name, { ...place, kind: 'todo', text: `${why}: write the value.` });
    } else if (text !== raw || isMap(one.value)) one.value = draft.document.createNode(text);
    else one.value = isScalar(value) ? value : one.value;
  }
  for (const name of predefined) env.items.push(draft.document.createPair(name, `\${{ ${expressions[name] ?? ''} }}`));
  if (env.items.length === 0) return;
  const made = apart(draft, 'env', env);
  const comment = isScalar(pair?.key) ? pair.key.commentBefore : undefined;
  if (comment != null) (made.key as unknown as { commentBefore: string }).commentBefore = comment;
  draft.top.items.push(made);
  const [first] = predefined;
  if (first !== undefined)
    draft.before(env, first, {
      line: null,
      key: 'env',
      kind: 'changed',
      text: 'What GitLab predefines and these jobs read.',
    });
}

/** The steps of a job: commands stay, well-known actions become what Hearth has instead, all others wait for a hand. */
import { isMap, type YAMLMap, type YAMLSeq } from 'yaml';
import { keyOf, textOf } from './draft.ts';
import { adviceFor } from '../actions/action-advice.ts';
import { checkoutInputs } from '../actions/action-checkout.ts';
import { cacheOfAction, toolOfAction, type Tool } from './github-actions.ts';
import { keepArtifact } from './github-artifacts.ts';
import type { JobOfWorkflow } from './github-workflow.ts';
import { hasImage } from './github-needs.ts';
import { safeScript } from './github-script.ts';
import { axisOf, settleVersions, tagExpression } from './github-versions.ts';
import type { NoteKind } from './note.ts';
import { packageManagers, type PackageManager } from './packages.ts';
import { mapAt, stepsOf, textIn } from './parts.ts';

interface Step extends JobOfWorkflow {
  readonly steps: YAMLSeq;
  readonly step: YAMLMap;
  readonly index: number;
}

export function migrateSteps(of: JobOfWorkflow): void {
  const steps = stepsOf(of.job);
  for (const [index, step] of [...(steps?.items ?? [])].entries())
    if (steps !== undefined && isMap(step)) migrateStep({ ...of, steps, step, index });
}

function migrateStep(of: Step): void {
  const { step } = of;
  const uses = textIn(step, 'uses');
  if (uses === undefined) {
    if (step.has('run')) migrateRun(of);
    else leaveOut(of, 'todo', 'A step needs "run".');
    return;
  }
  const action = uses.split('@')[0]?.toLowerCase() ?? '';
  const inputs = mapAt(step, 'with');
  const kept = action === 'actions/upload-artifact' ? keepArtifact(of, step) : undefined;
  const tool = toolOfAction(action, uses, inputs);
  if (action === 'actions/checkout') checkout(of, inputs);
  else if (tool !== undefined) setUp(of, tool);
  else if (action === 'pnpm/action-setup')
    replace(of, 'corepack enable', { kind: 'changed', text: 'Node brings pnpm.' });
  else if (action === 'actions/cache' || action === 'swatinem/rust-cache') keepFiles(of, action, inputs);
  else if (kept !== undefined) leaveOut(of, kept.kind, kept.text);
  else leaveOut(of, 'todo', adviceFor(action));
}

function placeOf({ name, index, step, lineOf }: Step): { readonly line: number | null; readonly key: string } {
  return { line: lineOf(step), key: `jobs.${name}.steps[${index}]` };
}

/** Inside a comment the step looks as it did in the file. */
function leaveOut(of: Step, kind: NoteKind, text: string): void {
  const id = textIn(of.step, 'id');
  const isRead = id !== undefined && textOf(of.job).includes(`steps.${id}`);
  const lost = !isRead ? '' : ` What reads steps.${id} finds nothing now.`;
  of.draft.dropItem(of.steps, of.step, { ...placeOf(of), kind, text: `${text}${lost}` });
}

const HERE = 'The commit is at /work when a job starts.';

function checkout(of: Step, inputs: YAMLMap | undefined): void {
  const wants: string[] = [];
  for (const [key, { advice, isMet }] of Object.entries(checkoutInputs)) {
    const value = inputs === undefined ? undefined : textIn(inputs, key);
    if (value !== undefined && !isMet(value)) wants.push(advice);
  }
  leaveOut(of, wants.length === 0 ? 'dropped' : 'todo', [HERE, ...wants].join(' '));
}

/** setup-node and its like: the image has the tool. */
function setUp(of: Step, tool: Tool): void {
  const { job, root, needs } = of;
  const manager = tool.cache === undefined ? undefined : packageManagers[tool.cache];
  const said = hasImage(root, job) ? ownImage(tool) : imageFor(of, tool);
  const kind = tool.unmet.length > 0 ? 'todo' : said.kind;
  const notes = [said.text];
  if (tool.unmet.length > 0)
    notes.push(`It does not bring ${tool.unmet.join(', ')}: do it in a step, or build an image ("sidecar: build").`);
  for (const volume of tool.volumes)
    notes.push(
      `Cache "${needs.useCache(job, volume.name, { kind: 'volume', path: volume.path })}" keeps ${volume.path}.`,
    );
  if (manager !== undefined) notes.push(useManager(of, manager, tool.lockfile));
  else if (tool.cache !== undefined) notes.push(`There is no rule for its cache "${tool.cache}".`);
  if (tool.command === undefined) leaveOut(of, kind, notes.join(' '));
  else replace(of, tool.command, { kind, text: notes.join(' ') });
}

/** A command stands where an action did. */
function replace(of: Step, command: string, { kind, text }: { readonly kind: NoteKind; readonly text: string }): void {
  const { draft, steps, step } = of;
  const made = draft.document.createNode({ run: command }) as YAMLMap;
  made.items.unshift(...step.items.filter((pair) => keyOf(pair) === 'if'));
  steps.items.splice(steps.items.indexOf(step) + 1, 0, made);
  leaveOut(of, kind, `${text} The rest is a command now.`.trim());
}

interface Said {
  readonly kind: NoteKind;
  readonly text: string;
}

/** The job names its image itself. */
function ownImage({ name, version }: Tool): Said {
  const wanted = version === undefined ? name : `${name} ${version}`;
  return { kind: 'todo', text: `Make sure that the image of the job has ${wanted}.` };
}

/** The image for the version that is asked for; of a matrix every combination gets its own. */
function imageFor(of: Step, tool: Tool): Said {
  const { job, needs } = of;
  const version = tool.version?.trim();
  const tag = version === undefined ? undefined : tagExpression(version);
  const known = tag !== undefined ? tool.image(tag) : version === undefined ? undefined : tool.imageOf(version);
  const image = known ?? tool.usualImage;
  const isFirst = needs.imageOf(job) === undefined;
  const has = needs.wantImage({ job, image });
  if (has !== image) {
    const text = `The job has the image ${has} already. Build one that has both ("sidecar: build"), or install this in a step.`;
    return { kind: 'todo', text };
  }
  if (known === undefined) {
    const why = version === undefined ? 'The version is not in this file.' : `No image is known for ${version}.`;
    return { kind: 'todo', text: `${why} The image is ${image}: write the version you need in its place.` };
  }
  const text = `${tool.name} is in the image (${image}).`;
  if (tag === undefined) return { kind: 'changed', text };
  const axis = axisOf(tag);
  if (axis === undefined) return { kind: 'todo', text: `${text} Make sure that what it comes out as is a tag.` };
  if (isFirst) settleVersions(of, axis, tool);
  return { kind: 'changed', text };
}

/** A cache for what a package manager installs; the steps that installed it are not needed any more. */
function useManager(of: Step, manager: PackageManager, lockfile: string | undefined): string {
  const { job, root, needs, steps, draft } = of;
  const folder = folderOf(lockfile) ?? defaultFolder(job) ?? defaultFolder(root) ?? '';
  const key = lockfile ?? `${folder}${manager.lockfile}`;
  if (manager.kind === 'volume' || /[*?\n]/.test(key)) {
    const path = manager.volume;
    return `Cache "${needs.useCache(job, manager.name, { kind: 'volume', path })}" keeps ${path}.`;
  }
  const installs = steps.items.filter(
    (step): step is YAMLMap =>
      isMap(step) && !draft.isMark(step) && manager.installs.has((textIn(step, 'run') ?? '').trim()),
  );
  const [first] = installs;
  const command = first === undefined ? manager.install : (textIn(first, 'run') ?? '').trim();
  const install = `${folder === '' ? '' : `cd ${folder.slice(0, -1)} && `}${manager.before}${command}`;
  const name = needs.useCache(job, manager.name, { kind: 'layer', key, paths: `${folder}node_modules`, install });
  for (const step of installs) {
    const index = steps.items.indexOf(step);
    const place = { line: of.lineOf(step), key: `jobs.${of.name}.steps[${index}]` };
    const text = `The cache "${name}" runs it once per ${key}.`;
    // What else the step says would be lost.
    const isBare =
      step.items.every((pair) => ['run', 'name', 'working-directory', 'if'].includes(keyOf(pair))) &&
      (textIn(step, 'if') ?? 'cache-hit').includes('cache-hit');
    if (isBare) draft.dropItem(steps, step, { ...place, kind: 'changed', text });
    else draft.beforeItem(steps, step, { ...place, kind: 'changed', text: `${text} This step may go.` });
  }
  return `The cache "${name}" holds what it installs, once per ${key}.`;
}

/** The package manager that some step of the job installs with. */
function managerOf({ steps }: Step): PackageManager | undefined {
  const runs = steps.items.map((step) => (isMap(step) ? (textIn(step, 'run') ?? '').trim() : ''));
  return Object.values(packageManagers).find(({ installs }) => runs.some((run) => installs.has(run)));
}

function folderOf(lockfile: string | undefined): string | undefined {
  const folder = lockfile?.split('/').slice(0, -1).join('/') ?? '';
  return folder === '' ? undefined : `${folder}/`;
}

function defaultFolder(map: YAMLMap): string | undefined {
  const defaults = mapAt(map, 'defaults');
  const run = defaults === undefined ? undefined : mapAt(defaults, 'run');
  const folder = run === undefined ? undefined : textIn(run, 'working-directory')?.replace(/^\.\/|\/$/g, '');
  return folder === undefined || folder === '' || folder === '.' ? undefined : `${folder}/`;
}

/** actions/cache: folders in the home become volumes; what lies in the workspace needs the command that makes it. */
function keepFiles(of: Step, action: string, inputs: YAMLMap | undefined): void {
  const { job, needs } = of;
  const cache = cacheOfAction(action, inputs);
  const names = cache.volumes.map(
    ({ name, path }) => `"${needs.useCache(job, name, { kind: 'volume', path })}" (${path})`,
  );
  const modules = cache.left.find((path) => /(?:^|\/)node_modules$/.test(path));
  const manager = modules === undefined ? undefined : managerOf(of);
  const layer = manager === undefined ? '' : useManager(of, manager, undefined);
  const left = manager === undefined ? cache.left : cache.left.filter((path) => path !== modules);
  const kept = names.length === 0 ? '' : `Kept between runs by the cache ${names.join(', ')}.`;
  const rest =
    left.length === 0
      ? ''
      : `Not kept: ${left.join(', ')}. A cache with key, paths and install can make what lies in the repository once per lockfile.`;
  leaveOut(
    of,
    names.length === 0 && layer === '' ? 'todo' : 'changed',
    [kept, layer, rest].filter((text) => text !== '').join(' '),
  );
}

/** What outsiders choose may not become commands: it goes through a variable of the step. */
function migrateRun(of: Step): void {
  const { step, steps, draft } = of;
  const run = textIn(step, 'run') ?? '';
  const shell = textIn(step, 'shell') ?? 'bash';
  if (!/^(?:bash|sh)\b/.test(shell)) return;
  const env = mapAt(step, 'env');
  const safe = safeScript(run, (name) => env?.has(name) === true);
  if (safe.variables.length === 0) return;
  setRun(step, safe.script);
  const variables = env ?? draft.document.createNode({});
  for (const { name, expression } of safe.variables)
    variables.add(draft.document.createPair(name, `\${{ ${expression} }}`));
  if (env === undefined)
    step.items.splice(
      step.items.findIndex((pair) => keyOf(pair) === 'run'),
      0,
      draft.document.createPair('env', variables),
    );
  const shown = safe.variables.map(({ expression }) => `\${{ ${expression} }}`).join(', ');
  draft.beforeItem(steps, step, {
    ...placeOf(of),
    kind: safe.isSure ? 'changed' : 'todo',
    text: `${shown} would become commands in the script, so it is a variable now.${safe.isSure ? '' : ' Check the quotes around it.'}`,
  });
}

function setRun(step: YAMLMap, script: string): void {
  const scalar = step.get('run', true) as unknown as { value: string };
  scalar.value = script;
}

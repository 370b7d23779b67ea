/** The steps of a job: commands stay, well-known actions become what Hearth has instead, all others wait for a hand. */
import { isMap, isSeq, type YAMLMap, type YAMLSeq } from 'yaml';
import { keyOf, textOf } from './draft.ts';
import { adviceFor, cacheOfAction, plainVersion, toolOfAction, type Tool } from './github-actions.ts';
import { keepArtifact } from './github-artifacts.ts';
import { keepValues, matrixOf } from './github-matrix.ts';
import type { JobOfWorkflow } from './github-workflow.ts';
import { hasImage, jobsHaveImages } from './github-needs.ts';
import { safeScript } from './github-script.ts';
import type { NoteKind } from './note.ts';
import { packageManagers, type PackageManager } from './packages.ts';
import { mapAt, stepsOf, textIn, writtenOf } from './parts.ts';

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
  else leaveOut(of, adviceFor(action).kind, adviceFor(action).text);
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
  for (const { key, advice, isMet } of checkoutInputs) {
    const value = inputs === undefined ? undefined : textIn(inputs, key);
    if (value !== undefined && !isMet(value)) wants.push(advice);
  }
  leaveOut(of, wants.length === 0 ? 'dropped' : 'todo', [HERE, ...wants].join(' '));
}

const checkoutInputs = [
  {
    key: 'fetch-depth',
    advice: 'It has no history: add a step with `git fetch --unshallow` (or --depth) before the one that needs it.',
    isMet: (value: string) => value === '1',
  },
  {
    key: 'fetch-tags',
    advice: 'It has no tags: add a step with `git fetch --tags`.',
    isMet: (value: string) => value === 'false',
  },
  {
    key: 'submodules',
    advice: 'Submodules are empty folders: add a step with `git submodule update --init --recursive`.',
    isMet: (value: string) => value === 'false',
  },
  {
    key: 'lfs',
    advice: 'Files of Git LFS are pointers: add a step with `git lfs pull`.',
    isMet: (value: string) => value === 'false',
  },
  { key: 'repository', advice: 'Another repository is cloned with `git clone` in a step.', isMet: () => false },
  {
    key: 'ref',
    advice: 'Another commit is fetched with `git fetch` and `git checkout` in a step.',
    isMet: () => false,
  },
  {
    key: 'path',
    advice: 'It lies at the top, and not in a folder of its own.',
    isMet: (value: string) => value === '.',
  },
] as const;

/** setup-node and its like: the image has the tool. */
function setUp(of: Step, tool: Tool): void {
  const { job, name, root, needs } = of;
  const image = imageFor(of, tool);
  if (image === CLOSED) return;
  const manager = tool.cache === undefined ? undefined : packageManagers[tool.cache];
  const notes: string[] = [];
  let kind: NoteKind = 'changed';
  if (hasImage(root, job)) notes.push('Make sure that the image of the job has it.');
  else if (image === undefined) {
    kind = 'todo';
    const shown = needs.wantImage({ job, name, image: tool.image(tool.usual), line: of.lineOf(of.step) });
    notes.push(`The version is not in this file. The image is ${shown}; write the version you need into "sidecar".`);
  } else {
    const has = needs.wantImage({ job, name, image, line: of.lineOf(of.step) });
    if (has === image) notes.push(`${tool.name} is in the image (${image}).`);
    else {
      kind = 'todo';
      notes.push(
        `The job has the image ${has} already. Build one that has both ("sidecar: build"), or install this in a step.`,
      );
    }
  }
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

const CLOSED = Symbol('the job was closed');

/** The image for the version that is asked for; a matrix of versions is cut down to one where all jobs share an image. */
function imageFor(of: Step, tool: Tool): string | undefined | typeof CLOSED {
  if (tool.version === undefined) return undefined;
  const axis = /^\$\{\{\s*matrix\.([\w-]+)\s*\}\}$/.exec(tool.version)?.[1];
  const plain = plainVersion(tool.version);
  if (axis === undefined) return /^[\w.-]+$/.test(plain) ? tool.image(plain) : undefined;
  if (jobsHaveImages) return tool.image(tool.version);
  const values = matrixOf(of.job)?.get(axis, true) as unknown;
  const versions = isSeq(values) ? values.items.map(writtenOf).filter((value) => /^[\w.*/-]+$/.test(value)) : [];
  const chosen = versions.toSorted(byVersion).at(-1);
  if (chosen === undefined) return undefined;
  const why = `All jobs of a file share one image, with ${tool.name} ${chosen}`;
  if (versions.length > 1 && keepValues(of, axis, (value) => value === chosen, why) === 0) return CLOSED;
  return tool.image(plainVersion(chosen));
}

/** `3.9` comes before `3.10`, and words such as `stable` before numbers. */
function byVersion(a: string, b: string): number {
  const parts = (text: string): number[] => text.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : -1));
  const [left, right] = [parts(a), parts(b)];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? -1) - (right[index] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
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

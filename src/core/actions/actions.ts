/**
 * Steps with `uses`. No action runs here; four have a counterpart, and their steps become that: the files of the commit, an
 * artifact, the wish for one, a volume. Whatever would mean something else than on GitHub is a problem.
 */
import { adviceFor } from './action-advice.ts';
import { pairedVolumes, volumesOf, type CacheHalf } from './action-cache.ts';
import { checkCheckout, noteOfHead, pullRequestCheckout } from './action-checkout.ts';
import { downloadOf, type Known } from './action-download.ts';
import { outputsRead } from './action-outputs.ts';
import { checkPlaces } from './action-places.ts';
import { hasNoEffect, inputOf, refuse, type ActionKind, type ActionStep, type FoundAction } from './action-step.ts';
import { uploadOf } from './action-upload.ts';
import type { ArtifactSpec } from '../pipeline/artifact-schema.ts';
import { needsIn, textsOf } from '../pipeline/needs-in-file.ts';
import { labelOf, nodeAt } from '../pipeline/pipeline-issues.ts';
import type { Download } from '../pipeline/pipeline.ts';
import { normalVolumePath } from '../pipeline/pipeline-paths.ts';
import { nearestWord, placed, type Problem } from '../problem.ts';
import { MAX_LINE } from '../pipeline/schema-values.ts';
import { shown } from '../shown.ts';
import type { YamlNode } from '../pipeline/yaml-tree.ts';

/** What the actions of a job stand for. */
export interface JobActions {
  readonly artifacts: readonly ArtifactSpec[];
  /** Paths of volumes; also their names, which no cache of a file can have. */
  readonly volumes: readonly string[];
  readonly downloads: readonly Download[];
}

export interface Actions {
  readonly problems: readonly Problem[];
  readonly notes: readonly Problem[];
  /** By the key of the job; only those with such steps. */
  readonly jobs: ReadonlyMap<string, JobActions>;
}

const KNOWN: readonly ActionKind[] = [
  'checkout',
  'upload-artifact',
  'download-artifact',
  'cache',
  'cache/restore',
  'cache/save',
];

interface JobSteps {
  readonly job: string;
  readonly node: YamlNode;
  readonly steps: readonly YamlNode[];
  readonly found: readonly FoundAction[];
}

/** More than anybody reads; a hostile file has a hundred thousand. */
const MAX_PROBLEMS = 500;

/** Reads the tree, and passes over what has the wrong shape, which others tell. */
export function actionsOf(root: YamlNode, file: string): Actions {
  const problems: Problem[] = [];
  const notes: Problem[] = [];
  const report: ActionStep['report'] = (code, message, position) => {
    if (problems.length < MAX_PROBLEMS) problems.push({ code, message, file, position });
  };
  const note: ActionStep['note'] = (message, position) =>
    notes.push(placed({ code: 'no-effect', message, file, position }));
  const all = [...(nodeAt(root, ['jobs'])?.entries ?? [])].flatMap(([job, { node }]): readonly JobSteps[] => {
    const list = node.entries.get('steps');
    if (list === undefined || list.node.items.length === 0) return [];
    const steps = list.node.items;
    const found = steps.flatMap((step, index): readonly FoundAction[] => {
      const of: ActionStep = { job, node: step, path: ['jobs', job, 'steps', index], report, note };
      const kind = kindOf(of);
      return kind === undefined ? [] : [{ step: of, kind, index }];
    });
    if (steps.every((step) => step.entries.has('uses') && !step.entries.has('run'))) {
      const message = `${labelOf(['jobs', job, 'steps'])} must have a step with run: its actions are no commands here. Add one, or remove the job.`;
      report('missing-key', message, list.keyPosition);
    }
    return found.length === 0 ? [] : [{ job, node, steps, found }];
  });
  const pullRequests = pullRequestCheckout(root);
  const plain = all
    .flatMap(({ found }) => found)
    .find(({ kind, step }) => kind === 'checkout' && inputOf(step, 'ref') === undefined);
  if (pullRequests === 'head' && plain !== undefined) noteOfHead(plain.step);
  const uploads = new Map(all.map((of) => [of.job, uploadsOf(of)]));
  const surroundings = surroundingsOf(root, uploads);
  const known = new Map<string, readonly (string | null)[]>();
  const jobs = new Map(
    all.map((of): [string, JobActions] => {
      for (const { step, kind } of of.found) if (kind === 'checkout') checkCheckout(step, pullRequests);
      checkPlaces(of.steps, of.found);
      const ids = of.found.map(({ step, kind }) => ({ id: step.node.entries.get('id')?.node.value, kind }));
      outputsRead(of.node, ids, { top: ['jobs', of.job], report, known });
      const around = surroundings(of.node);
      return [
        of.job,
        {
          artifacts: (uploads.get(of.job) ?? []).map(({ spec }) => spec),
          volumes: jobVolumes(root, of),
          downloads: of.found.flatMap(({ step, kind }) => {
            const download = kind === 'download-artifact' ? downloadOf(step, around) : undefined;
            return download === undefined ? [] : [download];
          }),
        },
      ];
    }),
  );
  return { problems, notes, jobs };
}

/** Which of the known actions it is; all that is wrong with a step as such is reported. */
function kindOf(step: ActionStep): ActionKind | undefined {
  const { node, path, report } = step;
  const label = labelOf(path);
  if (typeof node.value !== 'object' || node.value === null || Array.isArray(node.value)) return undefined;
  const uses = node.entries.get('uses');
  const inputs = node.entries.get('with');
  if (uses === undefined) {
    if (!node.entries.has('run'))
      report('missing-key', `${label} must have run or uses. Add one of them.`, node.position);
    if (inputs !== undefined)
      report(
        'bad-value',
        `${labelOf([...path, 'with'])} is for a step with uses. Give a command its values with "env".`,
        inputs.keyPosition,
      );
    return undefined;
  }
  const run = node.entries.get('run');
  if (run !== undefined) {
    report('bad-value', `${label} has both run and uses. Make two steps of it.`, run.keyPosition);
    return undefined;
  }
  // What is no text, or no line, is for the schema to tell.
  if (typeof uses.node.value !== 'string' || uses.node.value.length > MAX_LINE) return undefined;
  const [name = '', version] = uses.node.value.trim().split('@');
  const action = name.toLowerCase();
  const kind = KNOWN.find((known) => action === `actions/${known}`);
  if (kind === undefined) {
    report('unknown-action', unknownAction([...path, 'uses'], name, action), uses.node.position);
    return undefined;
  }
  if (version === undefined || version === '') refuse(step, 'uses', `must name a version, as on GitHub: ${name}@v4.`);
  for (const key of ['shell', 'working-directory', 'publish'])
    if (node.entries.has(key)) refuse(step, key, 'is for a step with run. Remove it.');
  for (const key of ['env', 'timeout-minutes'])
    if (node.entries.has(key)) hasNoEffect(step, key, 'the step is no command');
  return kind;
}

function unknownAction(path: readonly (string | number)[], name: string, action: string): string {
  const near = nearestWord(
    action,
    KNOWN.map((known) => `actions/${known}`),
  );
  const known = near === undefined ? adviceFor(action) : `Did you mean "${near}"?`;
  return `${labelOf(path)}: Hearth has no action ${shown(name)}. ${known} \`hearth migrate\` writes what is known of it into a pipeline file, or leave this job on GitHub.`;
}

interface JobUpload {
  readonly spec: ArtifactSpec;
  readonly paths: readonly string[];
}

function uploadsOf({ job, node, found }: JobSteps): readonly JobUpload[] {
  const taken = new Map(
    [...(node.entries.get('artifacts')?.node.entries.keys() ?? [])].map((name) => [name, '"artifacts" of the job']),
  );
  return found.flatMap(({ step, kind }) => {
    const upload = kind === 'upload-artifact' ? uploadOf(step) : undefined;
    if (upload === undefined) return [];
    const other = taken.get(upload.spec.name);
    if (other !== undefined) {
      refuse(
        step,
        'with.name',
        `gives the name ${shown(upload.spec.name)} again, which ${other} has. Give each artifact of the job ${shown(job)} a name of its own.`,
      );
      return [];
    }
    taken.set(upload.spec.name, 'an earlier step');
    return [upload];
  });
}

function surroundingsOf(root: YamlNode, uploads: ReadonlyMap<string, readonly JobUpload[]>) {
  const byName = new Map<string, Known[]>();
  const add = (name: string, known: Known): void => {
    const same = byName.get(name);
    if (same === undefined) byName.set(name, [known]);
    else same.push(known);
  };
  const many = new Set<string>();
  for (const [job, { node }] of nodeAt(root, ['jobs'])?.entries ?? []) {
    const platforms = node.entries.get('platforms')?.node.items.length ?? 0;
    if (node.entries.has('strategy') || node.entries.has('parallel') || platforms > 1) many.add(job);
    for (const [name, { node: own }] of node.entries.get('artifacts')?.node.entries ?? [])
      add(name, { job, paths: textsOf(own.entries.get('paths')?.node ?? own), isOwn: true });
    for (const { spec, paths } of uploads.get(job) ?? []) add(spec.name, { job, paths, isOwn: false });
  }
  return (job: YamlNode) => {
    const needs = needsIn(job);
    return {
      named: (name: string) => byName.get(name) ?? [],
      needs: new Set(needs.map(({ name }) => name)),
      refused: new Set(needs.flatMap(({ name, isRefused }) => (isRefused ? [name] : []))),
      awaited: new Map(needs.flatMap(({ name, awaited }) => (awaited === undefined ? [] : [[name, awaited]]))),
      isMany: (name: string) => many.has(name),
    };
  };
}

function jobVolumes(root: YamlNode, { node, steps, found }: JobSteps): readonly string[] {
  const halves: CacheHalf[] = [];
  const whole: string[] = [];
  for (const { step, kind } of found) {
    const volumes = kind === 'cache' ? volumesOf(step, steps) : [];
    for (const path of volumes) {
      const cache = volumeCacheAt(root, node, path);
      if (cache !== undefined)
        refuse(
          step,
          'with.path',
          `names ${shown(path)}, which the cache ${shown(cache)} of the job fills. Remove one of the two.`,
        );
    }
    whole.push(...volumes);
    if (kind === 'cache/restore' || kind === 'cache/save')
      halves.push({ step, half: kind === 'cache/save' ? 'save' : 'restore' });
  }
  return [...new Set([...whole, ...pairedVolumes(halves, steps)])];
}

/** The job's own cache at this path. */
function volumeCacheAt(root: YamlNode, job: YamlNode, path: string): string | undefined {
  const used = job.entries.get('cache')?.node;
  return (used === undefined ? [] : textsOf(used)).find((name) => {
    const volume = nodeAt(root, ['cache', name, 'volume'])?.value;
    return typeof volume === 'string' && normalVolumePath(volume) === path;
  });
}

/** `actions/download-artifact`: the wish for an artifact of a needed job, which lies where that job had it. */
import {
  anything,
  checkInputs,
  fromTop,
  inputOf,
  isTolerant,
  refuse,
  refuseCondition,
  withoutExpression,
  type ActionStep,
} from './action-step.ts';
import { expectedFolder, topOf, type ArtifactTop } from './artifact-top.ts';
import type { Download } from '../pipeline/pipeline.ts';
import { normalPath } from '../pipeline/pipeline-paths.ts';
import { shown } from '../shown.ts';

/** An artifact of a needed job, as far as a job that downloads it has to know it. */
export interface Known {
  readonly job: string;
  readonly paths: readonly string[];
  /** Whether these are patterns of `artifacts`, and not of the action. */
  readonly isOwn: boolean;
}

/** What stands in the file around the job that downloads. */
export interface Surroundings {
  /** Every artifact of the file with this name. */
  readonly named: (name: string) => readonly Known[];
  readonly needs: ReadonlySet<string>;
  /** Those of them whose artifacts the job does not take. */
  readonly refused: ReadonlySet<string>;
  /** Of those whose end the job does not wait for, the artifacts that it waits for instead. */
  readonly awaited: ReadonlyMap<string, readonly string[]>;
  /** Whether the job is more than one in a run. */
  readonly isMany: (job: string) => boolean;
}

const OTHER_RUNS =
  'cannot be had: artifacts come from jobs of the same run that this one needs. Remove it, or fetch the files with `curl` in a step.';

const downloadRules = {
  name: withoutExpression(anything),
  path: anything,
  'merge-multiple': (value: string) =>
    value === 'false' ? undefined : 'cannot be had. Write one step for each artifact, with its name.',
  pattern: () => 'cannot be had. Write one step for each artifact, with its name.',
  'github-token': () => OTHER_RUNS,
  'run-id': () => OTHER_RUNS,
  repository: () => OTHER_RUNS,
  'artifact-ids': () => 'cannot be had. Write the name of the artifact.',
};

/** What the step asks for; undefined where it is wrong, which has been reported then. */
export function downloadOf(step: ActionStep, file: Surroundings): Download | undefined {
  checkInputs(step, downloadRules);
  refuseCondition(step, 'its files are there');
  const isTolerated = isTolerant(step);
  const name = inputOf(step, 'name');
  if (name === undefined) {
    if (inputOf(step, 'pattern') === undefined)
      refuse(
        step,
        'with.name',
        'must be given: without it GitHub makes a folder for each artifact. Write one step for each, with its name.',
      );
    return undefined;
  }
  if (name.includes('${{')) return undefined;
  const from = sourceOf(step, name, file);
  if (from === undefined) return undefined;
  const path = fromTop(inputOf(step, 'path') ?? '.');
  if (path.includes('${{')) {
    refuse(step, 'with.path', 'cannot hold an expression here. Write the folder itself.');
    return undefined;
  }
  if (from.paths.length > MAX_PATHS) {
    refuse(step, 'with.name', `is of an artifact with more than ${MAX_PATHS} paths. Name folders there.`);
    return undefined;
  }
  const top = topOf(from.paths, from.isOwn ? OWN_PATTERN : undefined);
  if (expectedFolder(top) !== normalPath(path)) {
    const files = from.paths.map(shown).join(', ');
    const where = `would put the files of ${shown(name)} into ${shown(path)} on GitHub, and here they are where ${shown(from.job)} had them: ${files}.`;
    refuse(step, 'with.path', `${where} ${wayOut(from, top)}`);
    return undefined;
  }
  return { job: from.job, name, isRequired: !isTolerated };
}

/** The paths are compared with one another. */
const MAX_PATHS = 50;

/** A part of a path that is a pattern of `artifacts`. */
const OWN_PATTERN = /[*?+[\\]/;

function wayOut({ job, isOwn }: Known, top: ArtifactTop): string {
  if (isOwn) return 'They are there without a step: remove it, and correct the commands that look for them elsewhere.';
  const write = `Write "path: ${expectedFolder(top)}", and correct the commands that look for them elsewhere`;
  return `${write}; or give them as "artifacts" of ${shown(job)}, then they are there without a step.`;
}

function sourceOf(step: ActionStep, name: string, file: Surroundings): Known | undefined {
  const all = file.named(name);
  const needed = all.filter(({ job }) => file.needs.has(job));
  const [from] = needed;
  if (from === undefined) {
    const [other] = all;
    const next =
      other === undefined
        ? `no job of this file has an artifact ${shown(name)}. Correct the name, or fetch the files with \`curl\` in a step.`
        : other.job === step.job
          ? `${shown(name)} is of this job itself, whose files are still there. Remove the step.`
          : `${shown(name)} is of ${shown(other.job)}, which this job does not need. Add it to "needs".`;
    refuse(step, 'with.name', `cannot be found: ${next}`);
    return undefined;
  }
  if (needed.length > 1) {
    const jobs = needed.map(({ job }) => shown(job)).join(' and ');
    refuse(step, 'with.name', `is not clear: ${jobs} both have an artifact ${shown(name)}. Give them different names.`);
    return undefined;
  }
  if (file.refused.has(from.job)) {
    refuse(
      step,
      'with.name',
      `is of ${shown(from.job)}, from which the job takes no artifacts. Remove "artifacts: false" from its needs.`,
    );
    return undefined;
  }
  if (file.awaited.get(from.job)?.includes(name) === false) {
    refuse(
      step,
      'with.name',
      `is of ${shown(from.job)}, whose end the job does not wait for. Need ${shown(from.job)} without "artifact", or publish ${shown(name)} there and need it too.`,
    );
    return undefined;
  }
  if (file.isMany(from.job)) {
    refuse(
      step,
      'with.name',
      `is not clear: ${shown(from.job)} runs more than once and each has one. Write them as "artifacts" of that job; then all are there without a step.`,
    );
    return undefined;
  }
  return from;
}

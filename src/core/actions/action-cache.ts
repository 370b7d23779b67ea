/** `actions/cache`: a folder outside of the workspace is a volume, which is kept without a key. */
import {
  anything,
  checkInputs,
  hasNoEffect,
  inputOf,
  pathsIn,
  refuse,
  refuseCondition,
  withoutExpression,
  type ActionStep,
} from './action-step.ts';
import { normalVolumePath, volumePathFault } from '../pipeline/pipeline-paths.ts';
import { shown } from '../shown.ts';
import { writtenIn } from '../pipeline/yaml-tree.ts';

const isFalse = withoutExpression((value) => (value === 'false' ? undefined : 'cannot be had. Remove it.'));

const rules = {
  path: anything,
  key: anything,
  'restore-keys': anything,
  'upload-chunk-size': anything,
  enableCrossOsArchive: anything,
  'save-always': anything,
  'fail-on-cache-miss': withoutExpression((value) =>
    value === 'false' ? undefined : 'cannot be had: a volume is there from the first time, and empty then. Remove it.',
  ),
  'lookup-only': isFalse,
};

const HOME = '/root';

/** Paths of the volumes; what cannot be one is reported. `steps` are all of the job, for the words of the way out. */
export function volumesOf(step: ActionStep, steps: readonly ActionStep['node'][]): readonly string[] {
  checkInputs(step, rules);
  refuseCondition(step, 'the folder is there');
  const volumes = pathsIn(step).flatMap((path) => volumeOf(step, path, steps));
  const keys = ['key', 'restore-keys'].filter((key) => inputOf(step, key) !== undefined);
  if (volumes.length > 0 && keys.length > 0)
    hasNoEffect(
      step,
      `with.${keys[0] ?? ''}`,
      `a volume is kept as the jobs before left it, whatever the key${keys.length > 1 ? 's are' : ' is'}`,
    );
  return volumes;
}

function volumeOf(step: ActionStep, path: string, steps: readonly ActionStep['node'][]): readonly string[] {
  const isOutside = /^[/~]/.test(path) && !/^\/work(?:\/|$)/.test(path);
  if (path.startsWith('!') || (isOutside && /[*?[\]]/.test(path))) {
    refuse(step, 'with.path', `must be plain folders, and ${shown(path)} is a pattern. Name the folder itself.`);
    return [];
  }
  if (path.includes('${{')) {
    refuse(step, 'with.path', `cannot hold an expression: ${shown(path)}. Write the folder itself.`);
    return [];
  }
  if (!isOutside) {
    const inside = path.replace(/^\/work\/?/, '');
    refuse(
      step,
      'with.path',
      `names ${shown(path)} in the workspace, which no volume can hold. ${layerFor(step, inside, steps)}`,
    );
    return [];
  }
  const full = path.replace(/^~(?=\/|$)/, HOME);
  const fault =
    full === HOME || full === `${HOME}/` ? 'must name a folder of the home, such as ~/.npm' : volumePathFault(full);
  if (fault === undefined) return [normalVolumePath(full)];
  refuse(step, 'with.path', /[.!?]$/.test(fault) ? fault : `${fault}.`);
  return [];
}

/** The cache of the file that makes such a folder once per lockfile, as far as the steps around tell. */
function layerFor(step: ActionStep, path: string, steps: readonly ActionStep['node'][]): string {
  const key = /hashFiles\(\s*'(?:\*\*\/)?([\w./-]+)'\s*\)/.exec(inputOf(step, 'key') ?? '')?.[1];
  const id = step.node.entries.get('id')?.node.value;
  // Enough for any honest job: this is only for the words of the message.
  const gated = steps.slice(0, 50).find((one) => {
    const condition = one.entries.get('if')?.node;
    const text = condition === undefined ? '' : writtenIn(condition);
    return typeof id === 'string' && text.length < 500 && text.includes(`steps.${id}.`);
  });
  const run = gated?.entries.get('run')?.node.value;
  const install = typeof run === 'string' && run.length <= 100 && !run.trim().includes('\n') ? run.trim() : 'COMMAND';
  const clean = /^[\w./@-]{1,100}$/.test(path) ? path : 'FOLDER';
  const name =
    clean
      .split('/')
      .at(-1)
      ?.replace(/[^\w-]/g, '') ?? '';
  const layer = `{ key: ${key ?? 'LOCKFILE'}, paths: ${clean}, install: ${JSON.stringify(install)} }`;
  return `Write "cache: { ${name === '' ? 'NAME' : name}: ${layer} }" at the top of the file and "cache: ${name === '' ? 'NAME' : name}" at the job: then it is made once per content of the lockfile. Remove this step and the one that installs.`;
}

/** Restoring alone, or saving alone, is not what a volume does; both of one path are. */
export function pairedVolumes(halves: readonly CacheHalf[], steps: readonly ActionStep['node'][]): readonly string[] {
  const pathsOf = (wanted: CacheHalf['half']): ReadonlySet<string | undefined> =>
    new Set(halves.filter(({ half }) => half === wanted).map(({ step }) => inputOf(step, 'path')));
  const others = { restore: pathsOf('save'), save: pathsOf('restore') };
  return halves.flatMap(({ step, half }) => {
    if (others[half].has(inputOf(step, 'path'))) return volumesOf(step, steps);
    const why = half === 'restore' ? 'jobs write to a volume as well' : 'a job also finds what is kept in a volume';
    refuse(step, 'uses', `cannot be had alone: ${why}. Write actions/cache when that is fine, or leave it out.`);
    return [];
  });
}

export interface CacheHalf {
  readonly step: ActionStep;
  readonly half: 'restore' | 'save';
}

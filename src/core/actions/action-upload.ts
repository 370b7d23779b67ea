/** `actions/upload-artifact`: an artifact of the job, taken when it has ended. */
import {
  anything,
  checkInputs,
  conditionIn,
  inputOf,
  isTolerant,
  pathsIn,
  refuse,
  whenOf,
  withoutExpression,
  type ActionStep,
} from './action-step.ts';
import { artifacts, artifactsOf, type ArtifactSpec } from '../pipeline/artifact-schema.ts';
import { topOf } from './artifact-top.ts';
import { shown } from '../shown.ts';

export interface Upload {
  readonly spec: ArtifactSpec;
  /** As on GitHub, from the top. */
  readonly paths: readonly string[];
}

const DEFAULT_NAME = 'artifact';

const trueOrFalse = withoutExpression((value) =>
  value === 'true' || value === 'false' ? undefined : 'must be true or false.',
);

const uploadRules = {
  name: withoutExpression(anything),
  path: anything,
  'if-no-files-found': withoutExpression((value) =>
    /^(?:warn|ignore|error)$/.test(value) ? undefined : 'must be warn, ignore or error.',
  ),
  'retention-days': withoutExpression((value) =>
    /^(?:0|[1-9]\d{0,2})$/.test(value) ? undefined : 'must be a number of days, at most 999.',
  ),
  // How it is packed, and what it takes the place of: an artifact belongs to one attempt of one job.
  'compression-level': anything,
  overwrite: anything,
  'include-hidden-files': trueOrFalse,
};

/** What the step keeps; undefined where it is wrong, which has been reported then. */
export function uploadOf(step: ActionStep): Upload | undefined {
  const faults: string[] = [];
  const strict: ActionStep = {
    ...step,
    report: (code, message, position) => {
      faults.push(message);
      step.report(code, message, position);
    },
  };
  checkInputs(strict, uploadRules);
  const when = whenOf(conditionIn(step));
  if (when === undefined)
    refuse(
      strict,
      'if',
      'must be success(), failure() or always() for an artifact. Choose one, or make the file in a step with this if.',
    );
  const isTolerated = isTolerant(strict);
  const { paths, patterns } = patternsIn(strict);
  const days = inputOf(step, 'retention-days') ?? '0';
  const isOptional = isTolerated || inputOf(step, 'if-no-files-found') !== 'error';
  const input = {
    [inputOf(step, 'name') ?? DEFAULT_NAME]: {
      paths: [...patterns, ...(inputOf(step, 'include-hidden-files') === 'true' ? [] : hiddenFiles(strict, paths))],
      when: when ?? 'success',
      optional: isOptional,
      ...(days === '0' ? {} : { 'expire-in': `${days}d` }),
    },
  };
  if (faults.length > 0) return undefined;
  const checked = artifacts.safeParse(input);
  if (!checked.success) {
    for (const issue of checked.error.issues)
      refuse(strict, issue.code === 'invalid_key' ? 'with.name' : 'with.path', faultOf(issue));
    return undefined;
  }
  const [spec] = artifactsOf(checked.data);
  return spec === undefined ? undefined : { spec: { ...spec, isAsked: true }, paths };
}

/** The first sentence that tells something. */
function faultOf(issue: object): string {
  if ('issues' in issue && Array.isArray(issue.issues) && issue.issues.length > 0) return sentence(issue.issues[0]);
  if ('errors' in issue && Array.isArray(issue.errors)) {
    const telling = (issue.errors as readonly (readonly object[])[]).findLast((errors) => errors.length > 0)?.[0];
    if (telling !== undefined) return faultOf(telling);
  }
  return sentence(issue);
}

function sentence(issue: unknown): string {
  const text = typeof issue === 'object' && issue !== null && 'message' in issue ? String(issue.message) : 'is wrong';
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Lines of `path`: as on GitHub, and as patterns of an artifact that mean the same. */
function patternsIn(step: ActionStep): { readonly paths: readonly string[]; readonly patterns: readonly string[] } {
  const paths = pathsIn(step);
  if (paths.length > 0 && paths.every((path) => path.startsWith('!')))
    refuse(step, 'with.path', 'only excludes, so nothing matches. Put a path first.');
  for (const path of paths) {
    const plain = path.replace(/^!/, '');
    if (path.includes('${{'))
      refuse(step, 'with.path', `cannot hold an expression: ${shown(path)}. Write a pattern such as "dist/*".`);
    else if (/^[/~]/.test(plain))
      refuse(
        step,
        'with.path',
        `must lie in the workspace, and ${shown(plain)} does not. Copy the files there in a step.`,
      );
    else if (/[?[\]\\]/.test(plain))
      refuse(
        step,
        'with.path',
        `means something else in ${shown(plain)} than on GitHub. Use only * and **, or write it as "artifacts" of the job.`,
      );
  }
  return { paths, patterns: paths.map(patternOf) };
}

/** `+` is a plain character there, and `**` inside of a name no more than `*`. */
function patternOf(path: string): string {
  return path
    .replaceAll('+', '\\+')
    .split('/')
    .map((part) => (part === '**' || part === '!**' ? part : part.replace(/\*{2,}/g, '*')))
    .join('/');
}

/** What the action leaves out unless told otherwise: below each of its paths all that begins with a dot. */
function hiddenFiles(step: ActionStep, paths: readonly string[]): readonly string[] {
  const roots = new Set(paths.filter((path) => !path.startsWith('!')).map((path) => topOf([path]).folder));
  return [...roots].flatMap((root) => {
    const hidden = root !== '.' && (root.split('/').at(-1) ?? '').startsWith('.');
    if (hidden)
      refuse(
        step,
        'with.path',
        `leaves ${shown(root)} out, because its name begins with a dot. Add "include-hidden-files: true".`,
      );
    const below = root === '.' ? '' : `${patternOf(root)}/`;
    return [`!${below}**/.*`, `!${below}**/.*/**`];
  });
}

/** `artifacts` of a job in a pipeline file. */
import { z } from 'zod';
import { checked, durationMs, longDuration, line, safeName } from './schema-values.ts';

export interface ArtifactSpec {
  /** Unique in its job. */
  readonly name: string;
  /** Patterns as in `paths`, from the top of the workspace; a folder that matches counts with all in it. */
  readonly paths: readonly string[];
  /** After which outcome of the job it is kept. */
  readonly when: 'success' | 'failure' | 'always';
  readonly expireMs: number;
  /** Nothing may match. */
  readonly isOptional: boolean;
  /** Its `.xml` files are JUnit reports. */
  readonly isJunit: boolean;
  /** Made by actions/upload-artifact: only jobs that download it get it, as on GitHub. */
  readonly isAsked?: true;
}

const pattern = line.check(
  checked((text) => {
    const path = text.replace(/^!/, '');
    if (path.startsWith('/')) return 'must be relative to the top of the repository. Remove the slash in front';
    if (path.split('/').includes('..')) return 'must stay inside of the workspace. Remove the ".."';
    return /^(?:\.\/)*\.git(?:\/|$)/.test(path) ? 'must not be .git. Name other files' : undefined;
  }),
);
const list = z.array(pattern).min(1, { error: 'must not be an empty list' });
const patterns = z.union([pattern, list], { error: 'must be a pattern or a list of them' });

const mapping = z.strictObject({
  paths: patterns.describe('Files and folders, patterns as in the filters of `on`; `!` excludes.'),
  when: z
    .enum(['success', 'failure', 'always'], { error: 'must be success, failure or always' })
    .optional()
    .describe('After which outcome of the job it is kept. Default `success`.'),
  'expire-in': longDuration
    .optional()
    .describe('Removed so long after the job, such as `12h` or `90d`. Default `30d`.'),
  optional: z
    .boolean({ error: 'must be true or false' })
    .optional()
    .describe('The job is good also when nothing matches. Default false.'),
  junit: z
    .boolean({ error: 'must be true or false' })
    .optional()
    .describe('Its `.xml` files are JUnit reports: their tests are listed with the run. Default false.'),
});

export const artifactKeys = Object.keys(mapping.shape);

export const artifacts = z.record(
  safeName,
  z.union([pattern, list, mapping], { error: 'must be a pattern, a list of them, or a mapping with paths' }),
  { error: 'must be a mapping from names to paths' },
);

const DEFAULT_EXPIRE_MS = 30 * 86_400_000;

export function artifactsOf(input: z.output<typeof artifacts> | undefined): readonly ArtifactSpec[] {
  return Object.entries(input ?? {}).map(([name, given]) => {
    const { paths, ...rest } = typeof given === 'string' || Array.isArray(given) ? { paths: given } : given;
    return {
      name,
      paths: (typeof paths === 'string' ? [paths] : paths).map(normal),
      when: ('when' in rest ? rest.when : undefined) ?? 'success',
      expireMs:
        'expire-in' in rest && rest['expire-in'] !== undefined ? durationMs(rest['expire-in']) : DEFAULT_EXPIRE_MS,
      isOptional: ('optional' in rest ? rest.optional : undefined) ?? false,
      isJunit: ('junit' in rest ? rest.junit : undefined) ?? false,
    };
  });
}

/** `./dist/` is `dist`. */
function normal(pattern: string): string {
  const [, not = '', path = ''] = /^(!?)(?:\.\/)*(.*?)\/*$/s.exec(pattern) ?? [];
  return `${not}${path === '.' || path === '' ? '**' : path}`;
}

/**
 * The shape of a pipeline file, version 1: keys, types and the rules that concern one value alone. What ties values
 * together (needs, phases, caches) is checked in pipeline-file.ts. Every error text goes on after the name of the key:
 * "jobs.build.run" + " must be …". Descriptions become the table in docs/pipeline-file.md and docs/pipeline.schema.json.
 */
import { z } from 'zod';
import { insidePathFault, volumePathFault } from './pipeline-paths.ts';
import { parseSize } from './size.ts';

export const NAME_RULE = 'letters, digits, "_", "-" and "."; at most 100; the first a letter, a digit or "_"';
const MAX_TIMEOUT_MINUTES = 1440;
const MAX_LINE = 200;

/** Names of jobs, caches and phases: they become status contexts, URLs and labels. */
const safeName = z
  .string({ error: 'must be text' })
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/, { error: `must be made of ${NAME_RULE}. Rename it` })
  .meta({ id: 'name' });

const line = z
  .string({ error: 'must be text' })
  .regex(new RegExp(`^(?=.*\\S)[^\\u0000-\\u001f\\u007f-\\u009f]{1,${MAX_LINE}}$`), {
    error: `must be one line of 1 to ${MAX_LINE} characters`,
  });

const script = z
  .string({ error: 'must be text: the commands to run' })
  .check(checked((text) => (text.trim() === '' ? 'must not be empty. Write the commands to run' : textFault(text))));

const pathInside = z.string({ error: 'must be a path' }).check(checked((path) => insidePathFault(path, 'never-top')));
const folderInside = z
  .string({ error: 'must be a path' })
  .check(checked((path) => insidePathFault(path, 'top-allowed')));

const names = listOrOne(safeName, 'must be a job name or a list of job names');
const paths = listOrOne(pathInside, 'must be a path or a list of paths', 1);
const branches = listOrOne(line, 'must be a branch pattern or a list of them', 1);

const env = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'is not a name for a variable. Use letters, digits and "_"' }),
    z
      .union([z.string(), z.number(), z.boolean(), z.null()], {
        error: 'must be text, a number or a boolean. Put quotes around it',
      })
      .check(checked((value) => (typeof value === 'string' ? textFault(value) : undefined))),
    { error: 'must be a mapping from variable names to values' },
  )
  .meta({ id: 'env' });

const size = (least: string, most: string) =>
  z.union([z.string(), z.number()], { error: 'must be a size such as 2g or 512m' }).check(
    checked((value) => {
      const bytes = parseSize(value);
      if (bytes === undefined) return 'must be a size such as 2g or 512m';
      return bytes < (parseSize(least) ?? 0) || bytes > (parseSize(most) ?? 0)
        ? `must lie between ${least} and ${most}. Give the unit, as in 2g or 512m`
        : undefined;
    }),
  );

const branchFilter = z
  .strictObject(
    {
      branches: branches
        .optional()
        .describe(
          'Patterns as on GitHub: `*`, `**`, `?`, `+`, `[]`, `!not`; the last that matches wins. Absent = all.',
        ),
    },
    { error: 'must be a mapping with the key branches, or nothing' },
  )
  .nullable();

export const eventNames = ['push', 'pull_request'] as const;
const eventName = z.enum(eventNames, {
  error: 'must be push or pull_request: this version does not know other events yet',
});

const on = z.union(
  [
    eventName,
    z.array(eventName).min(1, { error: 'must name at least one event: push or pull_request' }),
    z.strictObject({
      push: branchFilter.optional().describe('Branches and tags; with `branches` only the branches that match.'),
      pull_request: branchFilter.optional().describe('Pull requests; `branches` is matched against the base branch.'),
    }),
  ],
  { error: 'must be an event, a list of events or a mapping of events (push, pull_request)' },
);

const sidecar = z.strictObject(
  {
    image: z
      .string({ error: 'must be the name of an image' })
      .regex(/^[a-z0-9][A-Za-z0-9._:@/-]{0,254}$/, { error: 'must be the name of an image, such as node:24-bookworm' })
      .optional()
      .describe('Image that the warm slots are made from. Default `debian:bookworm-slim`.'),
    build: z
      .strictObject(
        {
          context: folderInside.optional().describe('Build context, from the top of the repository. Default: the top.'),
          file: pathInside
            .optional()
            .describe('Dockerfile, from the top of the repository. Default: `Dockerfile` in the context.'),
        },
        { error: 'must be a mapping with context and file' },
      )
      .optional()
      .describe('Build the image from the repository instead.'),
    'shm-size': size('1m', '64g').optional().describe('Size of /dev/shm. Default `2g`.'),
    memory: size('16m', '4096g').optional().describe('Memory limit of a slot. Default: none.'),
  },
  { error: 'must be a mapping with image or build' },
);

const cache = z.strictObject(
  {
    key: paths.optional().describe('Layer: plain file names (lockfiles); a change of one of them makes a new layer.'),
    paths: paths.optional().describe('Layer: folders or files that `install` makes, from the top of the repository.'),
    install: script.optional().describe('Layer: the command that fills `paths`, run once per key.'),
    volume: z
      .string({ error: 'must be a path' })
      .check(checked(volumePathFault))
      .optional()
      .describe('Volume: absolute path of a folder that is kept between runs and that jobs write to.'),
  },
  { error: 'must be a mapping: key, paths and install for a layer, or volume' },
);

const step = z.strictObject(
  {
    name: line.optional().describe('What people see. Default: the first line of `run`.'),
    run: script.describe('Commands, run by the shell; the first that fails ends the job.'),
    env: env.optional().describe('Variables of this step.'),
    'working-directory': folderInside.optional().describe('Folder from the top of the repository. Default: the top.'),
  },
  { error: 'must be a mapping with run' },
);

const job = z.strictObject(
  {
    name: line.optional().describe('What people see. Default: the key.'),
    needs: names
      .optional()
      .describe('Jobs that must succeed first. With `needs` (also `[]`) phases do not count for this job.'),
    phase: safeName.optional().describe('One of `phases`. Default: the first of them.'),
    run: script.optional().describe('Commands of a job with one step. Either `run` or `steps`.'),
    steps: z
      .array(step, { error: 'must be a list of steps' })
      .min(1, { error: 'must hold at least one step' })
      .optional()
      .describe('Steps, run one after the other in the same workspace.'),
    env: env.optional().describe('Variables of all steps of the job.'),
    'timeout-minutes': z
      .number({ error: 'must be a number of minutes' })
      .gt(0, { error: `must be above 0 and at most ${MAX_TIMEOUT_MINUTES} minutes` })
      .max(MAX_TIMEOUT_MINUTES, { error: `must be above 0 and at most ${MAX_TIMEOUT_MINUTES} minutes` })
      .optional()
      .describe('The job is stopped and fails after so long; at most 1440. Default 30.'),
    'continue-on-error': z
      .boolean({ error: 'must be true or false' })
      .optional()
      .describe('A failure of this job is noted and tolerated. Default false.'),
    cache: listOrOne(safeName, 'must be a cache name or a list of cache names')
      .optional()
      .describe('Caches of the file that this job uses.'),
  },
  { error: 'must be a mapping with run or steps' },
);

export const pipelineSchema = z.strictObject(
  {
    name: z
      .string({ error: 'must be text' })
      .regex(/^[A-Za-z0-9_](?:[A-Za-z0-9_. -]{0,98}[A-Za-z0-9_.-])?$/, {
        error: `must be made of ${NAME_RULE}; spaces are allowed inside. Rename it`,
      })
      .optional()
      .describe('Name of the pipeline, part of every status context. Default: the file name without its ending.'),
    on: on.optional().describe('When it runs: `push`, `pull_request`, a list of them, or a mapping. Default: both.'),
    env: env.optional().describe('Variables of all jobs.'),
    sidecar: sidecar.optional().describe('The warm image that slots are made from.'),
    phases: z
      .array(safeName, { error: 'must be a list of names' })
      .min(1, { error: 'must hold at least one name' })
      .optional()
      .describe('Groups of jobs in order: a job without `needs` waits for all jobs of earlier phases.'),
    cache: z
      .record(safeName, cache, { error: 'must be a mapping from names to caches' })
      .optional()
      .describe('Caches that jobs may use, by name.'),
    jobs: z.record(safeName, job, { error: 'must be a mapping from names to jobs' }).describe('The jobs, by name.'),
  },
  { error: 'must be a mapping with the key jobs' },
);

export type PipelineInput = z.output<typeof pipelineSchema>;
export type JobInput = z.output<typeof job>;
export type CacheInput = z.output<typeof cache>;

/** Keys of each kind of mapping, and those that a later version brings: they get another sentence than a typing error. */
export const keysOf = {
  top: {
    known: Object.keys(pipelineSchema.shape),
    later: ['defaults', 'vars', 'concurrency', 'include', 'run-name', 'permissions'],
  },
  on: {
    known: [...eventNames],
    later: [
      'schedule',
      'workflow_dispatch',
      'workflow_call',
      'workflow_run',
      'repository_dispatch',
      'merge_group',
      'release',
      'pull_request_target',
    ],
  },
  filter: {
    known: ['branches'],
    later: ['tags', 'tags-ignore', 'branches-ignore', 'paths', 'paths-ignore', 'types', 'checkout'],
  },
  sidecar: { known: Object.keys(sidecar.shape), later: [] },
  build: { known: ['context', 'file'], later: [] },
  cache: { known: Object.keys(cache.shape), later: [] },
  job: {
    known: Object.keys(job.shape),
    later: [
      'if',
      'strategy',
      'matrix',
      'runs-on',
      'platforms',
      'container',
      'services',
      'outputs',
      'secrets',
      'artifacts',
      'inputs',
      'retry',
      'priority',
      'resources',
      'parallel',
      'start-delay',
      'allow-exit-codes',
      'interruptible',
      'concurrency',
      'defaults',
      'permissions',
      'environment',
      'lane',
      'workflow',
      'image',
      'verify',
      'uses',
      'with',
    ],
  },
  step: {
    known: Object.keys(step.shape),
    later: ['id', 'if', 'shell', 'timeout-minutes', 'continue-on-error', 'uses', 'with'],
  },
} as const;

/** `a` or `[a, b]`, as people write needs. */
function listOrOne<T extends z.ZodType>(item: T, message: string, least = 0) {
  return z.union([item, z.array(item).min(least, { error: 'must not be an empty list' })], { error: message });
}

/** Text goes to a process: NUL cannot, and an expression would reach the shell as it stands. */
function textFault(text: string): string | undefined {
  if (text.includes('\0')) return 'must not hold a NUL character. Remove it';
  if (/\$\{\{.*?\}\}/s.test(text))
    return 'holds an expression ${{ … }}: this version does not have them yet. Use a variable such as $GITHUB_SHA';
  return undefined;
}

function checked<T>(fault: (value: T) => string | undefined): z.core.CheckFn<T> {
  return (payload) => {
    const message = fault(payload.value);
    if (message !== undefined) payload.issues.push({ code: 'custom', message, input: payload.value });
  };
}

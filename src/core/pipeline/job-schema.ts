/** The shape of a job in a pipeline file. */
import { z } from 'zod';
import { artifacts } from './artifact-schema.ts';
import { container, services } from './container-schema.ts';
import { image, verify } from './image-schema.ts';
import { jobInputs, lane, workflow } from './lane-schema.ts';
import { secretUses } from './secret-uses.ts';
import { priority, resources } from './resources-schema.ts';
import {
  MAX_PARALLEL,
  concurrency,
  condition,
  duration,
  env,
  folderInside,
  identifier,
  line,
  listOrOne,
  orExpression,
  safeName,
  scalar,
  script,
  shell,
  timeout,
  yesOrNo,
} from './schema-values.ts';

const need = z.union(
  [
    safeName,
    z.strictObject({
      job: safeName.describe('The job.'),
      optional: z
        .boolean({ error: 'must be true or false' })
        .optional()
        .describe('The job may be absent from the file or left out of the run. Default false.'),
      artifact: listOrOne(safeName, 'must be an artifact name or a list of artifact names', 1)
        .optional()
        .describe('Artifacts that a step of that job publishes: they are waited for, and not the end of the job.'),
      artifacts: z
        .boolean({ error: 'must be true or false' })
        .optional()
        .describe('false: its artifacts are not in the workspace. Default true.'),
    }),
  ],
  { error: 'must be a job name, or a mapping with job' },
);
const names = listOrOne(need, 'must be a job name or a list of job names');
export const axisValue = z.unknown();
export const combination = z.record(identifier, axisValue, { error: 'must be a mapping from axes to values' });
export const combinations = orExpression(
  z.array(combination, { error: 'must be a list of combinations' }),
  'must be a list of combinations',
);

export const strategy = z.strictObject(
  {
    matrix: orExpression(
      z
        .object(
          {
            include: combinations
              .optional()
              .describe('Combinations to add, or values to add to combinations, as on GitHub.'),
            exclude: combinations.optional().describe('Combinations to leave out.'),
          },
          { error: 'must be a mapping from axes to lists of values' },
        )
        .catchall(
          orExpression(
            z.array(axisValue, { error: 'must be a list of values' }).min(1, { error: 'must hold at least one value' }),
            'must be a list of values',
          ),
        ),
      'must be a mapping from axes to lists of values',
    ).describe('Axes, by name: the job runs once for each combination of their values, at most 256 times.'),
    'fail-fast': yesOrNo.optional().describe('The others are cancelled when one fails. Default true.'),
    'max-parallel': orExpression(
      z.int({ error: 'must be a whole number' }).min(1, { error: 'must be at least 1' }),
      'must be a whole number',
    )
      .optional()
      .describe('Most that run at the same time. Default: as many as there are slots.'),
  },
  { error: 'must be a mapping with matrix' },
);

export const defaultsRun = z.strictObject(
  {
    shell: shell.optional().describe('Shell of steps that name none.'),
    'working-directory': folderInside.optional().describe('Folder of steps that name none.'),
  },
  { error: 'must be a mapping with shell and working-directory' },
);
export const defaults = z
  .strictObject(
    { run: defaultsRun.optional().describe('For all steps with `run`.') },
    { error: 'must be a mapping with run' },
  )
  .meta({ id: 'defaults' });

const platform = z.enum(['linux/amd64', 'linux/arm64', 'amd64', 'arm64'], {
  error: 'must be linux/amd64 or linux/arm64',
});

const attempts = z
  .int({ error: 'must be a whole number' })
  .min(0, { error: 'must lie between 0 and 10' })
  .max(10, { error: 'must lie between 0 and 10' });

const cause = z
  .string({ error: 'must be infra, timeout, oom, exit or exit:CODE' })
  .regex(/^(?:infra|timeout|oom|exit|exit:(?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-5]))$/, {
    error: 'must be infra, timeout, oom, exit or exit:CODE with a code from 1 to 255',
  });

const retry = z.union(
  [
    attempts,
    z.strictObject({
      max: attempts.describe('Attempts after the first, at most 10.'),
      when: listOrOne(cause, 'must be a cause or a list of causes', 1)
        .optional()
        .describe('`infra` (the machine), `timeout`, `oom`, `exit` (any code), `exit:75` (that code). Default: all.'),
    }),
  ],
  { error: 'must be a number of attempts, or a mapping with max and when' },
);

export const step = z.strictObject(
  {
    id: identifier.optional().describe('Name of the step in expressions: `steps.<id>.outputs`.'),
    if: condition.optional().describe('The step runs only when this is true. Default `success()`.'),
    name: line.optional().describe('What people see. Default: the first line of `run`.'),
    run: script
      .optional()
      .describe('Commands, run by the shell; the first that fails ends the job. Either `run` or `uses`.'),
    uses: line
      .optional()
      .describe(
        '`actions/checkout`, `actions/cache`, `actions/upload-artifact` or `actions/download-artifact`, with a version, as on GitHub.',
      ),
    with: z
      .record(z.string(), scalar, { error: 'must be a mapping from inputs to values' })
      .optional()
      .describe('What `uses` is given.'),
    env: env.optional().describe('Variables of this step.'),
    'working-directory': folderInside.optional().describe('Folder from the top of the repository. Default: the top.'),
    shell: shell
      .optional()
      .describe('`bash`, `sh`, `python`, or a command with `{0}` for the script. Default: bash, else sh.'),
    'timeout-minutes': timeout.optional().describe('The step is stopped and fails after so long.'),
    'continue-on-error': yesOrNo.optional().describe('A failure of this step is noted and tolerated. Default false.'),
    publish: listOrOne(safeName, 'must be an artifact name or a list of artifact names', 1)
      .optional()
      .describe(
        'Artifacts of the job that are whole once this step has succeeded: they are kept at once, and jobs that need them start.',
      ),
  },
  { error: 'must be a mapping with run or uses' },
);

export const job = z.strictObject(
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
    'timeout-minutes': timeout
      .optional()
      .describe('The job is stopped and fails after so long; at most 1440. Default 30.'),
    'continue-on-error': yesOrNo.optional().describe('A failure of this job is noted and tolerated. Default false.'),
    cache: listOrOne(safeName, 'must be a cache name or a list of cache names')
      .optional()
      .describe('Caches of the file that this job uses.'),
    if: condition
      .optional()
      .describe('The job runs only when this is true; evaluated once its needs are over. Default `success()`.'),
    strategy: strategy.optional().describe('Runs the job once for each combination of a matrix.'),
    'allow-exit-codes': z
      .array(
        z
          .int({ error: 'must be a whole number' })
          .min(1, { error: 'must lie between 1 and 255' })
          .max(255, { error: 'must lie between 1 and 255' }),
        {
          error: 'must be a list of exit codes',
        },
      )
      .min(1, { error: 'must hold at least one exit code' })
      .optional()
      .describe('Exit codes that are no failure of a step; the log and the verdict say when one came.'),
    interruptible: z
      .boolean({ error: 'must be true or false' })
      .optional()
      .describe('false: once this job has started, a newer head does not end the run. Default true.'),
    'start-delay': duration
      .optional()
      .describe('The job starts so long after it could, such as `90s`, `10m` or `1h`; at most `24h`.'),
    concurrency: concurrency
      .optional()
      .describe(
        'Jobs of one group run one at a time, over all runs of the repository and trust class; of those that wait only the newest stays.',
      ),
    retry: retry
      .optional()
      .describe(
        'More attempts after a failure: a number, or `max` and `when`. Default: one, for faults of the machine before anything ran.',
      ),
    priority: priority
      .optional()
      .describe(
        'From -100 to 100: of jobs whose remaining paths are about equally long the higher one starts first. Default 0.',
      ),
    'runs-on': listOrOne(line, 'must be a label or a list of labels', 1)
      .optional()
      .describe(
        'Labels that the worker must have, all of them: `self-hosted`, `linux`, `x64` or `arm64`, and those of `HEARTH_LABELS`.',
      ),
    platforms: listOrOne(platform, 'must be a platform or a list of platforms', 1)
      .optional()
      .describe(
        'The job runs once on each of these, on workers of that kind: `linux/amd64`, `linux/arm64`. With `image`: the image is built for each of them, by one job.',
      ),
    resources: resources.optional().describe('What the job needs of the machine, and its limits.'),
    parallel: z
      .int({ error: 'must be a whole number' })
      .min(1, { error: `must lie between 1 and ${MAX_PARALLEL}` })
      .max(MAX_PARALLEL, { error: `must lie between 1 and ${MAX_PARALLEL}` })
      .optional()
      .describe('Runs the job so many times; `$CI_NODE_INDEX` (from 1) and `$CI_NODE_TOTAL` tell the parts apart.'),
    permissions: z.unknown().optional().describe('Taken from GitHub Actions, without effect here.'),
    secrets: secretUses.optional().describe('Secrets that the job gets, each as a variable or as a file.'),
    artifacts: artifacts
      .optional()
      .describe('What is kept of the workspace, by name: for the jobs that wait for this one, and for download.'),
    inputs: jobInputs
      .optional()
      .describe(
        'All files that the result depends on, as patterns. With the same files, image, layers and commands an earlier success is taken over instead of running the job again. With `lane: github` a mapping: inputs of the workflow.',
      ),
    lane: lane
      .optional()
      .describe(
        '`github`: the job runs as a workflow there, in the place of `run` and `steps`. Default: it runs here.',
      ),
    workflow: workflow.optional().describe('File in `.github/workflows` that a job with `lane: github` runs as.'),
    outputs: z
      .record(identifier, scalar, { error: 'must be a mapping from names to values' })
      .optional()
      .describe('What jobs that need this one get as `needs.<job>.outputs`.'),
    image: image.optional().describe('Builds an image from the workspace, in the place of `run` and `steps`.'),
    verify: verify.optional().describe('What must be true of the image before it counts as built.'),
    container: container.optional().describe('The image this job runs in, instead of the sidecar.'),
    services: services
      .optional()
      .describe('Containers beside the job, by name; steps reach them at `<service>:<port>`.'),
    defaults: defaults.optional().describe('What steps of this job take when they say nothing else.'),
  },
  { error: 'must be a mapping with run, steps, image or lane' },
);

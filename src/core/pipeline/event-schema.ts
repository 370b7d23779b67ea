/** The shape of `on` in a pipeline file: the events it runs for. Error texts go on after the name of the key. */
import { z } from 'zod';
import { cronFault, timezoneFault } from '../cron.ts';
import { inputTypes, MAX_INPUTS } from '../dispatch.ts';
import { checked, identifier, line, listOrOne, patterns, scalar } from './schema-values.ts';
import { headTypes, otherTypes } from './pull-request-types.ts';

const PATTERNS = 'Patterns as on GitHub: `*`, `**`, `?`, `+`, `[]`, `!not`; the last that matches wins.';
const branchKeys = {
  branches: patterns.optional().describe(`${PATTERNS} Absent = all.`),
  'branches-ignore': patterns.optional().describe('Branches that are left out, instead of `branches`.'),
};
const pathKeys = {
  paths: patterns.optional().describe('Runs only when a changed file matches. Its jobs are "skipped" otherwise.'),
  'paths-ignore': patterns.optional().describe('Runs only when a changed file does not match, instead of `paths`.'),
};
const tagKeys = {
  tags: patterns.optional().describe('Tags; with this alone no branch counts.'),
  'tags-ignore': patterns.optional().describe('Tags that are left out, instead of `tags`.'),
};

const pushFilter = z
  .strictObject(
    { ...branchKeys, ...tagKeys, ...pathKeys },
    { error: 'must be a mapping with branches, tags or paths, or nothing' },
  )
  .nullable();
const TYPES_OF_PULL_REQUEST = [...headTypes, ...otherTypes];
const pullRequestType = z.enum(TYPES_OF_PULL_REQUEST, {
  error: ({ input }) =>
    input === 'closed'
      ? 'cannot be closed: closing a pull request ends its runs. What was merged is a push to the base branch'
      : `must be one of ${TYPES_OF_PULL_REQUEST.join(', ')}`,
});
const pullRequestKeys = {
  ...branchKeys,
  ...pathKeys,
  types: listOrOne(pullRequestType, 'must be a type or a list of them', 1)
    .optional()
    .describe('What happens to it. Default: `opened`, `synchronize` and `reopened`.'),
  checkout: z
    .enum(['head', 'merge'], { error: 'must be head or merge' })
    .optional()
    .describe('`merge`: jobs get the head merged into the newest base, `head`: just the head. Default `head`.'),
};

const pullRequestFilter = z
  .strictObject(pullRequestKeys, { error: 'must be a mapping with branches, paths, types or checkout, or nothing' })
  .nullable();
const mergeGroupFilter = z
  .strictObject({ ...branchKeys }, { error: 'must be a mapping with branches, or nothing' })
  .nullable();

const TYPES = 'string, boolean, number or choice';
const dispatchInput = z
  .strictObject(
    {
      description: z
        .string({ error: 'must be text' })
        .max(1000, { error: 'must be at most 1000 characters long' })
        .optional()
        .describe('For people.'),
      required: z
        .boolean({ error: 'must be true or false' })
        .optional()
        .describe('Nothing runs without a value. Default false.'),
      default: scalar.optional().describe('Its value when none is given. Default: empty, of a boolean false.'),
      type: z
        .enum(inputTypes, {
          error: ({ input }) =>
            input === 'environment'
              ? `cannot be environment: Hearth has none. Use choice and list their names in "options"`
              : `must be ${TYPES}`,
        })
        .optional()
        .describe('What it takes. Default `string`.'),
      options: z
        .array(line, { error: 'must be a list of texts' })
        .min(1, { error: 'must hold at least one text' })
        .max(100, { error: 'must hold at most 100 texts' })
        .optional()
        .describe('The values of a choice.'),
    },
    { error: 'must be a mapping with description, required, default, type and options, or nothing' },
  )
  .nullable();

const dispatch = z
  .strictObject(
    {
      inputs: z
        .record(identifier, dispatchInput, { error: 'must be a mapping from names to inputs' })
        .check(
          checked((inputs) =>
            Object.keys(inputs).length > MAX_INPUTS
              ? `must hold at most ${MAX_INPUTS} inputs, as on GitHub`
              : undefined,
          ),
        )
        .optional()
        .describe('What may be given to the run, as `inputs.<name>` in expressions.'),
    },
    { error: 'must be a mapping with inputs, or nothing' },
  )
  .nullable();

const MAX_TIMES = 20;
const schedule = z
  .array(
    z.strictObject(
      {
        cron: z
          .string({ error: 'must be text of five fields, such as "30 2 * * *"' })
          .check(checked(cronFault))
          .describe('Minute, hour, day of the month, month, day of the week; as on GitHub, but down to every minute.'),
        timezone: z
          .string({ error: 'must be the name of a time zone, such as Europe/Berlin' })
          .check(checked(timezoneFault))
          .optional()
          .describe('Where the clock hangs, such as `Europe/Berlin`. Default `UTC`.'),
      },
      { error: 'must be a mapping with cron and timezone' },
    ),
    { error: 'must be a list of times, each with cron' },
  )
  .min(1, { error: 'must hold at least one time' })
  .max(MAX_TIMES, { error: `must hold at most ${MAX_TIMES} times. Split the pipeline` });

const plainEvents = ['push', 'pull_request', 'merge_group', 'workflow_dispatch'] as const;
const EVENTS = 'push, pull_request, merge_group or workflow_dispatch';
const eventName = z.enum(plainEvents, {
  error: ({ input }) =>
    input === 'schedule'
      ? 'must say when: write "on: {schedule: [{cron: \'30 2 * * *\'}]}"'
      : `must be ${EVENTS}: this version does not know other events yet. Remove it`,
});

export const on = z.union(
  [
    eventName,
    z.array(eventName).min(1, { error: `must name at least one event: ${EVENTS}` }),
    z.strictObject({
      push: pushFilter.optional().describe('Branches and tags; with a filter only what matches.'),
      pull_request: pullRequestFilter
        .optional()
        .describe('Pull requests; `branches` is matched against the base branch.'),
      merge_group: mergeGroupFilter.optional().describe('Merge queues; `branches` is matched against the base branch.'),
      workflow_dispatch: dispatch.optional().describe('By hand, with `hearth trigger` or `POST /api/v1/runs`.'),
      schedule: schedule.optional().describe('At these times, on the newest commit of the default branch.'),
    }),
  ],
  { error: `must be an event, a list of events or a mapping of events (${EVENTS}, or schedule)` },
);

/** See `keysOf`. */
export const eventKeys = {
  on: {
    known: [...plainEvents, 'schedule'],
    later: ['workflow_call', 'workflow_run', 'repository_dispatch', 'release', 'pull_request_target'],
  },
  push: { known: Object.keys({ ...branchKeys, ...tagKeys, ...pathKeys }), later: [] },
  pull_request: { known: Object.keys(pullRequestKeys), later: [] },
  merge_group: { known: Object.keys(branchKeys), later: ['types'] },
  workflow_dispatch: { known: ['inputs'], later: [] },
  input: { known: ['description', 'required', 'default', 'type', 'options'], later: ['deprecationMessage'] },
  schedule: { known: ['cron', 'timezone'], later: [] },
} as const;

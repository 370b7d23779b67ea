/** `on` of a checked file → the events a pipeline wants, with defaults filled in. */
import { DEFAULT_TIMEZONE, type CronEntry } from '../cron.ts';
import type { DispatchInput, DispatchInputs } from '../dispatch.ts';
import type { EventFilter, Triggers } from './pipeline.ts';
import { nodeAt } from './pipeline-issues.ts';
import type { PipelineInput } from './pipeline-schema.ts';
import { listOf } from './schema-values.ts';
import { writtenIn, type YamlNode } from './yaml-tree.ts';

type OnInput = NonNullable<PipelineInput['on']>;
type OnMapping = Exclude<OnInput, string | readonly unknown[]>;

export function triggersOf(on: PipelineInput['on'], root: YamlNode): Triggers {
  if (on === undefined) return { push: {}, pull_request: {} };
  if (typeof on === 'string' || isList(on))
    return Object.fromEntries(listOf(on).map((event) => [event, event === 'workflow_dispatch' ? { inputs: {} } : {}]));
  const { workflow_dispatch: dispatch, schedule, ...filters } = on;
  return {
    ...Object.fromEntries(Object.entries(filters).map(([event, filter]) => [event, filterOf(filter ?? {})])),
    ...(dispatch === undefined ? {} : { workflow_dispatch: { inputs: inputsOf(dispatch, root) } }),
    ...(schedule === undefined ? {} : { schedule: schedule.map(timeOf) }),
  };
}

const filterKeys = {
  branches: 'branches',
  'branches-ignore': 'branchesIgnore',
  tags: 'tags',
  'tags-ignore': 'tagsIgnore',
  paths: 'paths',
  'paths-ignore': 'pathsIgnore',
  types: 'types',
} as const;

function filterOf(input: Readonly<Record<string, string | readonly string[] | undefined>>): EventFilter {
  const lists = Object.entries(filterKeys).flatMap(([key, name]) => {
    const patterns = input[key];
    return patterns === undefined ? [] : [[name, listOf(patterns)] as const];
  });
  return { ...Object.fromEntries(lists), ...(input['checkout'] === 'merge' ? { checkout: 'merge' } : {}) };
}

function inputsOf(dispatch: OnMapping['workflow_dispatch'], root: YamlNode): DispatchInputs {
  return Object.fromEntries(
    Object.entries(dispatch?.inputs ?? {}).map(([name, given]): [string, DispatchInput] => {
      const input = given ?? {};
      const value = nodeAt(root, ['on', 'workflow_dispatch', 'inputs', name, 'default']);
      return [
        name,
        {
          description: input.description ?? null,
          required: input.required ?? false,
          type: input.type ?? 'string',
          default: value === undefined || value.value === null ? null : writtenIn(value),
          options: input.options ?? [],
        },
      ];
    }),
  );
}

function timeOf({ cron, timezone = DEFAULT_TIMEZONE }: NonNullable<OnMapping['schedule']>[number]): CronEntry {
  return { cron: cron.trim(), timezone };
}

function isList(on: OnInput): on is Exclude<OnInput, string | OnMapping> {
  return Array.isArray(on);
}

/** Values of a job as the schema let them through → what they mean, where that takes no look at the text. */
import type { ConcurrencyTemplate, Strategy } from './pipeline.ts';
import type { JobInput } from './pipeline-schema.ts';
import type { Retry } from '../schedule/retry.ts';
import { listOf } from './schema-values.ts';

export function concurrencyOf(input: JobInput['concurrency']): ConcurrencyTemplate | null {
  if (input === undefined) return null;
  if (typeof input === 'string') return { group: input, cancelInProgress: false };
  return { group: input.group, cancelInProgress: input['cancel-in-progress'] ?? false };
}

const ALL_CAUSES: Retry['when'] = ['infra', 'timeout', 'oom', 'exit'];

export function retryOf(input: JobInput['retry']): Retry | null {
  if (input === undefined) return null;
  if (typeof input === 'number') return { max: input, when: ALL_CAUSES };
  // The schema has let through only causes.
  return { max: input.max, when: input.when === undefined ? ALL_CAUSES : (listOf(input.when) as Retry['when']) };
}

export function strategyOf(input: NonNullable<JobInput['strategy']>): Strategy {
  const { matrix } = input;
  const limits = { failFast: input['fail-fast'] ?? true, maxParallel: input['max-parallel'] ?? null };
  if (typeof matrix === 'string') return { matrix, ...limits };
  const { include = [], exclude = [], ...axes } = matrix;
  // The data is what YAML gave, so every value in it is one.
  type Parts = Exclude<Strategy['matrix'], string>;
  return {
    matrix: { axes: axes as Parts['axes'], include: include as Parts['include'], exclude: exclude as Parts['exclude'] },
    ...limits,
  };
}

/** `if: true` is a condition as well. */
export function conditionOf(input: string | boolean | undefined): string | null {
  return input === undefined ? null : String(input);
}

/** Of a job that runs here; a mapping is for a workflow. */
export function patternsOf(input: JobInput['inputs']): { readonly inputs?: readonly string[] } {
  if (typeof input === 'string') return { inputs: [input] };
  return Array.isArray(input) ? { inputs: input } : {};
}

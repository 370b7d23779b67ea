/** `lane` of a job, and the keys that go with it. */
import { z } from 'zod';
import type { LaneSpec } from '../lane/lane-spec.ts';
import { identifier, line, scalar } from './schema-values.ts';

export const lane = z.literal('github', {
  error: 'must be github: the job runs as a workflow there. Without "lane" it runs here',
});

const FOLDER = '.github/workflows/';

export const workflow = z
  .string({ error: 'must be the name of a file in .github/workflows' })
  .regex(/^(?:\.github\/workflows\/)?[\w-][\w.-]{0,200}\.ya?ml$/, {
    error: 'must be the name of a file in .github/workflows, such as build.yml',
  });

/** Patterns of files for a job that runs here, inputs of the workflow for one that does not. */
export const jobInputs = z.union(
  [
    line,
    z.array(line).min(1, { error: 'must not be an empty list' }),
    z.record(identifier, scalar, { error: 'must be a mapping from inputs to values' }),
  ],
  { error: 'must be a pattern or a list of them; with "lane: github" a mapping' },
);

/** `inputs` as they stand in the file. */
export function laneOf(workflowFile: string, inputs: LaneSpec['inputs']): LaneSpec {
  const name = workflowFile.startsWith(FOLDER) ? workflowFile.slice(FOLDER.length) : workflowFile;
  return { kind: 'github', workflow: name, inputs };
}

/** What the parts of the migration of one workflow share. */
import type { YAMLMap } from 'yaml';
import type { Draft } from './draft.ts';
import type { Needs } from './github-needs.ts';

export interface Workflow {
  readonly draft: Draft;
  readonly root: YAMLMap;
  readonly lineOf: (node: unknown) => number | null;
  /** What the jobs turned out to need of the file as a whole: an image, caches. */
  readonly needs: Needs;
}

export interface JobOfWorkflow extends Workflow {
  readonly name: string;
  readonly job: YAMLMap;
}

/** Rules for the steps of a job among each other. Read as in pipeline-rules.ts. */
import { labelOf, nodeAt } from './pipeline-issues.ts';
import type { Position, ProblemCode } from '../problem.ts';
import { shown } from '../shown.ts';
import type { YamlNode } from './yaml-tree.ts';

type Report = (code: ProblemCode, message: string, position: Position) => void;

/** More than anybody reads; aliases can make thousands. */
const MAX_TOLD = 50;

/** Of two steps with one id nobody could tell which one `steps.<id>` means. Names are the same in any case. */
export function checkStepIds(root: YamlNode, report: Report): void {
  let told = 0;
  for (const [job, { node }] of nodeAt(root, ['jobs'])?.entries ?? []) {
    const seen = new Map<string, number>();
    for (const [index, step] of (node.entries.get('steps')?.node.items ?? []).entries()) {
      const id = step.entries.get('id')?.node;
      if (typeof id?.value !== 'string') continue;
      const name = id.value.toLowerCase();
      const first = seen.get(name);
      if (first === undefined) seen.set(name, index);
      else if (told++ < MAX_TOLD)
        report(
          'bad-value',
          `${labelOf(['jobs', job, 'steps', index, 'id'])} is ${shown(id.value)}, which steps[${first}] of the job has already. Rename one of them.`,
          id.position,
        );
    }
  }
}

/** What may happen to a pull request that a pipeline can run for: `on.pull_request.types`. */
import { textAt } from '../event.ts';
import type { Value } from '../expression/expression.ts';

/** Its head is another one than before; these count when a file names none. */
export const headTypes = ['opened', 'synchronize', 'reopened'] as const;
/** Its head stays. What runs for these is beside what runs for the commit, and not instead. */
export const otherTypes = ['ready_for_review', 'converted_to_draft', 'labeled', 'unlabeled', 'edited'] as const;

/** Of an event that does not say, that the head changed. */
export function typeOfEvent(event: Value): string {
  return textAt(event, 'action') ?? 'synchronize';
}

export function leavesHead(type: string): boolean {
  return otherTypes.some((one) => one === type);
}

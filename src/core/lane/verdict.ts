/** What the end of a workflow's run means for the job that it stands for. docs/pipeline-file.md says the same. Pure. */
import { error, type Outcome } from '../outcome.ts';
import type { WorkflowJob, WorkflowRun } from '../workflow.ts';
import { shown } from '../shown.ts';

/** For a run that is completed, at the right commit. Nothing but the word `success` is one. */
export function verdictOf({ conclusion }: Pick<WorkflowRun, 'conclusion'>, jobs: readonly WorkflowJob[]): Outcome {
  switch (conclusion) {
    case 'success':
      return { result: 'success', reason: 'exit', message: 'success on GitHub' };
    case 'failure':
      return { result: 'failure', reason: 'exit', message: `failed on GitHub${blamed(jobs, 'failure')}` };
    case 'timed_out':
      return { result: 'failure', reason: 'timeout', message: `timed out on GitHub${blamed(jobs, 'timed_out')}` };
    case 'cancelled':
      return { result: 'cancelled', reason: 'cancelled_by', message: 'cancelled on GitHub' };
    case 'skipped':
      return { result: 'skipped', reason: 'condition', message: 'on GitHub the conditions of all its jobs were false' };
    case 'startup_failure':
      return error('config', 'GitHub could not start the workflow; its page says what is wrong with the file');
    case 'action_required':
      return error('config', 'GitHub asks somebody to approve the workflow before it runs');
    case 'stale':
      return error('forge', 'GitHub has given the run up as stale');
    case 'neutral':
      return error('forge', 'the run ended as neutral on GitHub, which says neither that it passed nor that it failed');
    default:
      return error('forge', `the run ended on GitHub as ${shown(conclusion ?? 'nothing')}, which Hearth does not know`);
  }
}

function blamed(jobs: readonly WorkflowJob[], conclusion: string): string {
  const names = jobs.filter((job) => job.conclusion === conclusion).map(({ name }) => shown(name));
  const [first, ...more] = names;
  if (first === undefined) return '';
  return `: ${first}${more.length === 0 ? '' : ` and ${more.length} more`}`;
}

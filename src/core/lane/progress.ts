/** The lines of a job's log that tell of a workflow's run. The same state always gives the same line, so none is written twice. Pure. */
import type { WorkflowJob, WorkflowRun } from '../workflow.ts';
import type { DispatchOrder } from './lane-port.ts';

export function orderLines({ workflow, ref, inputs }: DispatchOrder, sha: string): readonly string[] {
  const given = Object.entries(inputs).map(([name, value]) => `  ${name}: ${JSON.stringify(value)}`);
  return [`workflow ${workflow} at ${ref} (${sha.slice(0, 7)})`, ...given];
}

export function progressLines(run: WorkflowRun | null, jobs: readonly WorkflowJob[]): readonly string[] {
  const again = run === null || run.attempt === 1 ? [] : [`attempt ${run.attempt} on GitHub`];
  return [...again, ...jobs.map(jobLine)];
}

export function conclusionLine({ conclusion }: WorkflowRun): string {
  return `conclusion: ${plain(conclusion ?? 'none')}`;
}

function jobLine(job: WorkflowJob): string {
  return `${plain(job.name)}: ${plain(doing(job))}  ${plain(job.url)}`;
}

function doing({ state, conclusion, runner, startedAt, completedAt }: WorkflowJob): string {
  const where = runner === null ? '' : ` on ${runner}`;
  switch (state) {
    case 'waiting':
    case 'queued':
      return 'waits for a runner';
    case 'in_progress':
      return `runs${where}`;
    case 'completed': {
      const ms = startedAt === null || completedAt === null ? null : completedAt.getTime() - startedAt.getTime();
      const took = ms === null || ms < 0 ? '' : ` after ${Math.round(ms / 1000)} s`;
      return `${conclusion ?? 'no conclusion'}${where}${took}`;
    }
  }
}

/** Names come from outside: nothing in them may move a terminal's cursor or begin a line. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
}

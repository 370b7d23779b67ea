/** Asking GitHub what of its workflows is not over: repairs what webhooks did not bring. */
import { RequestError } from '@octokit/request-error';
import { z } from 'zod';
import type { WorkflowWork } from '../core/pool/pool-ports.ts';
import { failed, success } from '../core/result.ts';
import { fullName, type RepoRef } from '../core/run.ts';
import type { WorkflowJob, WorkflowRun } from '../core/workflow.ts';
import type { GithubApi } from './api.ts';
import { nameParts } from './runners.ts';
import { workflowJobFields, workflowJobOf, workflowRunFields, workflowRunOf } from './workflow-payload.ts';

const PER_PAGE = 100;
/** More runs at once than this of one repository are not asked for; their webhooks still count. */
const MOST_PAGES = 3;

const CURES = {
  forbidden: 'Give the credential the right to read Actions: an App or a fine-grained token needs "Actions: read".',
  unprocessable: 'Correct the name of the repository.',
};

export function createWorkflowWork(api: GithubApi): WorkflowWork {
  const { unpaced: octokit } = api;
  const about = (repo: string, signal: AbortSignal | undefined) => ({
    ...{ subject: nameParts(repo), permissions: { actions: 'read' } as const },
    ...{ purpose: 'ask for jobs that wait', cures: CURES, signal },
  });
  return {
    openRuns: (name, signal) =>
      api.call(about(name, signal), async (request) => {
        const { owner, name: repo } = nameParts(name);
        const found: WorkflowRun[] = [];
        // GitHub takes one state at a time; a run in progress may have jobs that wait.
        for (const status of ['queued', 'in_progress'] as const) {
          for (let page = 1; page <= MOST_PAGES; page++) {
            const query = { owner, repo, status, per_page: PER_PAGE, page, ...request };
            const { data } = await octokit.rest.actions.listWorkflowRunsForRepo(query);
            const runs = runPage.safeParse(data);
            if (!runs.success) return strange();
            found.push(...runs.data.workflow_runs.map((run) => workflowRunOf(run, refOf(run.repository))));
            if (runs.data.workflow_runs.length < PER_PAGE) break;
          }
        }
        return success(found);
      }),

    jobsOfRun: (ref, id, signal) =>
      api.call(about(fullName(ref), signal), async (request) => {
        const found: WorkflowJob[] = [];
        for (let page = 1; ; page++) {
          const { data } = await octokit.rest.actions.listJobsForWorkflowRun({
            ...{ owner: ref.owner, repo: ref.name, run_id: id, filter: 'latest', per_page: PER_PAGE, page },
            ...request,
          });
          const jobs = jobPage.safeParse(data);
          if (!jobs.success) return strange();
          found.push(...jobs.data.jobs.map((job) => workflowJobOf(job, ref)));
          if (jobs.data.jobs.length < PER_PAGE) return success(found);
        }
      }),

    workflowJob: (ref, id, signal) =>
      api.call(about(fullName(ref), signal), async (request) => {
        try {
          const query = { owner: ref.owner, repo: ref.name, job_id: id, ...request };
          const job = workflowJobFields.safeParse((await octokit.rest.actions.getJobForWorkflowRun(query)).data);
          return job.success ? success(workflowJobOf(job.data, ref)) : strange();
        } catch (error) {
          if (error instanceof RequestError && error.status === 404) return success(undefined);
          throw error;
        }
      }),
  };
}

const repository = z.object({ id: z.int().positive(), name: z.string(), owner: z.object({ login: z.string() }) });
const runPage = z.object({ workflow_runs: z.array(workflowRunFields.extend({ repository })) });
const jobPage = z.object({ jobs: z.array(workflowJobFields) });

function refOf(found: z.output<typeof repository>): RepoRef {
  return { id: found.id, owner: found.owner.login, name: found.name };
}

function strange() {
  return failed({
    kind: 'retry',
    message: "GitHub's answer tells no workflows; something in between answered for it",
  } as const);
}

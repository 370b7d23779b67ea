/** GitHub's workflows as the WorkflowForge port: begin one, follow it, end it. */
import { RequestError } from '@octokit/request-error';
import { z } from 'zod';
import type { DispatchOrder, Dispatched, DispatchedRuns, WorkflowForge } from '../core/lane/lane-port.ts';
import type { Clock, ForgeTrouble } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { RepoRef } from '../core/run.ts';
import type { WorkflowJob, WorkflowRun } from '../core/workflow.ts';
import type { GithubApi, RequestParts } from './api.ts';
import type { Cures } from './forge-trouble.ts';
import { workflowJobFields, workflowJobOf, workflowRunFields, workflowRunOf } from './workflow-payload.ts';

const PERMISSIONS = { actions: 'write' } as const;
const FORBIDDEN =
  'Give the credential the right to start workflows: "Actions: read and write" of a fine-grained token or an App.';
const ofRuns: Cures = { forbidden: FORBIDDEN, unprocessable: 'Look at the run on GitHub.' };
/** More jobs than a matrix and its neighbours can have. */
const MAX_PAGES = 10;
const PAGE = 100;

/** `apiUrl` as of the API, without a slash at its end. */
export function createWorkflowForge(
  api: GithubApi,
  { apiUrl, clock }: { apiUrl: string; clock: Clock },
): WorkflowForge {
  const { octokit } = api;
  const site = apiUrl === 'https://api.github.com' ? 'https://github.com' : apiUrl.replace(/\/api\/v3$/, '');

  function call<T>(
    { repo, cures = ofRuns, signal }: { readonly repo: RepoRef; readonly cures?: Cures; readonly signal: AbortSignal },
    request: (parts: RequestParts) => Promise<Result<T, ForgeTrouble>>,
  ): Promise<Result<T, ForgeTrouble>> {
    const purpose = 'run jobs with "lane: github"';
    return api.call({ subject: repo, permissions: PERMISSIONS, purpose, cures, signal }, request);
  }

  return {
    pageOf: ({ owner, name }, workflow) => `${site}/${owner}/${name}/actions/workflows/${workflow}`,

    async dispatch(order, signal) {
      const { repo, workflow, ref, inputs } = order;
      let mayHaveBegun = false;
      const sent = await call({ repo, cures: curesOf(order), signal }, async (parts) => {
        try {
          mayHaveBegun = true;
          const response = await octokit.rest.actions.createWorkflowDispatch({
            ...placeOf(repo),
            workflow_id: workflow,
            ref,
            inputs,
            return_run_details: true,
            ...parts,
          });
          return readDispatched(response);
        } catch (error) {
          mayHaveBegun = !isRefusal(error);
          throw error;
        }
      });
      return sent.ok ? sent : failed({ ...sent.problem, mayHaveBegun });
    },

    dispatchedRuns: ({ repo, workflow }, signal) =>
      call({ repo, cures: curesOf({ workflow }), signal }, async (parts) => {
        const { data, headers } = await octokit.rest.actions.listWorkflowRuns({
          ...placeOf(repo),
          workflow_id: workflow,
          event: 'workflow_dispatch',
          per_page: PAGE,
          ...parts,
        });
        return readRuns(data, repo, new Date(Date.parse(headers.date ?? '') || clock.now().getTime()));
      }),

    run: (repo, id, signal) =>
      call({ repo, signal }, async (parts) => {
        const { data } = await octokit.rest.actions.getWorkflowRun({ ...placeOf(repo), run_id: id, ...parts });
        const run = workflowRunFields.safeParse(data);
        return run.success && run.data.id === id ? success(workflowRunOf(run.data, repo)) : stranger('the run');
      }),

    jobs: (repo, id, signal) =>
      call({ repo, signal }, async (parts) => {
        const found: WorkflowJob[] = [];
        for (let page = 1; page <= MAX_PAGES; page += 1) {
          const { data } = await octokit.rest.actions.listJobsForWorkflowRun({
            ...placeOf(repo),
            ...{ run_id: id, filter: 'latest', per_page: PAGE, page },
            ...parts,
          });
          const answer = jobsAnswer.safeParse(data);
          if (!answer.success) return stranger('the jobs of the run');
          found.push(...answer.data.jobs.map((job) => workflowJobOf(job, repo)));
          if (answer.data.jobs.length < PAGE) break;
        }
        return success(found);
      }),

    cancel: (repo, id, signal) =>
      call({ repo, signal }, async (parts) => {
        try {
          await octokit.rest.actions.cancelWorkflowRun({ ...placeOf(repo), run_id: id, ...parts });
        } catch (error) {
          // It is over already.
          if (!(error instanceof RequestError) || error.status !== 409) throw error;
        }
        return success(undefined);
      }),
  };
}

function curesOf({ workflow }: Pick<DispatchOrder, 'workflow'>): Cures {
  return {
    forbidden: FORBIDDEN,
    unprocessable: `Mend .github/workflows/${workflow} (it needs "on: workflow_dispatch" with these inputs) or the job.`,
    absent: `Put .github/workflows/${workflow} on the default branch, or grant the credential access to the repository.`,
  };
}

function placeOf({ owner, name }: RepoRef): { readonly owner: string; readonly repo: string } {
  return { owner, repo: name };
}

/** GitHub answered, and said that it did not do it. Of a timeout on the way nobody knows. */
function isRefusal(error: unknown): boolean {
  return error instanceof RequestError && error.response !== undefined && error.status < 500 && error.status !== 408;
}

const dispatchAnswer = z.object({ workflow_run_id: z.int().positive(), html_url: z.url({ protocol: /^https?$/ }) });

/** 204 is what servers say that do not know `return_run_details`. */
function readDispatched({
  status,
  data,
}: {
  readonly status: number;
  readonly data: unknown;
}): Result<Dispatched, ForgeTrouble> {
  if (status === 204) return success(null);
  const answer = dispatchAnswer.safeParse(data);
  return answer.success
    ? success({ runId: answer.data.workflow_run_id, url: answer.data.html_url })
    : stranger('the run that was begun');
}

const runsAnswer = z.object({ workflow_runs: z.array(workflowRunFields) });
const jobsAnswer = z.object({ jobs: z.array(workflowJobFields) });

function readRuns(data: unknown, repo: RepoRef, now: Date): Result<DispatchedRuns, ForgeTrouble> {
  const answer = runsAnswer.safeParse(data);
  if (!answer.success) return stranger('the runs of the workflow');
  const runs: readonly WorkflowRun[] = answer.data.workflow_runs.map((run) => workflowRunOf(run, repo));
  return success({ runs, now });
}

function stranger(what: string): Result<never, ForgeTrouble> {
  return failed({
    kind: 'retry',
    message: `GitHub's answer does not tell ${what}; something in between answered for it`,
  });
}

/** `workflow_job` and `workflow_run`, as webhooks bring them and as the API answers, reduced to what Hearth acts on. */
import { z } from 'zod';
import type { RepoRef } from '../core/run.ts';
import { workflowStateOf, type WorkflowJob, type WorkflowRun } from '../core/workflow.ts';

const id = z.int().positive();
/** For display and comparison only. */
const text = z.string().max(1024);
const sha = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'must be 40 or 64 lower-case hex digits');
/** GitHub has always sent whole seconds with a Z, and its older servers nothing. */
const time = z.iso
  .datetime({ offset: true })
  .nullish()
  .transform((value) => (value === null || value === undefined ? null : new Date(value)));
const none = z
  .string()
  .max(200)
  .nullish()
  .transform((value) => value ?? null);

export const workflowJobFields = z.object({
  id,
  run_id: id,
  run_attempt: id.nullish().transform((value) => value ?? 1),
  workflow_name: none,
  name: text,
  html_url: none,
  head_sha: sha,
  labels: z.array(z.string().max(256)).max(100),
  status: z.string().max(50),
  conclusion: none,
  runner_name: none,
  created_at: time,
  started_at: time,
  completed_at: time,
});

export function workflowJobOf(fields: z.output<typeof workflowJobFields>, repo: RepoRef): WorkflowJob {
  const state = workflowStateOf(fields.status, fields.conclusion);
  return {
    ...{ id: fields.id, repo, runId: fields.run_id, attempt: fields.run_attempt },
    ...{ workflow: fields.workflow_name, name: fields.name, url: fields.html_url ?? '', headSha: fields.head_sha },
    ...{ labels: fields.labels, state, conclusion: fields.conclusion },
    // GitHub fills these two in before the job has a runner or was begun.
    runner: state === 'in_progress' || state === 'completed' ? fields.runner_name || null : null,
    createdAt: fields.created_at,
    startedAt: state === 'in_progress' || state === 'completed' ? fields.started_at : null,
    completedAt: fields.completed_at,
  };
}

export const workflowRunFields = z.object({
  id,
  run_attempt: id.nullish().transform((value) => value ?? 1),
  event: z.string().max(100),
  head_sha: sha,
  head_branch: none,
  path: none,
  name: none,
  display_title: text.nullish(),
  html_url: text,
  status: z.string().max(50).nullish(),
  conclusion: none,
  created_at: z.iso.datetime({ offset: true }),
});

export function workflowRunOf(fields: z.output<typeof workflowRunFields>, repo: RepoRef): WorkflowRun {
  return {
    ...{ id: fields.id, repo, attempt: fields.run_attempt, event: fields.event },
    ...{ headSha: fields.head_sha, headBranch: fields.head_branch },
    // `.github/workflows/x.yml@refs/heads/main` where a ref was asked for.
    path: fields.path?.replace(/@.*$/, '') ?? null,
    ...{ title: fields.display_title ?? fields.name ?? '', url: fields.html_url },
    state: workflowStateOf(fields.status ?? 'queued', fields.conclusion),
    conclusion: fields.conclusion,
    createdAt: new Date(fields.created_at),
  };
}

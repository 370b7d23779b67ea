/**
 * Payloads of GitHub's webhooks, reduced to the fields Hearth acts on, and what each asks for. Trust is decided here,
 * from repository ids only: never from names, labels or commit authors.
 */
import { z } from 'zod';
import { approvalIn } from '../core/approval.ts';
import { eventContext } from '../core/event.ts';
import type { IntakeRequest, Target } from '../core/intake.ts';
import { headTypes, otherTypes } from '../core/pipeline/pull-request-types.ts';
import { failed, success, type Result } from '../core/result.ts';
import { trustOf, type RepoRef, type TrustClass } from '../core/run.ts';
import type { WorkflowNews } from '../core/workflow.ts';
import { workflowJobFields, workflowJobOf, workflowRunFields, workflowRunOf } from './workflow-payload.ts';

/** When both are null, the payload is fine and neither asks for anything nor tells anything; the note then says why. */
export interface PayloadReading {
  readonly repo: RepoRef | null;
  /** What it asks for. */
  readonly request: IntakeRequest | null;
  /** What it tells of GitHub's own workflows. */
  readonly news: WorkflowNews | null;
  readonly note: string | null;
}

/** The payload of a delivery → what it asks for, or a sentence that says which field is wrong. */
export function readPayload(event: string, payload: unknown): Result<PayloadReading, string> {
  const reading = readEvent(event, payload);
  if (!reading.ok) return reading;
  const { repo, asks, news = null, note } = reading.value;
  if (asks === null) return success({ repo, request: null, news, note: news === null ? note : null });
  const request = asks.kind === 'head' ? { ...asks, event: eventContext(payload) } : asks;
  return success({ repo: request.repo, request, news, note: null });
}

/** Before the event's own fields are added. */
type Asked = IntakeRequest extends infer R ? (R extends IntakeRequest ? Omit<R, 'event'> : never) : never;

interface EventReading {
  readonly repo: RepoRef | null;
  readonly asks: Asked | null;
  readonly news?: WorkflowNews;
  readonly note: string;
}

function readEvent(event: string, payload: unknown): Result<EventReading, string> {
  switch (event) {
    case 'push':
      return read(push, payload, readPush);
    case 'pull_request':
      return read(pullRequestAction, payload, ({ action, repository }) =>
        actsOn(action)
          ? read(pullRequest, payload, readPullRequest)
          : success(ignored(repository, `nothing here listens to pull_request action ${action}`)),
      );
    case 'merge_group':
      return read(mergeGroup, payload, readMergeGroup);
    case 'issue_comment':
      return read(commentAction, payload, ({ action, repository }) =>
        action === 'created'
          ? read(comment, payload, readComment)
          : success(ignored(repository, `a comment that was ${action} asks for nothing`)),
      );
    case 'delete':
      return read(deletion, payload, readDeletion);
    case 'workflow_job':
      return read(workflowJob, payload, ({ workflow_job: job, repository }) =>
        success(telling({ kind: 'job', job: workflowJobOf(job, repository) })),
      );
    case 'workflow_run':
      return read(workflowRun, payload, ({ workflow_run: run, repository }) =>
        success(telling({ kind: 'run', run: workflowRunOf(run, repository) })),
      );
    default:
      return read(anyEvent, payload, ({ repository }) =>
        success(ignored(repository ?? null, event === 'ping' ? 'ping' : `nothing here listens to ${event}`)),
      );
  }
}

const ZERO_SHA = /^0+$/;
const sha = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'must be 40 or 64 lower-case hex digits');
/** What `git check-ref-format` refuses and what no name on the forge can contain. */
const badName = /[\0-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^[/.]|\/\.|[/.]$|\.lock(?:\/|$)/;
const branch = z
  .string()
  .min(1)
  .max(1024)
  .refine((name) => !badName.test(name), 'is no valid name of a branch or tag');
const ref = z.string().startsWith('refs/', 'must begin with refs/').pipe(branch);
const name = z.string().regex(/^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}$/, 'is no valid name of an owner or repository');
const id = z.int().positive();
/** For display only. */
const actor = z
  .object({ login: z.string().max(200) })
  .nullish()
  .transform((sender) => sender?.login ?? 'unknown');

const repository = z
  .object({ id, name, owner: z.object({ login: name }) })
  .transform((repo): RepoRef => ({ id: repo.id, owner: repo.owner.login, name: repo.name }));
const withDefaultBranch = z
  .object({ id, name, owner: z.object({ login: name }), default_branch: branch })
  .transform((repo) => ({
    repo: { id: repo.id, owner: repo.owner.login, name: repo.name } satisfies RepoRef,
    defaultBranch: repo.default_branch,
  }));

const push = z.object({
  ref,
  after: sha,
  deleted: z.boolean().optional(),
  head_commit: z.object({ id: sha }).nullish(),
  repository: withDefaultBranch,
  sender: actor,
});

function readPush(payload: z.output<typeof push>): Result<EventReading, string> {
  const { repo, defaultBranch } = payload.repository;
  const headRef = payload.ref;
  const isTag = headRef.startsWith('refs/tags/');
  if (!isTag && !headRef.startsWith('refs/heads/'))
    return success(ignored(repo, `${headRef} is neither a branch nor a tag`));
  const target = ownRef(headRef, payload.repository, payload.sender);
  if (payload.deleted === true || ZERO_SHA.test(payload.after)) {
    return success(asking({ kind: 'gone', eventName: 'push', because: `${shortRef(headRef)} was deleted`, ...target }));
  }
  const trust = trustOf(headRef, defaultBranch);
  // For an annotated tag `after` is the tag object, which can neither carry a status nor be named by a run.
  const commit = isTag ? (payload.head_commit?.id ?? payload.after) : payload.after;
  return success(asking({ kind: 'head', eventName: 'push', sha: commit, trust, ...target }));
}

const pullRequestAction = z.object({ action: z.string().max(100), repository });
function actsOn(action: string): boolean {
  return action === 'closed' || [...headTypes, ...otherTypes].some((type) => type === action);
}

const pullRequest = z.object({
  action: z.string(),
  number: id,
  pull_request: z.object({
    merged: z.boolean().nullish(),
    head: z.object({ ref: branch, sha, repo: z.object({ id }).nullish() }),
    base: z.object({ ref: branch, repo: withDefaultBranch }),
  }),
  repository,
  sender: actor,
});

function readPullRequest(payload: z.output<typeof pullRequest>): Result<EventReading, string> {
  const {
    number,
    pull_request: { head, base, merged },
    repository: repo,
  } = payload;
  if (base.repo.repo.id !== repo.id) return failed('pull_request.base.repo.id differs from repository.id');
  const headRepoId = head.repo?.id ?? null;
  const target: Target = {
    repo,
    headRef: `refs/heads/${head.ref}`,
    headRepoId,
    prNumber: number,
    baseRef: base.ref,
    defaultBranch: base.repo.defaultBranch,
    actor: payload.sender,
  };
  if (payload.action === 'closed') {
    const because = `pull request #${number} was ${merged === true ? 'merged' : 'closed'}`;
    return success(asking({ kind: 'gone', eventName: 'pull_request', because, ...target }));
  }
  // Approval of a fork's commit comes from people here, so the payload can never give more than T4.
  const trust: TrustClass = headRepoId === repo.id ? 'T2' : 'T4';
  return success(asking({ kind: 'head', eventName: 'pull_request', sha: head.sha, trust, ...target }));
}

const mergeGroup = z.object({
  action: z.string().max(100),
  merge_group: z.object({ head_sha: sha, head_ref: ref, base_ref: ref }),
  repository: withDefaultBranch,
  sender: actor,
});

/** A merge queue tries what it is about to merge; both people and the queue push with write access. */
function readMergeGroup(payload: z.output<typeof mergeGroup>): Result<EventReading, string> {
  const { head_ref: headRef, head_sha: headSha, base_ref: baseRef } = payload.merge_group;
  const target = { ...ownRef(headRef, payload.repository, payload.sender), baseRef: shortRef(baseRef) };
  const eventName = 'merge_group';
  if (payload.action === 'checks_requested')
    return success(asking({ kind: 'head', eventName, sha: headSha, trust: 'T2', ...target }));
  if (payload.action === 'destroyed')
    return success(asking({ kind: 'gone', eventName, because: 'the merge group is gone', ...target }));
  return success(ignored(target.repo, `merge_group action ${payload.action} changes no head`));
}

const commentAction = z.object({ action: z.string().max(100), repository });

const comment = z.object({
  issue: z.object({ number: id, pull_request: z.object({}).nullish() }),
  comment: z.object({ body: z.string(), user: z.object({ id }).nullish() }),
  repository: withDefaultBranch,
  sender: z.object({ id, login: z.string().max(200), type: z.string().max(100) }),
});
const LOGIN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;

/** `author_association` is not looked at: it says what a person was to the repository, not what that person may do. */
function readComment({
  issue,
  comment: { body, user },
  repository: { repo, defaultBranch },
  sender,
}: z.output<typeof comment>): Result<EventReading, string> {
  const commit = approvalIn(body);
  if (commit === undefined) return success(ignored(repo, 'the comment is no command'));
  if (issue.pull_request === undefined || issue.pull_request === null)
    return success(ignored(repo, 'only pull requests are approved'));
  if (sender.id !== user?.id || sender.type !== 'User' || !LOGIN.test(sender.login))
    return success(ignored(repo, 'only the person who wrote a comment approves with it'));
  const prNumber = issue.number;
  const person = { id: sender.id, login: sender.login };
  return success(
    asking({
      ...{ kind: 'approval', eventName: 'pull_request', commit, person, repo, prNumber, defaultBranch },
      // A comment tells neither head nor base; the runs that wait know them.
      ...{ headRef: `refs/pull/${prNumber}/head`, headRepoId: null, baseRef: null, actor: sender.login },
    }),
  );
}

const deletion = z.object({
  ref: branch,
  ref_type: z.enum(['branch', 'tag']),
  repository: withDefaultBranch,
  sender: actor,
});

function readDeletion(payload: z.output<typeof deletion>): Result<EventReading, string> {
  const headRef = `refs/${payload.ref_type === 'tag' ? 'tags' : 'heads'}/${payload.ref}`;
  const target = ownRef(headRef, payload.repository, payload.sender);
  return success(asking({ kind: 'gone', eventName: 'push', because: `${shortRef(headRef)} was deleted`, ...target }));
}

/** A branch or tag of the repository itself, without a pull request. */
function ownRef(headRef: string, { repo, defaultBranch }: z.output<typeof withDefaultBranch>, actor: string): Target {
  return { repo, headRef, headRepoId: repo.id, prNumber: null, baseRef: null, defaultBranch, actor };
}

const workflowJob = z.object({ workflow_job: workflowJobFields, repository });
const workflowRun = z.object({ workflow_run: workflowRunFields, repository });

/** Events of an organisation or an app have no repository. */
const anyEvent = z.object({ repository: repository.nullish() });

function asking(asks: Asked): EventReading {
  return { repo: asks.repo, asks, note: '' };
}

function telling(news: WorkflowNews): EventReading {
  const { repo } = news.kind === 'job' ? news.job : news.run;
  return { repo, asks: null, news, note: '' };
}

function ignored(repo: RepoRef | null, note: string): EventReading {
  return { repo, asks: null, note };
}

function shortRef(full: string): string {
  return full.replace(/^refs\/(?:heads|tags)\//, '');
}

const SHOWN_ISSUES = 10;

/** zod speaks of types to programmers; whoever reads this looks at a delivery on GitHub. */
function sentenceOf({ code, path, message, input }: z.core.$ZodIssue): string {
  const field = path.join('.') || 'the payload';
  if (code !== 'invalid_type')
    return `${field} ${message.startsWith('Invalid') ? 'is not of the expected form' : message}`;
  return input === undefined ? `${field} is missing` : `${field} is not of the expected type`;
}

function read<S extends z.ZodType, T>(
  schema: S,
  payload: unknown,
  next: (value: z.output<S>) => Result<T, string>,
): Result<T, string> {
  const parsed = schema.safeParse(payload, { reportInput: true });
  if (parsed.success) return next(parsed.data);
  return failed(parsed.error.issues.slice(0, SHOWN_ISSUES).map(sentenceOf).join('; '));
}

/** `POST /api/v1/runs`: runs by hand. Stored like a delivery before it is answered; the planner does the rest. */
import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Asked, Delivery, IntakeRequest, IntakeState, KnownRepo } from '../core/intake.ts';
import type { Clock, Store } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import { fullName, type RepoRef } from '../core/run.ts';
import { readJson, withBody } from './json-body.ts';
import { sendError } from './reply.ts';

export interface DispatchParts {
  readonly store: Pick<Store, 'recordDelivery' | 'findIntake' | 'knownRepo'>;
  readonly clock: Clock;
  /** Whether the repository is on the allow-list; of `id` nothing is known yet. */
  readonly isAllowed: (repo: Pick<RepoRef, 'owner' | 'name'>) => boolean;
  /** Something new is to be planned. */
  readonly onAccepted: () => void;
}

/** GitHub takes 65,535 characters of inputs. */
const MAX_BODY_BYTES = 256 * 1024;
const text = z.string({ error: 'must be text' });
const sha = /^[0-9a-f]{40}$/i;
const badRef = /[\0-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^[/.-]|\/\.|[/.]$|\.lock(?:\/|$)/;
const bodySchema = z.strictObject(
  {
    repo: text.regex(/^(?!\.{1,2}\/)[\w.-]{1,100}\/(?!\.{1,2}$)[\w.-]{1,100}$/, 'must be owner/name'),
    ref: text
      .min(1, 'must be the name of a branch or tag')
      .max(300, 'must be at most 300 characters long')
      .refine((ref) => !sha.test(ref), 'must be the branch or tag that the commit is on; give the commit as "sha"')
      .refine(
        (ref) => !badRef.test(ref) && (!ref.startsWith('refs/') || /^refs\/(?:heads|tags)\/./.test(ref)),
        'must be the name of a branch or tag, or refs/heads/… or refs/tags/…',
      ),
    sha: text.regex(sha, 'must be 40 hex digits').optional(),
    pipeline: text.min(1, 'must be the name of a pipeline').max(100, 'must be at most 100 characters long').optional(),
    inputs: z
      .record(
        z.string().max(100),
        z.union([z.string(), z.number(), z.boolean()], { error: 'must be text, a number, true or false' }),
        { error: 'must be a mapping from names to values' },
      )
      .optional(),
  },
  { error: 'The body must be a JSON object with repo and ref' },
);
type Body = z.output<typeof bodySchema>;

/** The caller has made sure that an administrator asks. */
export function createDispatch(parts: DispatchParts): (request: Request, response: Response) => Promise<void> {
  return withBody(MAX_BODY_BYTES, (request, response, bytes) => answer(parts, request, response, bytes));
}

async function answer(parts: DispatchParts, request: Request, response: Response, bytes: Buffer): Promise<void> {
  const key = keyOf(request);
  const read = readJson(bytes);
  const parsed = read.ok ? bodySchema.safeParse(read.value, { reportInput: true }) : undefined;
  const faults = [
    ...(key.ok ? [] : [key.problem]),
    ...(read.ok ? [] : [read.problem]),
    ...(parsed?.error?.issues.map(sentenceOf) ?? []),
  ];
  if (!key.ok || parsed?.success !== true) {
    sendError(response, 400, `${faults.join('; ')}.`);
    return;
  }
  const { repo: name } = parsed.data;
  const [owner = '', repoName = ''] = name.split('/');
  if (!parts.isAllowed({ owner, name: repoName })) {
    sendError(response, 422, `${name} is not on the allow-list; add it to HEARTH_REPOS to run it here.`);
    return;
  }
  const known = await parts.store.knownRepo(name);
  if (known === undefined) {
    sendError(
      response,
      404,
      `Hearth has not heard from ${name} yet. Push to it once, or redeliver an event of its webhook.`,
    );
    return;
  }
  await record(parts, response, known, { key: key.value, bytes, body: parsed.data });
}

interface Order {
  readonly key: string;
  readonly bytes: Buffer;
  readonly body: Body;
}

async function record(
  { store, clock, onAccepted }: DispatchParts,
  response: Response,
  known: KnownRepo,
  { key, bytes, body }: Order,
): Promise<void> {
  const asked: Asked = {
    ref: body.ref,
    sha: body.sha?.toLowerCase() ?? null,
    pipeline: body.pipeline ?? null,
    inputs: body.inputs ?? {},
    time: null,
  };
  // Apart from the ids of the forge.
  const id = `dispatch:${key}`;
  const delivery: Delivery = {
    ...{ id, event: 'workflow_dispatch', body: bytes, receivedAt: clock.now() },
    ...{ verdict: 'accepted', note: null },
  };
  const recorded = await store.recordDelivery(delivery, requestOf(known, asked));
  const state = await store.findIntake({ delivery: id });
  if (state === undefined) throw new Error('Internal error: an order that was just recorded is not there');
  if (!isSameOrder(state, known, asked)) {
    sendError(response, 409, 'This Idempotency-Key came with another body before. Give each order a key of its own.');
    return;
  }
  if (recorded === 'new') onAccepted();
  const { ref, sha: commit, pipeline, inputs } = asked;
  response.status(recorded === 'new' ? 202 : 200).json({
    intake: state.intake.id,
    event: 'workflow_dispatch',
    repo: fullName(known.repo),
    ref,
    sha: commit,
    pipeline,
    inputs,
  });
}

function requestOf({ repo, defaultBranch }: KnownRepo, asked: Asked): IntakeRequest {
  const headRef = asked.ref.startsWith('refs/') ? asked.ref : `refs/heads/${asked.ref}`;
  return {
    ...{ kind: 'asked', eventName: 'workflow_dispatch', asked, repo, headRef, headRepoId: repo.id },
    ...{ prNumber: null, baseRef: null, defaultBranch, actor: 'administrator' },
  };
}

function isSameOrder({ intake }: IntakeState, { repo }: KnownRepo, asked: Asked): boolean {
  return (
    intake.kind === 'asked' && intake.repo.id === repo.id && JSON.stringify(intake.asked) === JSON.stringify(asked)
  );
}

/** Whoever gives no key asks anew each time. */
function keyOf(request: Request): Result<string, string> {
  const given = request.headers['idempotency-key'];
  if (given === undefined) return success(randomUUID());
  return typeof given === 'string' && /^[\x21-\x7e]{1,200}$/.test(given)
    ? success(given)
    : failed('Idempotency-Key must be 1 to 200 visible characters');
}

function sentenceOf({ code, path, message, input, ...rest }: z.core.$ZodIssue): string {
  const field = path.join('.');
  if (code === 'unrecognized_keys' && 'keys' in rest)
    return `unknown key ${(rest.keys as readonly string[]).join(', ')}; known are ${Object.keys(bodySchema.shape).join(', ')}`;
  if (field === '') return message;
  return input === undefined ? `${field} is missing` : `${field} ${message}`;
}

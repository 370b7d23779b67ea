/** The JSON API over runs. Reading follows `HEARTH_READ`; changing needs the admin token. */
import type { Request, Response, Router } from 'express';
import { z } from 'zod';
import { cancelledBy } from '../core/outcome.ts';
import type { RunFilter, Store } from '../core/ports.ts';
import type { Access } from './access.ts';
import { intakeJson, runDetailsJson, runJson } from './api-shapes.ts';
import { createApprove, type ApproveParts } from './approve-route.ts';
import { createDispatch, type DispatchParts } from './dispatch-route.ts';
import type { Links } from './links.ts';
import { createRerun } from './rerun-route.ts';
import { createRouter, route, runIdOf, sendError, sendNoRun, sendNotFound } from './reply.ts';

export interface ApiParts extends DispatchParts, Pick<ApproveParts, 'onApproved'> {
  readonly store: Pick<Store, 'findRun' | 'resultsOf' | 'listRuns' | 'cancel' | 'rerun'> &
    DispatchParts['store'] &
    ApproveParts['store'];
  readonly access: Access;
  readonly links: Pick<Links, 'jobLog' | 'artifact'>;
  /** Something was cancelled or is to run again: scheduler and reporter should look. */
  readonly onCancelled: () => void;
}

const one = z.string().max(300);
const listQuery = z.strictObject({
  repo: one.regex(/^[^/\s]+\/[^/\s]+$/, 'must be owner/name').optional(),
  branch: one.min(1).optional(),
  sha: one.regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i, 'must be 40 or 64 hex digits').optional(),
  state: z.enum(['queued', 'running', 'finished'], 'must be queued, running or finished').optional(),
  limit: one
    .regex(/^(?:[1-9]\d?|100)$/, 'must be a number from 1 to 100')
    .default('20')
    .transform(Number),
  cursor: one.regex(/^\d{1,15}$/, 'must be what a page returned as next').optional(),
});

const wrongToken = 'The token that was sent is not the admin token of this Hearth.';

function isSent(request: Request): boolean {
  return request.headers.authorization !== undefined;
}

export function apiRouter(parts: ApiParts): Router {
  const { store, clock, access, links, onCancelled } = parts;

  function mayReadAll(request: Request, response: Response): boolean {
    if (access.rightToRead(request).kind === 'all') return true;
    response.set('WWW-Authenticate', 'Bearer');
    sendError(
      response,
      401,
      isSent(request) ? wrongToken : 'Send "Authorization: Bearer" with the admin token to list runs.',
    );
    return false;
  }

  async function showIntake(request: Request, response: Response): Promise<void> {
    if (!mayReadAll(request, response)) return;
    const id = runIdOf(request);
    const found = id === undefined ? undefined : await store.findIntake({ id });
    if (found === undefined) sendNotFound(response);
    else response.json(intakeJson(found));
  }

  async function list(request: Request, response: Response): Promise<void> {
    if (!mayReadAll(request, response)) return;
    const query = listQuery.safeParse(request.query);
    if (!query.success) {
      const [issue] = query.error.issues;
      sendError(response, 400, `${issue?.path.join('.') || 'The query'}: ${issue?.message ?? 'is wrong'}.`);
      return;
    }
    const { limit, cursor, ...asked } = query.data;
    const page = await store.listRuns(withoutAbsent(asked), limit, cursor ?? null);
    response.json({ runs: page.runs.map((run) => runJson(run, links)), next: page.next });
  }

  async function show(request: Request, response: Response): Promise<void> {
    const id = runIdOf(request);
    const right = access.rightToRead(request);
    const found = id !== undefined && (right.kind === 'all' || right.run === id) ? await store.findRun(id) : undefined;
    if (found === undefined) sendNotFound(response);
    else response.json(runDetailsJson(found, await store.resultsOf(found.run.id), links));
  }

  async function cancel(request: Request, response: Response): Promise<void> {
    const id = runIdOf(request);
    const job = request.params['job'] === undefined ? null : String(request.params['job']);
    const verdict =
      id === undefined ? 'unknown' : await store.cancel(id, job, cancelledBy('an administrator'), clock.now());
    switch (verdict) {
      case 'unknown':
        if (job === null) sendNoRun(response, String(request.params['id']));
        else sendError(response, 404, `There is no run ${String(request.params['id'])} with a job ${job}.`);
        return;
      case 'finished':
        sendError(response, 409, 'It has finished already, so there is nothing to cancel.');
        return;
      case 'cancelled':
        onCancelled();
        response.status(202).json({ result: 'cancelled', id, job });
    }
  }

  async function asAdmin(
    request: Request,
    response: Response,
    act: (request: Request, response: Response) => Promise<void>,
  ): Promise<void> {
    switch (access.rightToWrite(request)) {
      case 'unset':
        sendError(
          response,
          403,
          'Nothing can be changed over HTTP until HEARTH_ADMIN_TOKEN is set (or admin-token in hearth.yml).',
        );
        return;
      case 'refused':
        response.set('WWW-Authenticate', 'Bearer');
        sendError(
          response,
          401,
          isSent(request) ? wrongToken : 'Send "Authorization: Bearer" with the token of HEARTH_ADMIN_TOKEN.',
        );
        return;
      case 'granted':
        await act(request, response);
    }
  }

  const router = createRouter();
  const dispatch = createDispatch(parts);
  const rerun = createRerun(parts);
  const approve = createApprove(parts);
  route(router, '/api/v1/runs', {
    get: list,
    post: (request, response) => asAdmin(request, response, dispatch),
  });
  route(router, '/api/v1/intakes/:id', { get: showIntake });
  route(router, '/api/v1/runs/:id', { get: show });
  route(router, '/api/v1/runs/:id/cancel', { post: (request, response) => asAdmin(request, response, cancel) });
  route(router, '/api/v1/runs/:id/rerun', { post: (request, response) => asAdmin(request, response, rerun) });
  route(router, '/api/v1/runs/:id/approve', { post: (request, response) => asAdmin(request, response, approve) });
  route(router, '/api/v1/runs/:id/jobs/:job/cancel', {
    post: (request, response) => asAdmin(request, response, cancel),
  });
  return router;
}

type Asked = { readonly [K in keyof RunFilter]: RunFilter[K] | undefined };

function withoutAbsent({ repo, branch, sha, state }: Asked): RunFilter {
  return {
    ...(repo === undefined ? {} : { repo }),
    ...(branch === undefined ? {} : { branch }),
    ...(sha === undefined ? {} : { sha }),
    ...(state === undefined ? {} : { state }),
  };
}

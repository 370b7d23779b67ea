/** `POST /api/v1/runs/:id/approve`: lets the code of a fork run, at the one sha that somebody has looked at. */
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Clock, Store } from '../core/ports.ts';
import { readJson, withBody } from './json-body.ts';
import { runIdOf, sendError, sendNoRun, sendNotFound } from './reply.ts';

export interface ApproveParts {
  readonly store: Pick<Store, 'approve'>;
  readonly clock: Clock;
  /** Runs wait no longer: the scheduler and the reporter should look. */
  readonly onApproved: (approved: {
    readonly sha: string;
    readonly runs: readonly number[];
    readonly by: string;
  }) => void;
}

const MAX_BODY_BYTES = 4096;
const bodySchema = z.strictObject({ sha: z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i) });
/** Whoever holds the admin token; nothing tells them apart. */
const BY = 'an administrator';

/** The caller has made sure that an administrator asks. */
export function createApprove(parts: ApproveParts): (request: Request, response: Response) => Promise<void> {
  return withBody(MAX_BODY_BYTES, async (request, response, bytes) => {
    const run = runIdOf(request);
    const read = readJson(bytes);
    const body = read.ok ? bodySchema.safeParse(read.value) : undefined;
    if (run === undefined) {
      sendNotFound(response);
    } else if (body?.success !== true) {
      sendError(response, 400, 'Send {"sha": "…"} with the commit you have looked at, all of its 40 hex digits.');
    } else {
      await approve(parts, response, run, body.data.sha);
    }
  });
}

async function approve({ store, clock, onApproved }: ApproveParts, response: Response, run: number, sha: string) {
  const verdict = await store.approve({ run, sha }, { by: BY, at: clock.now() });
  switch (verdict.kind) {
    case 'unknown':
      sendNoRun(response, String(run));
      return;
    case 'refused':
      sendError(response, 409, verdict.why);
      return;
    case 'already':
      response.json({
        ...{ result: 'already approved', id: run, sha: verdict.sha, runs: [] },
        ...{ by: verdict.approval.by, at: verdict.approval.at.toISOString() },
      });
      return;
    case 'approved':
      onApproved({ sha: verdict.sha, runs: verdict.runs, by: BY });
      response.json({ result: 'approved', id: run, sha: verdict.sha, runs: verdict.runs, by: BY });
  }
}

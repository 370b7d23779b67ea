/** `POST /api/v1/runs/:id/rerun`: makes a run that repeats a finished one. */
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Clock, Store } from '../core/ports.ts';
import type { RerunRequest } from '../core/rerun.ts';
import { failed, success, type Result } from '../core/result.ts';
import { readJson, withBody } from './json-body.ts';
import { runIdOf, sendError, sendNoRun, sendNotFound } from './reply.ts';

export interface RerunParts {
  readonly store: Pick<Store, 'rerun'>;
  readonly clock: Clock;
  readonly onCancelled: () => void;
}

const MAX_BODY_BYTES = 16 * 1024;
const bodySchema = z.strictObject(
  {
    failed: z.boolean('must be true or false').default(false),
    job: z.string('must be the name of a job').min(1, 'must be the name of a job').nullable().default(null),
  },
  { error: 'The body must be empty, or a JSON object with failed or job' },
);

/** The caller has made sure that an administrator asks. */
export function createRerun({
  store,
  clock,
  onCancelled,
}: RerunParts): (request: Request, response: Response) => Promise<void> {
  return withBody(
    MAX_BODY_BYTES,
    async (request, response, bytes) => {
      const id = runIdOf(request);
      const asked = parseBody(bytes);
      if (id === undefined) sendNotFound(response);
      else if (!asked.ok) sendError(response, 400, asked.problem);
      else {
        const verdict = await store.rerun(id, asked.value, clock.now());
        switch (verdict.kind) {
          case 'unknown':
            sendNoRun(response, String(id));
            return;
          case 'refused':
            sendError(response, verdict.trouble.kind === 'no-job' ? 404 : 409, verdict.trouble.message);
            return;
          case 'made':
            onCancelled();
            response.status(202).json({ id: verdict.run, rerun_of: id, jobs: verdict.again });
        }
      }
    },
    { mayBeAbsent: true },
  );
}

function parseBody(bytes: Buffer): Result<RerunRequest, string> {
  if (bytes.length === 0) return success({ failed: false, job: null });
  const read = readJson(bytes);
  if (!read.ok) return failed(`${read.problem}, or empty.`);
  const parsed = bodySchema.safeParse(read.value);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(sentenceOf);
    return failed(`${faults.join('; ')}.`);
  }
  if (parsed.data.failed && parsed.data.job !== null)
    return failed('Give failed or job, not both: failed means all jobs that did not succeed.');
  return success(parsed.data);
}

function sentenceOf({ code, path, message, ...rest }: z.core.$ZodIssue): string {
  if (code === 'unrecognized_keys' && 'keys' in rest)
    return `unknown key ${(rest.keys as readonly string[]).join(', ')}; known are failed and job`;
  return [...path, message].join(' ');
}

/** `POST /api/v1/runs/:id/rerun`: makes a run that repeats a finished one. */
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Clock, Store } from '../core/ports.ts';
import type { RerunRequest } from '../core/rerun.ts';
import { failed, success, type Result } from '../core/result.ts';
import { answerAndClose, createBodyReader } from './body.ts';
import { RETRY_AFTER_S, runIdOf, sendError, sendNoRun, sendNotFound } from './reply.ts';

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
  const readBody = createBodyReader({ maxBodyBytes: MAX_BODY_BYTES, maxInFlightBytes: 64 * MAX_BODY_BYTES });

  async function answer(id: number, bytes: Buffer, response: Response): Promise<void> {
    const asked = parseBody(bytes);
    if (!asked.ok) {
      sendError(response, 400, asked.problem);
      return;
    }
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

  return async (request, response) => {
    const id = runIdOf(request);
    if (id === undefined) {
      sendNotFound(response);
      return;
    }
    const body = await readBody(request);
    switch (body.kind) {
      case 'gone':
        return;
      case 'too-large':
        answerAndClose(request, response, 413, tooLarge);
        return;
      case 'busy':
        response.setHeader('Retry-After', RETRY_AFTER_S);
        sendError(response, 503, 'Too much is arriving at once; try again later.');
        return;
      case 'read':
        try {
          await answer(id, body.bytes, response);
        } finally {
          body.release();
        }
    }
  };
}

const tooLarge = JSON.stringify({ error: `The body has more than ${MAX_BODY_BYTES} bytes.` });

function parseBody(bytes: Buffer): Result<RerunRequest, string> {
  if (bytes.length === 0) return success({ failed: false, job: null });
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return failed('The body must be JSON, or empty.'); // what exactly is wrong is for whoever made it to find
  }
  const parsed = bodySchema.safeParse(json);
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

/** The body of a request to the API: JSON, of a limited size, read whole. */
import type { Request, Response } from 'express';
import { failed, success, type Result } from '../core/result.ts';
import { answerAndClose, createBodyReader } from './body.ts';
import { RETRY_AFTER_S, sendError } from './reply.ts';

/** A handler that gets the bytes of the body, once all of them are here. */
export function withBody(
  maxBodyBytes: number,
  act: (request: Request, response: Response, bytes: Buffer) => Promise<void>,
): (request: Request, response: Response) => Promise<void> {
  const readBody = createBodyReader({ maxBodyBytes, maxInFlightBytes: 16 * maxBodyBytes });
  return async (request, response) => {
    if (!/^application\/json\s*(?:;|$)/i.test(request.headers['content-type'] ?? '')) {
      sendError(response, 415, 'Send application/json.');
      return;
    }
    const body = await readBody(request);
    switch (body.kind) {
      case 'gone':
        return;
      case 'too-large':
        answerAndClose(
          request,
          response,
          413,
          JSON.stringify({ error: `The body has more than ${maxBodyBytes} bytes.` }),
        );
        return;
      case 'busy':
        response.setHeader('Retry-After', RETRY_AFTER_S);
        answerAndClose(
          request,
          response,
          503,
          JSON.stringify({ error: 'Too much is arriving at once; try again later.' }),
        );
        return;
      case 'read':
        try {
          await act(request, response, body.bytes);
        } finally {
          body.release();
        }
    }
  };
}

export function readJson(bytes: Buffer): Result<unknown, string> {
  try {
    return success(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown);
  } catch {
    return failed('The body must be JSON'); // what exactly is wrong is for whoever made it to find
  }
}

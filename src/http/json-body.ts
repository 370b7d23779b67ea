/** The body of a request to the API: JSON, of a limited size, read whole. */
import type { Request, Response } from 'express';
import { failed, success, type Result } from '../core/result.ts';
import { answerAndClose, createBodyReader } from './body.ts';
import { RETRY_AFTER_S, sendError } from './reply.ts';

/** A handler that gets the bytes of the body, once all of them are here. With `mayBeAbsent` a request may come without one. */
export function withBody(
  maxBodyBytes: number,
  act: (request: Request, response: Response, bytes: Buffer) => Promise<void>,
  { mayBeAbsent = false }: { readonly mayBeAbsent?: boolean } = {},
): (request: Request, response: Response) => Promise<void> {
  const readBody = createBodyReader({ maxBodyBytes, maxInFlightBytes: 16 * maxBodyBytes });
  return async (request, response) => {
    const type = request.headers['content-type'];
    const isJson = type !== undefined && /^application\/json\s*(?:;|$)/i.test(type);
    if (!isJson && !(mayBeAbsent && type === undefined)) {
      sendError(response, 415, notJson);
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
          if (isJson || body.bytes.length === 0) await act(request, response, body.bytes);
          else sendError(response, 415, notJson);
        } finally {
          body.release();
        }
    }
  };
}

const notJson = 'Send application/json.';

export function readJson(bytes: Buffer): Result<unknown, string> {
  try {
    return success(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown);
  } catch {
    return failed('The body must be JSON'); // what exactly is wrong is for whoever made it to find
  }
}

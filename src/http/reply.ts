/** What all routes share: exact paths, the methods they take, and how errors look. */
import { Router, type ErrorRequestHandler, type Request, type RequestHandler, type Response } from 'express';
import { StoreUnavailable } from '../core/store-trouble.ts';

/** Long enough for a checkpoint or a cleaned disk, short enough that nobody waits in vain; in seconds. */
export const RETRY_AFTER_S = 30;

export interface Handlers {
  readonly get?: RequestHandler;
  readonly post?: RequestHandler;
}

/** A router that tells `/Logs`, `/logs/` and `/logs` apart. */
export function createRouter(): Router {
  return Router({ caseSensitive: true, strict: true });
}

/** A path with the methods it takes; every other one is answered 405 with `Allow`. */
export function route(router: Router, path: string, { get, post }: Handlers): void {
  const allowed: string[] = [];
  if (get !== undefined) {
    router.get(path, get);
    allowed.push('GET', 'HEAD');
  }
  if (post !== undefined) {
    router.post(path, post);
    allowed.push('POST');
  }
  router.all(path, (_request, response) => {
    response.set('Allow', allowed.join(', '));
    sendError(response, 405, `This address takes ${allowed.join(' and ')} only.`);
  });
}

export function sendError(response: Response, status: number, message: string): void {
  response.status(status).json({ error: message });
}

/** The same for what does not exist and for what the asker may not see. */
export function sendNotFound(response: Response): void {
  sendError(response, 404, 'There is nothing here, or no right to read it. Check the address and its token.');
}

/** For an administrator, who may know which runs there are. */
export function sendNoRun(response: Response, id: string): void {
  sendError(response, 404, `There is no run ${id}; \`hearth runs\` lists them.`);
}

/** For every answer; pages that need more say so themselves. */
export const safeHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    'Cache-Control': 'no-store',
    // Addresses carry read tokens.
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  next();
};

/** A store that cannot answer is 503; an address that cannot be decoded exists no more than any other; the rest are bugs. */
export function errorHandler(onError: (error: unknown) => void): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      onError(error);
      next(error);
    } else if (error instanceof StoreUnavailable) {
      onError(error);
      response.set('Retry-After', String(RETRY_AFTER_S));
      sendError(response, 503, 'The store cannot be used now; try again later. GET /health says why.');
    } else if (isBadAddress(error)) {
      sendNotFound(response);
    } else {
      onError(error);
      sendError(response, 500, 'Internal error; the log of the service says more.');
    }
  };
}

/** `:id` of a run in an address; undefined for anything else. */
export function runIdOf(request: Request): number | undefined {
  const id = String(request.params['id']);
  return /^[1-9]\d{0,14}$/.test(id) ? Number(id) : undefined;
}

/** The reader closed the connection before the end. */
export function isPrematureClose(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE';
}

function isBadAddress(error: unknown): boolean {
  return error instanceof URIError || (error instanceof Error && 'status' in error && error.status === 400);
}

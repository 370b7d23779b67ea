/** `POST /webhook`: nothing is acknowledged before it is on disk, and nothing is read that will not be used. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Request, Response, Router } from 'express';
import type { Delivery, IntakeRequest } from '../core/intake.ts';
import type { Clock, Store } from '../core/ports.ts';
import { StoreUnavailable } from '../core/store-trouble.ts';
import type { WorkflowNews } from '../core/workflow.ts';
import { answerAndClose, createBodyReader, MAX_BODY_BYTES, MAX_IN_FLIGHT_BYTES, type BodyLimits } from './body.ts';
import { createRouter, RETRY_AFTER_S, route, sendError } from './reply.ts';

export interface WebhookParts {
  readonly store: Pick<Store, 'recordDelivery'>;
  readonly clock: Clock;
  /** Verifies and understands one delivery; never rejects for what a client can send. */
  readonly readDelivery: (
    headers: IncomingHttpHeaders,
    body: Uint8Array,
    now: Date,
  ) => Promise<{
    readonly verdict: 'accepted' | 'ignored' | 'rejected';
    readonly status: number;
    readonly message: string;
    /** null = not to be recorded. */
    readonly delivery: Delivery | null;
    readonly request: IntakeRequest | null;
    readonly news: WorkflowNews | null;
  }>;
  /** A new delivery asks for work or tells something: the loops should look. */
  readonly onAccepted: () => void;
  /** Every delivery that was answered, for the log; `id` is null when it could not be trusted. */
  readonly onDelivery?: (seen: DeliverySeen) => void;
  readonly onError: (error: unknown) => void;
  readonly limits?: BodyLimits;
}

export interface DeliverySeen {
  readonly id: string | null;
  readonly event: string | null;
  /** Before it was stored: a duplicate is 202 here. */
  readonly status: number;
  readonly message: string;
}

export function webhookRouter(parts: WebhookParts): Router {
  const { store, clock, limits = { maxBodyBytes: MAX_BODY_BYTES, maxInFlightBytes: MAX_IN_FLIGHT_BYTES } } = parts;
  const readBody = createBodyReader(limits);

  async function receive(request: Request, response: Response): Promise<void> {
    if (!isPlainJson(request)) {
      sendError(
        response,
        415,
        'Send application/json without Content-Encoding; choose that content type at the webhook on GitHub.',
      );
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
          errorText(`The body has more than ${limits.maxBodyBytes} bytes, the most that GitHub sends.`),
        );
        return;
      case 'busy':
        response.setHeader('Retry-After', RETRY_AFTER_S);
        answerAndClose(request, response, 503, errorText('Too much is arriving at once; deliver again later.'));
        return;
      case 'read':
        try {
          await answer(request, response, body.bytes);
        } finally {
          body.release();
        }
    }
  }

  async function answer(request: Request, response: Response, body: Buffer): Promise<void> {
    const reading = await parts.readDelivery(request.headers, body, clock.now());
    const { delivery, status, message, verdict } = reading;
    parts.onDelivery?.({ id: delivery?.id ?? null, event: delivery?.event ?? null, status, message });
    if (delivery === null) {
      sendError(response, status, message);
      return;
    }
    const recorded = await record(delivery, reading);
    if (recorded === 'unavailable') {
      response.set('Retry-After', String(RETRY_AFTER_S));
      sendError(response, 503, 'The delivery could not be stored; deliver it again later. GET /health says why.');
    } else if (status === 202 && recorded === 'duplicate') {
      response.status(200).json({ result: 'duplicate', message: 'This delivery is known already.' });
    } else {
      if (status === 202) parts.onAccepted();
      response.status(status).json(verdict === 'rejected' ? { error: message } : { result: verdict, message });
    }
  }

  async function record(
    delivery: Delivery,
    { request, news }: { readonly request: IntakeRequest | null; readonly news: WorkflowNews | null },
  ): Promise<'new' | 'duplicate' | 'unavailable'> {
    try {
      return await store.recordDelivery(delivery, request, news);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      parts.onError(error);
      return 'unavailable';
    }
  }

  const router = createRouter();
  for (const path of ['/webhook', '/webhooks/github']) route(router, path, { post: receive });
  return router;
}

function isPlainJson(request: Request): boolean {
  const type = request.headers['content-type'] ?? '';
  return /^application\/json\s*(?:;|$)/i.test(type) && request.headers['content-encoding'] === undefined;
}

function errorText(error: string): string {
  return JSON.stringify({ error });
}

/**
 * One delivery from GitHub: verified, then understood. The order of the checks is the security argument: nothing is
 * parsed before the signature over the raw bytes is known to be good. Stores nothing, logs nothing, never throws for
 * anything a client can send.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Webhooks } from '@octokit/webhooks';
import { isAllowed } from '../core/allow-list.ts';
import type { Delivery, DeliveryVerdict, IntakeRequest } from '../core/intake.ts';
import type { Secret } from '../core/secrets/secret.ts';
import { fullName } from '../core/run.ts';
import type { WorkflowNews } from '../core/workflow.ts';
import { readJson } from './json.ts';
import { readPayload } from './payload.ts';

export interface DeliveryRules {
  /** All are accepted, so that one can be replaced without losing a delivery. */
  readonly secrets: readonly Secret[];
  /** `owner/name` or `owner/*`. */
  readonly repos: readonly string[];
}

/**
 * What to answer, and what to record. `delivery` is null when nothing may be recorded, because nobody proved that
 * GitHub sent it. The status is the final one except that a known delivery id turns 202 into 200.
 */
export interface DeliveryReading {
  readonly verdict: DeliveryVerdict;
  readonly status: 200 | 202 | 400 | 401 | 403 | 422;
  /** For the answer's body; says what to do next. */
  readonly message: string;
  readonly delivery: Delivery | null;
  readonly request: IntakeRequest | null;
  /** What it tells of GitHub's own workflows, whether or not it asks for something. */
  readonly news: WorkflowNews | null;
}

/** Content type and length were checked by the caller, since they decide whether the body is read at all. */
export async function readDelivery(
  headers: IncomingHttpHeaders,
  body: Uint8Array,
  rules: DeliveryRules,
  now: Date,
): Promise<DeliveryReading> {
  const event = headers['x-github-event'];
  const id = headers['x-github-delivery'];
  if (typeof event !== 'string' || !EVENT.test(event))
    return refused(400, 'X-GitHub-Event is missing or malformed; only GitHub calls this address.');
  if (typeof id !== 'string' || !GUID.test(id))
    return refused(400, 'X-GitHub-Delivery is not a GUID; only GitHub calls this address.');
  if (!(await isSigned(headers['x-hub-signature-256'], body, rules.secrets))) {
    return refused(
      401,
      'The signature does not fit. Enter the same secret at the webhook on GitHub and in HEARTH_WEBHOOK_SECRET.',
    );
  }
  const json = readJson(body);
  if (!json.ok) return refused(400, json.problem);

  const conclude = (
    verdict: DeliveryVerdict,
    status: DeliveryReading['status'],
    message: string,
    request: IntakeRequest | null,
    news: WorkflowNews | null = null,
  ): DeliveryReading => ({
    verdict,
    status,
    message,
    request,
    news,
    delivery: {
      id: id.toLowerCase(),
      event,
      body,
      receivedAt: now,
      verdict,
      note: verdict === 'accepted' ? null : message,
    },
  });
  const payload = readPayload(event, json.value);
  if (!payload.ok) return conclude('rejected', 422, payload.problem, null);
  const { repo, request, news, note } = payload.value;
  if (repo !== null && !isAllowed(repo, rules.repos)) {
    return conclude(
      'rejected',
      403,
      `${fullName(repo)} is not on the allow-list; add it to HEARTH_REPOS to run it here.`,
      null,
    );
  }
  if (request === null && news === null) return conclude('ignored', 200, note ?? 'it asks for nothing', null);
  return conclude('accepted', 202, 'accepted', request, news);
}

const EVENT = /^[a-z][a-z0-9_]{0,63}$/;
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const SIGNATURE = /^sha256=[0-9a-f]{64}$/;
/** Compared in place of a malformed signature, so that every refusal takes the same time. */
const NO_SIGNATURE = `sha256=${'0'.repeat(64)}`;

/** Whether one of the secrets made this signature of these bytes. All are tried, whichever fits. */
async function isSigned(
  header: string | readonly string[] | undefined,
  body: Uint8Array,
  secrets: readonly Secret[],
): Promise<boolean> {
  const isWellFormed = typeof header === 'string' && SIGNATURE.test(header);
  const signature = isWellFormed ? header : NO_SIGNATURE;
  const text = exactText(body);
  let isGenuine = false;
  for (const secret of secrets) {
    const fits =
      text === undefined
        ? bytesFit(secret.reveal(), body, signature)
        : await new Webhooks({ secret: secret.reveal() }).verify(text, signature);
    isGenuine ||= fits;
  }
  return isWellFormed && isGenuine;
}

/** The text with exactly these bytes (a byte order mark counts), or undefined when they are none. */
function exactText(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body) || undefined;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Octokit verifies text only. Bytes that are no text still need a verdict: 401 from strangers, 400 from GitHub. */
function bytesFit(secret: string, body: Uint8Array, signature: string): boolean {
  const expected = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  return timingSafeEqual(Buffer.from(expected), Buffer.from(signature));
}

function refused(status: 400 | 401, message: string): DeliveryReading {
  return { verdict: 'rejected', status, message, delivery: null, request: null, news: null };
}

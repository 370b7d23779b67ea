/** A frame that became a request, or what is wrong with it. */
import type { RawData } from 'ws';
import { REQUEST_TYPES, requestSchema, type ErrorCode, type Request } from '../protocol/messages.ts';
import { requestIdSchema } from '../protocol/names.ts';

export type ReadRequest =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly id: string; readonly code: ErrorCode; readonly message: string };

/** The id of answers to what had none that could be read. */
export const NO_ID = 'unknown';
const MOST_ISSUES = 5;

export function readRequest(data: RawData, isBinary: boolean): ReadRequest {
  if (isBinary) return wrong(NO_ID, 'bad-frame', 'Send text frames; this one is binary.');
  const value = parse(textOf(data));
  if (value === undefined) return wrong(NO_ID, 'bad-frame', 'Send one JSON object per frame; this is none.');
  const given = requestIdSchema.safeParse(value['id']);
  const id = given.success ? given.data : NO_ID;
  const { type } = value;
  if (typeof type !== 'string' || !REQUEST_TYPES.includes(type)) {
    return wrong(id, 'unknown-type', `Send one of the types ${REQUEST_TYPES.join(', ')}.`);
  }
  const result = requestSchema.safeParse(value);
  if (result.success) return { ok: true, request: result.data };
  const issues = result.error.issues.slice(0, MOST_ISSUES).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  return wrong(id, 'bad-message', issues.join('; '));
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Not JSON; the caller says so.
    return undefined;
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8');
  return Buffer.from(data as Buffer).toString('utf8');
}

function wrong(id: string, code: ErrorCode, message: string): ReadRequest {
  return { ok: false, id, code, message };
}

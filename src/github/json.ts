/** JSON from outside. */
import { failed, success, type Result } from '../core/result.ts';

/** GitHub's payloads nest less than ten deep; a body of brackets alone must not cost more than reading it. */
const MAX_DEPTH = 64;

/** Parses UTF-8 JSON. A key named `__proto__` becomes an ordinary property and changes no prototype. */
export function readJson(bytes: Uint8Array): Result<unknown, string> {
  if (isTooDeep(bytes)) return failed(`The body nests deeper than ${MAX_DEPTH} levels.`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return success(JSON.parse(text) as unknown);
  } catch (error) {
    if (error instanceof SyntaxError) return failed('The body is not valid JSON.');
    if (error instanceof TypeError) return failed('The body is not valid UTF-8.');
    throw error;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Brackets inside strings do not count. In UTF-8 no part of a longer character looks like one. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (isInString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) {
      isInString = true;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
    }
  }
  return false;
}

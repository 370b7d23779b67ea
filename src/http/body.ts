/** Reads request bodies as raw bytes, within a cap for each and a budget for all that are in memory at once. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** GitHub does not send larger payloads. */
export const MAX_BODY_BYTES = 25 * 1024 ** 2;
export const MAX_IN_FLIGHT_BYTES = 64 * 1024 ** 2;
/** Bodies up to this size have a quarter of the budget to themselves, so that large ones from strangers cannot shut out pushes. */
const SMALL_BYTES = 1024 ** 2;
const LARGE_SHARE = 0.75;

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly maxInFlightBytes: number;
}

export type BodyReading =
  /** Call `release` when the bytes are no longer needed. */
  | { readonly kind: 'read'; readonly bytes: Buffer; readonly release: () => void }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'busy' }
  /** The client left; there is nobody to answer. */
  | { readonly kind: 'gone' };

export type BodyReader = (request: IncomingMessage) => Promise<BodyReading>;

/** One reader per server, since it counts. What was received counts, not what was announced. */
export function createBodyReader({ maxBodyBytes, maxInFlightBytes }: BodyLimits): BodyReader {
  let inFlight = 0;
  let inFlightLarge = 0;

  return function readBody(request) {
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) return Promise.resolve({ kind: 'too-large' });
    const chunks: Buffer[] = [];
    let size = 0;
    const release = (): void => {
      inFlight -= size;
      if (size > SMALL_BYTES) inFlightLarge -= size;
      size = 0;
    };
    const add = (bytes: number): void => {
      if (size + bytes > SMALL_BYTES) inFlightLarge += size > SMALL_BYTES ? bytes : size + bytes;
      inFlight += bytes;
      size += bytes;
    };
    return new Promise((resolve) => {
      const settle = (reading: BodyReading): void => {
        request.off('data', onData).off('end', onEnd).off('close', onClose);
        if (reading.kind !== 'read') release();
        resolve(reading);
      };
      const onData = (chunk: Buffer): void => {
        add(chunk.length);
        if (size > maxBodyBytes) settle({ kind: 'too-large' });
        else if (inFlight > maxInFlightBytes || (size > SMALL_BYTES && inFlightLarge > maxInFlightBytes * LARGE_SHARE))
          settle({ kind: 'busy' });
        else chunks.push(chunk);
      };
      const onEnd = (): void => {
        settle({ kind: 'read', bytes: Buffer.concat(chunks), release });
      };
      const onClose = (): void => {
        settle({ kind: 'gone' });
      };
      request.on('data', onData).on('end', onEnd).on('close', onClose);
    });
  };
}

/** A client that is still sending reads the answer only if the connection stays open for a moment. */
const LINGER_MS = 1000;

/** Answers while the body is still arriving, throws the rest away, and closes the connection. */
export function answerAndClose(request: IncomingMessage, response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.write(body);
  const timer = setTimeout(end, LINGER_MS);
  function end(): void {
    clearTimeout(timer);
    response.end();
  }
  request
    .on('data', () => undefined)
    .once('end', end)
    .once('close', end)
    .resume();
}

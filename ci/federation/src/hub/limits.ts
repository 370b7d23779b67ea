/** How fast one connection may ask: a bucket of tokens that may run into debt, and the wait that pays it back. */

export interface Rate {
  /** Messages per second in the long run. */
  readonly perSecond: number;
  /** Messages at once. */
  readonly burst: number;
}

export interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export function fullBucket(rate: Rate, nowMs: number): Bucket {
  return { tokens: rate.burst, atMs: nowMs };
}

/** Takes one token. `waitMs` is how long nothing more should be read; 0 = go on. A clock that goes back refills nothing. */
export function spend(bucket: Bucket, rate: Rate, nowMs: number): { readonly bucket: Bucket; readonly waitMs: number } {
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  const tokens = Math.min(rate.burst, bucket.tokens + (elapsedMs * rate.perSecond) / 1000) - 1;
  return { bucket: { tokens, atMs: nowMs }, waitMs: tokens >= 0 ? 0 : Math.ceil((-tokens / rate.perSecond) * 1000) };
}

/**
 * Replaces known secrets in a stream of bytes before it reaches the disk. Where matches overlap their union is
 * replaced, so no order of the secrets can leave a rest of one. Masking is the last net, not the barrier.
 */

export interface Masker {
  /** The next bytes that are safe to write; what could be the beginning of a secret is kept back until it is decided. */
  push(chunk: Uint8Array): Uint8Array;
  /** The rest, at the end of the stream. The masker is then as new. */
  flush(): Uint8Array;
  /** One sentence for every needle that is not masked, without its text. */
  readonly warnings: readonly string[];
}

/** Shorter secrets would blank out ordinary words and tell by that what they are. */
export const MIN_SECRET_BYTES = 6;

const MASK = new TextEncoder().encode('***');

/**
 * A masker for these byte strings: every form in which a secret may appear (plain, base64 …) is one needle, made by the
 * caller. Keeps back at most the longest needle's length − 1 bytes; equal needles count once.
 */
export function createMasker(needles: readonly Uint8Array[]): Masker {
  const warnings: string[] = [];
  const usable = new Map<string, Uint8Array>();
  for (const [index, needle] of needles.entries()) {
    if (needle.length === 0) continue;
    if (needle.length < MIN_SECRET_BYTES) {
      warnings.push(
        `secret ${index + 1} of ${needles.length} has fewer than ${MIN_SECRET_BYTES} bytes and is not masked; use a longer one`,
      );
    } else usable.set(needle.join(), needle);
  }
  return usable.size === 0
    ? { warnings, push: (chunk) => chunk, flush: () => new Uint8Array() }
    : { warnings, ...createStream([...usable.values()]) };
}

/** One text with the secrets replaced, by a masker that no stream is using. */
export function maskText(masker: Pick<Masker, 'push' | 'flush'>, text: string): string {
  const bytes = new TextEncoder().encode(text);
  // A mark at its beginning belongs to the text.
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(concat([masker.push(bytes), masker.flush()]));
}

function createStream(needles: readonly Uint8Array[]): Pick<Masker, 'push' | 'flush'> {
  const search = createSearch(needles);
  let carry: Uint8Array = new Uint8Array();
  /** So many bytes at the start of `carry` belong to a match whose mask was already written. */
  let covered = 0;

  function advance(bytes: Uint8Array, end: number): Uint8Array {
    const pieces: Uint8Array[] = [];
    let done = Math.min(covered, end);
    let coveredUntil = covered;
    for (const match of search.matches(bytes, end)) {
      // A match that begins inside another one only makes that one longer.
      if (match.start >= coveredUntil) {
        pieces.push(bytes.subarray(done, match.start), MASK);
      }
      coveredUntil = Math.max(coveredUntil, match.start + match.length);
      done = Math.min(coveredUntil, end);
    }
    pieces.push(bytes.subarray(done, end));
    carry = bytes.slice(end);
    covered = Math.max(0, coveredUntil - end);
    return concat(pieces);
  }

  return {
    push(chunk) {
      const bytes = carry.length === 0 ? chunk : concat([carry, chunk]);
      return advance(bytes, search.undecidedFrom(bytes));
    },
    flush() {
      return advance(carry, carry.length);
    },
  };
}

interface Match {
  readonly start: number;
  readonly length: number;
}

/**
 * Wu–Manber with blocks of two bytes: it looks at one block in up to `shortest − 1` bytes, whatever the number of
 * needles. A log runs through here once, so this is what bounds the speed of every job's output.
 */
function createSearch(needles: readonly Uint8Array[]) {
  const shortest = Math.min(...needles.map(({ length }) => length));
  const longest = Math.max(...needles.map(({ length }) => length));
  const skip = new Uint16Array(65_536).fill(Math.min(shortest - 1, 65_535));
  const candidates = new Map<number, Uint8Array[]>();
  const firsts = new Uint8Array(256);
  /** By their first two bytes. */
  const beginnings = new Map<number, Uint8Array[]>();
  for (const needle of [...needles].sort((a, b) => b.length - a.length)) {
    firsts[needle[0] ?? 0] = 1;
    const beginning = blockAt(needle, 1);
    beginnings.set(beginning, [...(beginnings.get(beginning) ?? []), needle]);
    for (let at = 1; at < shortest; at++) {
      const block = blockAt(needle, at);
      skip[block] = Math.min(skip[block] ?? 0, shortest - 1 - at);
    }
    const block = blockAt(needle, shortest - 1);
    candidates.set(block, [...(candidates.get(block) ?? []), needle]);
  }

  return {
    /** All matches that begin before `end`, by start; the longest where several begin at one byte. */
    *matches(bytes: Uint8Array, end: number): Generator<Match> {
      const last = Math.min(bytes.length - 1, end - 1 + shortest - 1);
      let at = shortest - 1;
      while (at <= last) {
        const block = blockAt(bytes, at);
        const jump = skip[block] ?? 0;
        if (jump > 0) {
          at += jump;
          continue;
        }
        const start = at - shortest + 1;
        const needle = candidates.get(block)?.find((candidate) => isAt(bytes, start, candidate));
        if (needle !== undefined) yield { start, length: needle.length };
        at += 1;
      }
    },
    /** Where the first needle may begin that the end of `bytes` cuts off; its length when there is none. */
    undecidedFrom(bytes: Uint8Array): number {
      for (let start = Math.max(0, bytes.length - longest + 1); start < bytes.length; start++) {
        if (firsts[bytes[start] ?? 0] === 0) continue;
        const length = bytes.length - start;
        if (length === 1) return start;
        const likely = beginnings.get(blockAt(bytes, start + 1)) ?? [];
        if (likely.some((needle) => needle.length > length && isAt(bytes, start, needle.subarray(0, length))))
          return start;
      }
      return bytes.length;
    },
  };
}

/** The two bytes that end at `at`, as one number. */
function blockAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at - 1] ?? 0) << 8) | (bytes[at] ?? 0);
}

function isAt(bytes: Uint8Array, start: number, needle: Uint8Array): boolean {
  if (start + needle.length > bytes.length) return false;
  for (let index = 0; index < needle.length; index++) {
    if (bytes[start + index] !== needle[index]) return false;
  }
  return true;
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const filled = pieces.filter((piece) => piece.length > 0);
  if (filled.length === 1 && filled[0] !== undefined) return filled[0];
  const whole = new Uint8Array(filled.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of filled) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

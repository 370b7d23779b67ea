/** Whether a push may be stored: episodes follow each other without a gap and never change. */
import type { Episode } from '../protocol/episode.ts';

export type Admission =
  /** `fresh` are those that are not stored yet; none = a repetition. */
  | { readonly kind: 'accepted'; readonly fresh: readonly Episode[]; readonly through: number }
  | { readonly kind: 'gap'; readonly expected: number }
  | { readonly kind: 'conflict'; readonly sequence: number };

/**
 * `lastSequence` is the agent's last that is stored; `storedDigest` gives the digest of a stored one. A push that
 * repeats what is stored is accepted again, also in part.
 */
export function admit(
  episodes: readonly Episode[],
  lastSequence: number,
  storedDigest: (sequence: number) => string | undefined,
): Admission {
  const first = episodes[0]?.sequence ?? 0;
  const outOfOrder = episodes.find(({ sequence }, index) => sequence !== first + index);
  if (outOfOrder !== undefined) return { kind: 'gap', expected: first + episodes.indexOf(outOfOrder) };
  if (first > lastSequence + 1) return { kind: 'gap', expected: lastSequence + 1 };
  const repeated = episodes.filter(({ sequence }) => sequence <= lastSequence);
  const changed = repeated.find(({ sequence, digest }) => storedDigest(sequence) !== digest);
  if (changed !== undefined) return { kind: 'conflict', sequence: changed.sequence };
  const fresh = episodes.filter(({ sequence }) => sequence > lastSequence);
  return { kind: 'accepted', fresh, through: first + episodes.length - 1 };
}

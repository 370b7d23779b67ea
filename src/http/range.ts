/** `Range: bytes=…`, one range only, as RFC 9110 §14 has it. */

export type ByteRange =
  /** No range, or one in a form that may be ignored. */
  | { readonly kind: 'whole' }
  /** `end` is not included. */
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' };

export function parseRange(header: string | undefined, size: number): ByteRange {
  const parts = /^bytes=(?<first>\d{0,15})-(?<last>\d{0,15})$/.exec(header?.trim() ?? '')?.groups;
  const first = parts?.['first'] ?? '';
  const last = parts?.['last'] ?? '';
  if (first === '' && last === '') return { kind: 'whole' };
  if (first === '') {
    const start = Math.max(0, size - Number(last));
    return Number(last) === 0 || size === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', start, end: size };
  }
  if (last !== '' && Number(last) < Number(first)) return { kind: 'whole' };
  if (Number(first) >= size) return { kind: 'unsatisfiable' };
  return { kind: 'part', start: Number(first), end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

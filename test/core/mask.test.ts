import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMasker, maskText } from '../../src/core/secrets/mask.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes);

/** The output of a masker that gets the text in pieces cut at these offsets. */
function mask(text: string, secrets: readonly string[], cuts: readonly number[] = []): string {
  const masker = createMasker(secrets.map(encode));
  const bytes = encode(text);
  const edges = [0, ...cuts, bytes.length];
  const pieces = edges.slice(1).map((end, index) => decode(masker.push(bytes.slice(edges[index], end))));
  return `${pieces.join('')}${decode(masker.flush())}`;
}

/** What the masker promises, in the slowest and plainest way. */
function oracle(text: string, secrets: readonly string[]): string {
  const starts = Array.from(text, (_, at) =>
    Math.max(0, ...secrets.filter((secret) => text.startsWith(secret, at)).map(({ length }) => length)),
  );
  let output = '';
  let coveredUntil = 0;
  for (const [at, length] of starts.entries()) {
    if (length > 0 && at >= coveredUntil) output += '***';
    if (length > 0) coveredUntil = Math.max(coveredUntil, at + length);
    if (at >= coveredUntil) output += text[at] ?? '';
  }
  return output;
}

test('replaces a secret wherever it stands', () => {
  expect(mask('a s3cret! b s3cret!', ['s3cret!'])).toBe('a *** b ***');
});

test('takes the longest secret where several begin', () => {
  expect(mask('token-123-extended', ['token-123', 'token-123-extended'])).toBe('***');
});

test('leaves no rest of either where two secrets overlap', () => {
  expect(mask('xxabcdefghixx', ['abcdef', 'defghi'])).toBe('xx***xx');
});

test('finds a secret across every single cut', () => {
  const text = 'before s3cret-value after';
  for (let cut = 0; cut <= text.length; cut++) expect(mask(text, ['s3cret-value'], [cut])).toBe('before *** after');
});

test('keeps back only what may be the beginning of a secret, so that a prompt is seen at once', () => {
  const masker = createMasker([encode('s3cret-value')]);
  expect(decode(masker.push(encode('name? ')))).toBe('name? ');
  expect(decode(masker.push(encode('value s3cr')))).toBe('value ');
  expect(decode(masker.push(encode('ub')))).toBe('s3crub');
});

test('gives out at the end what only looked like a beginning, and is then as new', () => {
  const masker = createMasker([encode('abcdef')]);
  masker.push(encode('abcde'));
  expect(decode(masker.flush())).toBe('abcde');
  expect(decode(masker.push(encode('f abcdef.')))).toBe('f ***.');
});

test('ignores secrets under six bytes with a warning that does not show them', () => {
  const masker = createMasker([encode('abcde'), encode('long enough'), encode('')]);
  expect(decode(masker.push(encode('abcde long enough')))).toBe('abcde ***');
  expect(masker.warnings).toHaveLength(1);
  expect(masker.warnings[0]).toMatch(/^secret 1 of 3 /);
  expect(masker.warnings[0]).not.toContain('abcde');
});

test('passes everything on untouched without secrets', () => {
  const masker = createMasker([]);
  expect(decode(masker.push(encode('anything')))).toBe('anything');
});

test('masks raw bytes that are no text', () => {
  const masker = createMasker([Uint8Array.of(0, 255, 254, 128, 0, 7)]);
  const input = Uint8Array.of(1, 0, 255, 254, 128, 0, 7, 200);
  expect([...masker.push(input), ...masker.flush()]).toEqual([1, 42, 42, 42, 200]);
});

// Two letters make repetitions and near misses the normal case; slices of one base make secrets that overlap.
const letters = (minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom('a', 'b'), { minLength, maxLength }).map((all) => all.join(''));
const sliceOf = (base: string, least: number) =>
  fc
    .tuple(fc.nat(base.length - least), fc.integer({ min: least, max: 14 }))
    .map(([start, length]) => base.slice(start, start + length))
    .filter((slice) => slice.length >= least);
const secretsAndText = letters(20, 30).chain((base) =>
  fc.record({
    secrets: fc.array(sliceOf(base, 6), { minLength: 1, maxLength: 4 }),
    text: fc.array(fc.oneof(sliceOf(base, 1), letters(0, 3)), { maxLength: 8 }).map((pieces) => pieces.join('')),
    cuts: fc.array(fc.nat(60), { maxLength: 5 }),
  }),
);

test('hides the same bytes whichever way the stream is cut', () => {
  fc.assert(
    fc.property(secretsAndText, ({ secrets, text, cuts }) => {
      const expected = oracle(text, secrets);
      const sorted = cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b);
      expect(mask(text, secrets, sorted)).toBe(expected);
      for (let cut = 0; cut <= text.length; cut++) expect(mask(text, secrets, [cut])).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

test('shows no secret of any length, byte by byte, with many secrets at once', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 6, maxLength: 40, unit: 'grapheme-ascii' }), { minLength: 1, maxLength: 30 }),
      fc.string(),
      fc.nat(),
      (secrets, noise, pick) => {
        // A secret that the mask itself or the seam between two pieces spells is not one that leaked.
        fc.pre(secrets.every((secret) => !secret.includes('*')) && !noise.includes('*'));
        const secret = secrets[pick % secrets.length] ?? '';
        const text = `${noise}${secret}${noise}${secret}`;
        expect(
          mask(
            text,
            secrets,
            Array.from({ length: encode(text).length }, (_, at) => at),
          ),
        ).not.toContain(secret);
      },
    ),
    { numRuns: 300 },
  );
});

test('leaves a byte order mark at the beginning of a text that holds no secret', () => {
  const text = '\uFEFFa text';
  expect(maskText(createMasker([new TextEncoder().encode('hunter2')]), text)).toBe(text);
});

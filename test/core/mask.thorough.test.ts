import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMasker } from '../../src/core/secrets/mask.ts';
import { needlesOf } from '../../src/core/secrets/needles.ts';

const CASES = 20_000;

/** How a tool writes a secret into its output; `n` chooses where there is a choice. */
const tools: Readonly<Record<string, (secret: string, n: number) => string>> = {
  plain: (secret) => secret,
  trimmed: (secret) => secret.trim(),
  'with CRLF': (secret) => secret.replaceAll('\n', '\r\n'),
  base64: (secret, n) => Buffer.from(`${'u'.repeat(n % 3)}${secret}${'v'.repeat(n % 5)}`).toString('base64'),
  base64url: (secret, n) => Buffer.from(`${'u'.repeat(n % 3)}${secret}${'v'.repeat(n % 5)}`).toString('base64url'),
  'base64 in lines': (secret, n) =>
    (
      Buffer.from(`${secret}${n % 2 === 0 ? '' : '\n'}`)
        .toString('base64')
        .match(new RegExp(`.{1,${n % 2 === 0 ? 76 : 64}}`, 'g')) ?? []
    ).join('\n'),
  hex: (secret) => Buffer.from(secret).toString('hex'),
  HEX: (secret) => Buffer.from(secret).toString('hex').toUpperCase(),
  percent: (secret) => encodeURIComponent(secret),
  form: (secret) => encodeURIComponent(secret).replaceAll('%20', '+'),
  JSON: (secret) => JSON.stringify(secret),
  'JSON in JSON': (secret) => JSON.stringify(JSON.stringify(secret)),
  'single quotes': (secret) => `'${secret.replaceAll("'", `'\\''`)}'`,
  'double quotes': (secret) => `"${secret.replace(/[\\"$`]/g, '\\$&')}"`,
  HTML: (secret) =>
    secret
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;'),
};

const character = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(...Array.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789')),
  },
  { weight: 2, arbitrary: fc.constantFrom(...Array.from(`-_./+=~!@#$%^&*()"'<>\\ \`{}[]:;?|é€`)) },
);
const line = fc.array(character, { minLength: 9, maxLength: 60 }).map((all) => all.join(''));
const secretOf = fc.oneof(
  { weight: 4, arbitrary: line },
  { weight: 1, arbitrary: fc.array(line, { minLength: 2, maxLength: 4 }).map((lines) => `${lines.join('\n')}\n`) },
);

/** The longest run of characters that the output has from what the tool wrote. */
function longestRest(output: string, written: string): number {
  let longest = 0;
  for (let start = 0; start < written.length; start++)
    while (output.includes(written.slice(start, start + longest + 1)) && start + longest < written.length) longest += 1;
  return longest;
}

test(`${CASES} secrets, as the usual tools write them, leave no trace whichever way the output is cut`, () => {
  let cases = 0;
  const oneCase = fc.record({
    secret: secretOf,
    tool: fc.constantFrom(...Object.keys(tools)),
    n: fc.nat(30),
    noise: fc.constantFrom('', ' ', '\n', '0123 ', '= ', '\u001b[31m', '"'),
  });
  fc.assert(
    fc.property(oneCase, ({ secret, tool, n, noise }) => {
      fc.pre(secret.trim().length >= 9 && !secret.includes('***'));
      const written = tools[tool]?.(secret, n) ?? '';
      const bytes = Buffer.from(`${noise}${written}${noise}`);
      const masker = createMasker(needlesOf(secret));
      const whole = Buffer.concat([masker.push(bytes), masker.flush()]).toString();
      for (let cut = 0; cut <= bytes.length; cut++) {
        const output = Buffer.concat([
          masker.push(bytes.subarray(0, cut)),
          masker.push(bytes.subarray(cut)),
          masker.flush(),
        ]);
        if (output.toString() !== whole) expect(output.toString()).toBe(whole);
      }
      const encoded = tool.startsWith('base64') ? 8 : 5;
      if (longestRest(whole, written) > encoded) expect({ tool, secret, written, output: whole }).toBeUndefined();
      cases += 1;
    }),
    { numRuns: CASES },
  );
  expect(cases).toBe(CASES);
}, 180_000);

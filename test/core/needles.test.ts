import { describe, expect, it } from 'vitest';
import { needlesOf } from '../../src/core/secrets/needles.ts';

const textsOf = (secret: string): readonly string[] => needlesOf(secret).map((bytes) => Buffer.from(bytes).toString());
const KEY =
  '-----BEGIN KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\n-----END KEY-----\n';

describe('the forms of a secret', () => {
  it('are what the usual tools write', () => {
    const secret = `p@ss "w'ord" <&> $x\\é`;
    const forms = textsOf(secret);
    for (const form of [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      encodeURIComponent(secret).replaceAll('%20', '+'),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('hex'),
      Buffer.from(secret).toString('hex').toUpperCase(),
      'p@ss &quot;w&#39;ord&quot; &lt;&amp;&gt; $x\\é',
      `p@ss "w'\\''ord" <&> $x\\é`,
      `p@ss \\"w'ord\\" <&> \\$x\\\\é`,
      `p@ss \\"w'ord\\" <&> $x\\\\\\u00e9`,
    ])
      expect(forms).toContain(form);
  });

  it.each([
    ['Go and its JSON', 'p\\u0026ss\\u003cw\\u003e/,#~\\"\'x'],
    ['printf %q of bash', `p\\&ss\\<w\\>/\\,#~\\"\\'x`],
    ['a password in a URL by Node', `p&ss%3Cw%3E%2F,%23~%22'x`],
    ['a password in a URL by Go', 'p&ss%3Cw%3E%2F,%23~%22%27x'],
    ['quote() of Python', 'p%26ss%3Cw%3E/%2C%23~%22%27x'],
    ['a form on the web', 'p%26ss%3Cw%3E%2F%2C%23%7E%22%27x'],
    ['HTML by Python', 'p&amp;ss&lt;w&gt;/,#~&quot;&#x27;x'],
    ['HTML by Go', 'p&amp;ss&lt;w&gt;/,#~&#34;&#39;x'],
    ['single quotes of YAML', `p&ss<w>/,#~"''x`],
    ['a field of CSV', `p&ss<w>/,#~""'x`],
  ])('are also what %s writes', (_, form) => {
    expect(textsOf(`p&ss<w>/,#~"'x`)).toContain(form);
  });

  it.each([0, 1, 2])('are found in base64 of a text that has %i bytes before them and more behind', (shift) => {
    const secret = 'hunter2-hunter2';
    const whole = Buffer.from(`${'x'.repeat(shift)}${secret}yz`).toString('base64');
    const found = textsOf(secret).filter((form) => form.length > 12 && whole.includes(form));
    expect(found).not.toEqual([]);
    // What is left says at most the bits that share a character with a neighbour.
    expect(found.some((form) => whole.replace(form, '').length <= 9)).toBe(true);
  });

  it('include the lines of a longer one, but not its brackets', () => {
    const forms = textsOf('{\n  "private_key": "abcdefgh",\n  "x": 1\n}');
    expect(forms).toContain('"private_key": "abcdefgh",');
    expect(forms).not.toContain('{');
    expect(textsOf(KEY)).toContain('MIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu');
  });

  it.each([64, 76])('include base64 that was broken into lines of %i', (width) => {
    const encoded = Buffer.from(KEY).toString('base64');
    const lines = encoded.match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(textsOf(KEY)).toContain(line);
  });

  it('stand for the same text with the line ends of another system', () => {
    expect(textsOf('first line\nsecond line')).toContain('first line\r\nsecond line');
    expect(textsOf('first line\r\nsecond line')).toContain('first line\nsecond line');
  });

  it('come once each', () => {
    const forms = textsOf('plainsecret');
    expect(new Set(forms).size).toBe(forms.length);
  });
});

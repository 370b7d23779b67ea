/**
 * The forms in which a secret may turn up in output: as it is, and as the usual tools write it. Each is one needle for
 * the masker. It is a net for accidents; a job that wants to betray its secret can always find another form.
 */

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Shorter lines of a longer secret are words and brackets of its format. The masker has its own, smaller limit. */
const MIN_LINE_BYTES = 8;

/**
 * All forms of one secret: whole, trimmed, its lines, with other line ends; base64 at any of three offsets, in both
 * alphabets, also broken into lines as `base64` and `openssl` do; hex; percent-encoded; escaped for JSON, HTML and shells.
 * Equal forms come once.
 */
export function needlesOf(secret: string): readonly Uint8Array[] {
  const trimmed = secret.trim();
  const lines = linesOf(secret);
  const texts = new Set<string>([secret, trimmed, ...withOtherEnds(secret), ...withOtherEnds(trimmed), ...lines]);
  const needles = new Map<string, Uint8Array>();
  const add = (bytes: Uint8Array): void => {
    if (bytes.length > 0) needles.set(latin1(bytes), bytes);
  };
  for (const text of texts) {
    const bytes = encode(text);
    add(bytes);
    for (const escaped of escapedForms(text)) add(encode(escaped));
    for (const digits of hexForms(bytes)) add(encode(digits));
    for (const digits of base64Forms(bytes)) add(encode(digits));
  }
  // With and without the line end that `echo` adds.
  for (const text of new Set([secret, `${secret}\n`, trimmed, `${trimmed}\n`]))
    for (const line of wrapped(encode(text))) add(encode(line));
  return [...needles.values()];
}

function linesOf(secret: string): readonly string[] {
  const lines = secret.split(/\r\n|\n|\r/).map((line) => line.trim());
  return lines.length === 1 ? [] : lines.filter((line) => encode(line).length >= MIN_LINE_BYTES);
}

function withOtherEnds(text: string): readonly string[] {
  const plain = text.replaceAll('\r\n', '\n');
  return plain.includes('\n') ? [plain, plain.replaceAll('\n', '\r\n'), plain.replaceAll('\n', ' ')] : [];
}

function escapedForms(text: string): readonly string[] {
  const json = JSON.stringify(text).slice(1, -1);
  const percents = [...KEPT_IN_URLS.map((kept) => percentEncoded(text, kept)), encodeText(text)];
  return [
    json,
    json.replaceAll('/', '\\/'),
    // JSON inside of JSON.
    JSON.stringify(json).slice(1, -1),
    // Non-ASCII as \u00e9, as Python and many loggers write it.
    json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
    // What means something in HTML, as Go writes it.
    json.replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`),
    ...percents.flatMap((uri) => [uri, uri.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())]),
    ...percents.map((uri) => uri.replaceAll('%20', '+')),
    htmlOf(text, '&quot;', '&#39;'),
    htmlOf(text, '&quot;', '&#x27;'),
    htmlOf(text, '&#34;', '&#39;'),
    htmlOf(text, '&#34;', '&#x27;'),
    htmlOf(text, '"', "'"),
    htmlOf(text, '&quot;', '&apos;'),
    // Inside single quotes of a shell, inside double quotes, and without quotes.
    text.replaceAll("'", `'\\''`),
    text.replaceAll("'", `'"'"'`),
    text.replace(/[\\"$`]/g, '\\$&'),
    text.replace(/[^A-Za-z0-9_@%+=:,./\n-]/g, '\\$&'),
    // As `printf %q` of bash does it.
    text.replace(/^[#~]|[^A-Za-z0-9_@%+=:./#~-]/g, '\\$&'),
    // Quotes that are doubled: YAML, SQL, CSV.
    text.replaceAll("'", "''"),
    text.replaceAll('"', '""'),
    // $'…' of bash, repr() of Python.
    text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t'),
  ];
}

/** What stays as it is beside letters and digits: by the standard, in paths (Python), as a password (browsers and Node; Go), in forms. */
const KEPT_IN_URLS = ['-._~', '-._~/', "-._~!$%&'()*+,", '-._~$&+,;=', '-._*'];

function percentEncoded(text: string, kept: string): string {
  const signs = Array.from(encode(text), (byte) => {
    const sign = String.fromCharCode(byte);
    return /[A-Za-z0-9]/.test(sign) || kept.includes(sign) ? sign : percentOf(byte);
  });
  return signs.join('');
}

function percentOf(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** As JavaScript does it; half of a surrogate pair cannot be encoded. */
function encodeText(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function htmlOf(text: string, quote: string, apostrophe: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', quote)
    .replaceAll("'", apostrophe);
}

function hexForms(bytes: Uint8Array): readonly string[] {
  const pairs = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'));
  const plain = pairs.join('');
  return [plain, plain.toUpperCase(), pairs.join(' '), pairs.join(':'), pairs.map((pair) => `\\x${pair}`).join('')];
}

/** Only the characters that the secret alone decides: what stands before and after it in the encoded data may vary. */
function base64Forms(bytes: Uint8Array): readonly string[] {
  const forms = [0, 1, 2].flatMap((shift) => {
    const digits = base64(concat([new Uint8Array(shift), bytes])).replaceAll('=', '');
    const first = Math.ceil((shift * 8) / 6);
    const last = Math.floor(((shift + bytes.length) * 8) / 6);
    return digits.slice(first, last);
  });
  const whole = base64(bytes);
  return [...forms, whole, ...[...forms, whole].map(urlSafe)];
}

/** `base64` breaks lines after 76 characters, `openssl` and PEM after 64. */
function wrapped(bytes: Uint8Array): readonly string[] {
  const digits = base64(bytes);
  return [64, 76].flatMap((width) =>
    digits.length <= width ? [] : (digits.match(new RegExp(`.{1,${width}}`, 'g')) ?? []),
  );
}

function urlSafe(digits: string): string {
  return digits.replaceAll('+', '-').replaceAll('/', '_');
}

function base64(bytes: Uint8Array): string {
  return btoa(latin1(bytes));
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

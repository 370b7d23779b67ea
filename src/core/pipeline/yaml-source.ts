/** From a place in a text to the place in the YAML that it was written as, where quotes, escapes and indentation are. Pure. */

/** Where the character at `offset` of the text, or the next one that is no space, stands in its YAML source. */
export function offsetInSource(raw: string, text: string, offset: number): number {
  // Spaces and line ends are what folding and indentation change; all others are there one by one.
  const before = text.slice(0, offset).replace(/\s/g, '').length;
  let seen = 0;
  for (const { at, length } of characters(raw)) {
    if (before < seen + length) return at;
    seen += length;
  }
  return seen === 0 ? 0 : raw.length - 1;
}

interface Character {
  readonly at: number;
  /** Of the text that it stands for, in UTF-16 units. */
  readonly length: number;
}

/** Every character of the value that is no space. */
function* characters(raw: string): Generator<Character> {
  const style = /^[|>]/.test(raw) ? 'block' : raw[0] === '"' ? 'double' : raw[0] === "'" ? 'single' : 'plain';
  const end = style === 'double' || style === 'single' ? raw.length - 1 : raw.length;
  const first = style === 'block' ? raw.indexOf('\n') + 1 : style === 'plain' ? 0 : 1;
  for (let at = first; at < end; at++) {
    const start = at;
    if (style === 'double' && raw[at] === '\\') {
      at += 1 + (DIGITS[raw[at + 1] ?? ''] ?? 0);
      if (!/[\sntrvf]/.test(raw[start + 1] ?? ' ')) yield { at: start, length: lengthOf(raw.slice(start + 2, at + 1)) };
    } else if (!/\s/.test(raw[at] ?? ' ')) {
      if (style === 'single' && raw[at] === "'") at += 1;
      yield { at: start, length: 1 };
    }
  }
}

/** `\x41`, `\u0041` and `\U00000041`. */
const DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

function lengthOf(hex: string): number {
  return Number.parseInt(hex, 16) > 0xffff ? 2 : 1;
}

/**
 * GitHub's filter patterns for branches, tags and paths. Matched without regular expressions and in time pattern × text, since both come
 * from people who may want a slow match: `*` any characters but "/", `**` any characters, `?` zero or one of the
 * character before, `+` one or more of it, `[abc]` and `[a-z]` one of these, `\` takes the next character as it is.
 */
interface Piece {
  readonly accepts: (character: string) => boolean;
  readonly optional: boolean;
  readonly repeats: boolean;
  /** So many pieces may be passed over together. */
  readonly leap?: number;
}

/** Whether a list of patterns lets a name through: the last pattern that matches decides; `!` in front says no. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  let verdict = false;
  for (const pattern of patterns) {
    const negative = pattern.startsWith('!');
    if (matchesPattern(negative ? pattern.slice(1) : pattern, name)) verdict = !negative;
  }
  return verdict;
}

export function matchesPattern(pattern: string, name: string): boolean {
  const pieces = piecesOf(pattern);
  let places = reach(pieces, new Set([0]));
  for (const character of name) {
    const next = new Set<number>();
    for (const place of places) {
      const piece = pieces[place];
      if (!piece?.accepts(character)) continue;
      next.add(place + 1);
      if (piece.repeats) next.add(place);
    }
    places = reach(pieces, next);
    if (places.size === 0) return false;
  }
  return places.has(pieces.length);
}

/** Adds the places that can be reached without a character. */
function reach(pieces: readonly Piece[], from: ReadonlySet<number>): Set<number> {
  const places = new Set(from);
  for (const place of places) {
    const piece = pieces[place];
    if (piece?.optional) places.add(place + 1);
    if (piece?.leap !== undefined) places.add(place + piece.leap);
  }
  return places;
}

function piecesOf(pattern: string): Piece[] {
  const characters = Array.from(pattern);
  const pieces: Piece[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    const last = pieces.at(-1);
    if (character === '*') {
      const deep = characters[at + 1] === '*';
      // `**/a` is also `a`: the folders before it may be none.
      if (deep && characters[at + 2] === '/' && (at === 0 || characters[at - 1] === '/')) pieces.push(FOLDERS_OR_NONE);
      if (deep) at += 1;
      pieces.push({ accepts: deep ? () => true : (one) => one !== '/', optional: true, repeats: true });
    } else if (character === '?' && last) pieces[pieces.length - 1] = { ...last, optional: true };
    else if (character === '+' && last) pieces[pieces.length - 1] = { ...last, repeats: true };
    else if (character === '[' && characters.includes(']', at + 2)) {
      const end = characters.indexOf(']', at + 2);
      pieces.push(single(oneOf(characters.slice(at + 1, end))));
      at = end;
    } else {
      const literal = character === '\\' ? (characters[++at] ?? '\\') : character;
      pieces.push(single((one) => one === literal));
    }
  }
  return pieces;
}

/** In front of `**` and `/`. */
const FOLDERS_OR_NONE: Piece = { accepts: () => false, optional: true, repeats: false, leap: 3 };

function single(accepts: (character: string) => boolean): Piece {
  return { accepts, optional: false, repeats: false };
}

/** `a-z` is a range, anything else stands for itself. */
function oneOf(characters: readonly string[]): (character: string) => boolean {
  const tests: ((character: string) => boolean)[] = [];
  for (let at = 0; at < characters.length; at++) {
    const low = characters[at] ?? '';
    const high = characters[at + 2];
    if (characters[at + 1] === '-' && high !== undefined) {
      tests.push((one) => one >= low && one <= high);
      at += 2;
    } else tests.push((one) => one === low);
  }
  return (one) => tests.some((test) => test(one));
}

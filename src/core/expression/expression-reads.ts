/** What an expression reads by literal path: `needs.a.result`, `needs['a'].result`. Anything computed ends the path. */
import { offsetIn, type Tokens } from './expression-syntax.ts';

export interface Read {
  /** In lower case. */
  readonly context: string;
  readonly names: readonly ReadName[];
}

export interface ReadName {
  readonly name: string;
  /** Characters after the beginning of the expression. */
  readonly offset: number;
}

/** `tokens` are those of an expression that is right. A context without a name behind it reads everything, and is left out. */
export function readsOf(expression: string, tokens: Tokens): readonly Read[] {
  return tokens.flatMap((token, index) => {
    const isName = /^[A-Za-z_]/.test(token.lexeme) && tokens[index - 1]?.lexeme !== '.';
    if (!isName || tokens[index + 1]?.lexeme === '(') return [];
    const names = namesAfter(expression, tokens, index + 1);
    return names.length === 0 ? [] : [{ context: token.lexeme.toLowerCase(), names }];
  });
}

function namesAfter(expression: string, tokens: Tokens, from: number): readonly ReadName[] {
  const names: ReadName[] = [];
  for (let at = from; ;) {
    const [first, second, third] = tokens.slice(at, at + 3);
    const isText = first?.lexeme === '[' && second?.lexeme.startsWith("'") === true && third?.lexeme === ']';
    const isDotted = first?.lexeme === '.' && second !== undefined && /^[A-Za-z_]/.test(second.lexeme);
    if (second === undefined || !(isText || isDotted)) return names;
    names.push({
      name: String(isText ? second.value : second.lexeme),
      offset: offsetIn(expression, second.range.start),
    });
    at += isText ? 3 : 2;
  }
}

import { expect, it } from 'vitest';
import { splitWords } from '../../src/core/words.ts';

it.each<[string, readonly string[] | undefined]>([
  ['', []],
  ['  a  b\n\tc ', ['a', 'b', 'c']],
  [`--cmd "pg_isready -U postgres" --x='a b'`, ['--cmd', 'pg_isready -U postgres', '--x=a b']],
  [`'' ""`, ['', '']],
  [`a'b'"c"d`, ['abcd']],
  [String.raw`a\ b "c\"d" "e\nf" 'g\h'`, ['a b', 'c"d', String.raw`e\nf`, String.raw`g\h`]],
  ['"open', undefined],
  ["it's", undefined],
])('splits %j', (text, words) => {
  expect(splitWords(text)).toEqual(words);
});

/** The last lines of an output, however much comes and however long its lines are. */

const MOST_CHARACTERS = 8192;
const LINES = 10;

export interface Tail {
  add(piece: Uint8Array): void;
  /** Without what a terminal would act upon. */
  lines(): readonly string[];
}

export function createTail(): Tail {
  const decoder = new TextDecoder();
  let text = '';
  return {
    add(piece) {
      text = (text + decoder.decode(piece, { stream: true })).slice(-MOST_CHARACTERS);
    },
    lines() {
      return text
        .split(/[\r\n]+/)
        .map((line) =>
          line
            .replaceAll('\t', ' ')
            .replaceAll(/\p{Cc}(?:\[[\d;?]*[A-Za-z])?/gu, '')
            .trimEnd(),
        )
        .filter((line) => line !== '')
        .slice(-LINES);
    },
  };
}

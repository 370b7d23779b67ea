/** A word from outside inside a message: as it is when harmless, else in quotes, escaped and cut. */
export function shown(word: string): string {
  return /^\.?\w[\w./@-]{0,58}$/.test(word) ? word : JSON.stringify(word.length > 60 ? `${word.slice(0, 59)}…` : word);
}

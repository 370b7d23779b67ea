// The end of what a process said. It takes everything, so that no full pipe ever holds the process up, and keeps little.

const KEPT = 20;
const LONGEST = 400;

export type LastLines = {
  readonly add: (chunk: string) => void;
  /** The last lines, the unfinished one included, each cut to a readable length. */
  readonly text: () => string;
};

export function keepLastLines(): LastLines {
  let lines: string[] = [];
  let rest = '';
  return {
    add: (chunk) => {
      const parts = (rest + chunk).split('\n');
      rest = (parts.pop() ?? '').slice(0, LONGEST);
      lines = [...lines, ...parts.map((line) => line.slice(0, LONGEST))].slice(-KEPT);
    },
    text: () => [...lines, ...(rest === '' ? [] : [rest])].slice(-KEPT).join('\n'),
  };
}

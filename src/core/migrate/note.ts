/** What a migration tells about one key of the original. */

/** `changed`: taken over in another form. `dropped`: not needed here. `todo`: somebody has to decide. */
export type NoteKind = 'changed' | 'dropped' | 'todo';

export interface Note {
  /** Line of the original, from 1; null where nothing of the original stands behind it. */
  readonly line: number | null;
  /** The key it is about, such as `jobs.test.runs-on`. */
  readonly key: string;
  readonly kind: NoteKind;
  /** Sentences: what became of it and what to do next. */
  readonly text: string;
}

/** A note and what stands in the file with it. */
export interface Remark extends Note {
  /** Lines of YAML that were left out, in the form of the original. */
  readonly original?: string;
}

const words: Readonly<Record<NoteKind, string>> = { changed: 'changed', dropped: 'left out', todo: 'by hand' };
const MAX_WIDTH = 110;
const MAX_ORIGINAL_LINES = 12;

/** The comment of a remark, without indentation. What a line of the original alone says fits into its first line. */
export function commentOf({ kind, text, original }: Remark, indent: number): readonly string[] {
  const lines = shortened(original ?? '');
  const [only] = lines;
  const head = `# ${words[kind]}: `;
  if (lines.length === 1 && only !== undefined && only.length <= 60)
    return wrapped(`${head}\`${only}\`. ${text}`, MAX_WIDTH - indent);
  return [...wrapped(`${head}${text}`, MAX_WIDTH - indent), ...lines.map((line) => `#   ${line}`.trimEnd())];
}

function shortened(text: string): readonly string[] {
  const lines = text
    .replace(/\s+$/, '')
    .split('\n')
    .map((line) => (line.length > MAX_WIDTH ? `${line.slice(0, MAX_WIDTH - 2)} …` : line));
  if (lines.length === 1 && lines[0] === '') return [];
  return lines.length <= MAX_ORIGINAL_LINES
    ? lines
    : [...lines.slice(0, MAX_ORIGINAL_LINES - 1), `… and ${lines.length - MAX_ORIGINAL_LINES + 1} more lines`];
}

function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  // What is code stays on one line.
  const whole = text
    .replace(/\s+/g, ' ')
    .replace(/\$\{\{.*?\}\}|`[^`]*`/g, (code) => (code.length > MAX_WIDTH / 2 ? code : code.replaceAll(' ', '\u0000')));
  for (const part of whole.split(' ')) {
    const word = part.replaceAll('\u0000', ' ');
    if (line !== '' && line.length + 1 + word.length > Math.max(40, width)) {
      lines.push(line);
      line = `#   ${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

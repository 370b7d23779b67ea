/** Reads the parts of a document that tests hold to the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './repository.ts';

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
  /** Of its first line in the document. */
  readonly line: number;
}

export function readDocument(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** The tables of a document whose first column has this heading. Code blocks are passed over. */
export function tablesOf(path: string, firstHeading: string): readonly Table[] {
  const tables: Table[] = [];
  let rows: (readonly string[])[] = [];
  for (const line of [...withoutCode(readDocument(path)).split('\n'), '']) {
    if (line.startsWith('|')) rows.push(cellsOf(line));
    else if (rows.length > 0) {
      const [head = [], , ...body] = rows;
      if (head[0] === firstHeading) tables.push({ head, rows: body });
      rows = [];
    }
  }
  return tables;
}

/** A bar inside a cell is written `\|`. */
function cellsOf(line: string): readonly string[] {
  return line
    .replace(/^\||\|\s*$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** What stands between backticks. */
export function ticked(text: string): readonly string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, word = '']) => word);
}

export function codeBlocksOf(text: string): readonly CodeBlock[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1] ?? '',
    text: match[2] ?? '',
    line: text.slice(0, match.index).split('\n').length + 1,
  }));
}

export function withoutCode(text: string): string {
  return text.replace(/^```\w*\n[\s\S]*?^```$/gm, '');
}

/** The text below a heading, up to the next one of the same or a higher level. */
export function sectionOf(text: string, heading: string): string {
  const lines = text.split('\n');
  const start = lines.indexOf(heading);
  if (start === -1) throw new Error(`there is no heading "${heading}"`);
  const level = /^#+/.exec(heading)?.[0].length ?? 0;
  const length = lines.slice(start + 1).findIndex((line) => (/^#+(?= )/.exec(line)?.[0].length ?? 99) <= level);
  return lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join('\n');
}

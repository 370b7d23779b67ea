/** The files that a step writes for later steps: GITHUB_ENV, GITHUB_PATH, GITHUB_OUTPUT. Format as on GitHub. */

/**
 * Reads `NAME=value` lines and `NAME<<DELIMITER … DELIMITER` blocks. A line that is neither is left out, and so is a block
 * that is not closed: a step that was killed while writing must not shift the rest.
 */
export function parseAssignments(text: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]?.replace(/\r$/, '') ?? '';
    const block = /^([^=<]+)<<(.+)$/.exec(line);
    if (block?.[1] !== undefined && block[2] !== undefined) {
      let end = at + 1;
      while (end < lines.length && lines[end]?.replace(/\r$/, '') !== block[2]) end += 1;
      if (end === lines.length) break;
      found[block[1]] = lines.slice(at + 1, end).join('\n');
      at = end;
      continue;
    }
    const equals = line.indexOf('=');
    if (equals > 0) found[line.slice(0, equals)] = line.slice(equals + 1);
  }
  return found;
}

/** Lines of GITHUB_PATH, the last one first, as it comes to stand in PATH. */
export function parsePaths(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .filter((line) => line !== '')
    .reverse();
}

/** Names that a step may not change for later ones: they would run code in every process that follows. */
const reserved = /^(GITHUB_|HEARTH_|NODE_OPTIONS$|CI$)/;

export function mayAssign(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !reserved.test(name);
}

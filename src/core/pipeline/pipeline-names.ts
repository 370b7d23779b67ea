/** Two files of one commit must not give one name: their statuses would overwrite each other. */
import type { Problem } from '../problem.ts';
import { shown } from '../shown.ts';

/** The problem of several files with one name; it stands at the first of them. */
export function duplicateName(name: string, files: readonly string[]): Problem {
  const message = `${files.map(shown).join(', ')} give the same pipeline name ${shown(name)}. Give each its own "name:".`;
  return { code: 'duplicate-pipeline', message, ...(files[0] === undefined ? {} : { file: files[0] }) };
}

/** Equal for names that the forge takes for one: it compares status contexts without regard to case. */
export function sameName(name: string): string {
  return name.toLowerCase();
}

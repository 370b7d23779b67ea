/** The files of this repository, for tests about the repository itself. */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Its top. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Paths from the top of all files below a folder whose name ends so, sorted. */
export function filesUnder(folder: string, ending: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .toSorted();
}

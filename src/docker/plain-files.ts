/** The plain files of a folder, whatever they are called: a name is bytes to the kernel, and need not be text. */
import { readdir } from 'node:fs/promises';

export interface PlainFile {
  /** For the system. */
  readonly path: Buffer;
  /** From the folder on, for people: what is no text in it is replaced. */
  readonly name: string;
}

const SLASH = Buffer.from('/');

/** The bytes of a path below a folder. */
export function below(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, SLASH, name]);
}

/** In order of their names. Only of a folder that nobody else can reach: links in it are left out, but nothing may change meanwhile. */
export async function plainFiles(folder: string): Promise<readonly PlainFile[]> {
  const found: PlainFile[] = [];
  async function visit(at: Buffer, prefix: string): Promise<void> {
    for (const entry of await readdir(at, { withFileTypes: true, encoding: 'buffer' })) {
      const name = `${prefix}${entry.name.toString('utf8')}`;
      if (entry.isDirectory()) await visit(below(at, entry.name), `${name}/`);
      else if (entry.isFile()) found.push({ path: below(at, entry.name), name });
    }
  }
  await visit(Buffer.from(folder), '');
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * `hashFiles()` over a workspace that processes of the job may still be changing: every folder is opened by its parent's
 * descriptor and no link is followed, so that the host reads nothing but the workspace.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { isErrno } from '../core/errno.ts';
import { ExpressionFailure } from '../core/expression/expression.ts';
import { matchesAny } from '../core/pattern.ts';
import { below } from './plain-files.ts';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const MAX_ENTRIES = 500_000;
const MAX_DEPTH = 100;

/**
 * Hex digest over the digests of all plain files whose path (from the top) matches, in order of their paths; empty when none
 * does. `!` excludes, the last pattern that matches decides. Throws ExpressionFailure for a workspace too large to be read.
 */
export async function hashFiles(root: string, patterns: readonly string[]): Promise<string> {
  const wanted = patterns.map((pattern) => pattern.replace(/^(!?)(?:\.\/|\/work\/)/, '$1'));
  const found: { readonly path: string; readonly digest: Buffer }[] = [];
  let entries = 0;

  async function walk(folder: FileHandle, prefix: string, depth: number): Promise<void> {
    const at = `/proc/self/fd/${folder.fd}`;
    for (const entry of await readdir(at, { withFileTypes: true, encoding: 'buffer' })) {
      if (++entries > MAX_ENTRIES || depth > MAX_DEPTH)
        throw new ExpressionFailure('hashFiles: the workspace is too large or too deep; name a smaller part of it');
      const path = `${prefix}${entry.name.toString('utf8')}`;
      const entryPath = below(Buffer.from(at), entry.name);
      if (entry.isDirectory()) {
        const below = await openOrGone(entryPath, O_DIRECTORY);
        if (below !== undefined) await closing(below, () => walk(below, `${path}/`, depth + 1));
      } else if (entry.isFile() && matchesAny(wanted, path)) {
        const file = await openOrGone(entryPath, O_NONBLOCK);
        if (file !== undefined) await closing(file, () => add(file, path));
      }
    }
  }

  async function add(file: FileHandle, path: string): Promise<void> {
    if (!(await file.stat()).isFile()) return;
    const hash = createHash('sha256');
    for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk as Buffer);
    found.push({ path, digest: hash.digest() });
  }

  const top = await open(root, O_RDONLY | O_DIRECTORY);
  await closing(top, () => walk(top, '', 0));
  if (found.length === 0) return '';
  const whole = createHash('sha256');
  for (const { digest } of found.toSorted((a, b) => (a.path < b.path ? -1 : 1))) whole.update(digest);
  return whole.digest('hex');
}

/** Undefined for what vanished or became something else since it was listed. */
async function openOrGone(path: Buffer, flag: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, O_RDONLY | O_NOFOLLOW | flag);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO')) return undefined;
    throw error;
  }
}

async function closing(handle: FileHandle, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    await handle.close();
  }
}

/** Which files and folders of a workspace match patterns, after its job has ended or while it is frozen. No link is followed. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../core/errno.ts';
import { matchesPattern } from '../core/pattern.ts';
import { failed, success, type Result } from '../core/result.ts';
import { below } from './plain-files.ts';

const MAX_ENTRIES = 500_000;

/**
 * Paths from the top, in order. A folder that matches counts whole; with a pattern that excludes, its files are named one by
 * one. The last pattern that matches a path or a folder above it decides. `.git` at the top never counts. A pattern whose
 * beginning leads through a symbolic link is refused.
 */
export async function findPaths(root: string, patterns: readonly string[]): Promise<Result<readonly string[], string>> {
  const wanted = patterns.filter((pattern) => !pattern.startsWith('!'));
  const isWholeFolders = wanted.length === patterns.length;
  const found = new Set<string>();
  let entries = 0;

  async function visit(path: string, at: Buffer, isFolder: boolean, isInside: boolean): Promise<void> {
    if (path === '.git') return;
    const matches = judge(patterns, path) ?? isInside;
    if (matches && (!isFolder || isWholeFolders)) {
      // It could not be given to the program that copies it.
      if (!at.equals(Buffer.from(join(root, path)))) throw new NotFound(`the name of ${path} is not UTF-8; ${WIDER}`);
      found.add(path);
      return;
    }
    if (!isFolder) return;
    for (const entry of await readdir(at, { withFileTypes: true, encoding: 'buffer' })) {
      if (++entries > MAX_ENTRIES)
        throw new NotFound(`more than ${MAX_ENTRIES} files would have to be looked at; name folders`);
      const name = entry.name.toString('utf8');
      await visit(path === '' ? name : `${path}/${name}`, below(at, entry.name), entry.isDirectory(), matches);
    }
  }

  try {
    for (const base of new Set(wanted.map(literalFolder))) {
      const kind = await kindOf(root, base);
      if (kind === 'link') return failed(`${base} leads through a symbolic link; name the real folder`);
      if (kind !== 'absent')
        await visit(base, Buffer.from(join(root, base)), kind === 'folder', isBelow(patterns, base));
    }
  } catch (cause) {
    if (cause instanceof NotFound) return failed(cause.message);
    if (!isErrno(cause, 'ENAMETOOLONG')) throw cause;
    return failed(TOO_DEEP);
  }
  return success([...found].sort());
}

/** The kernel takes no path of more than 4096 bytes. */
export const TOO_DEEP =
  'folders in it are nested too deep for a path (4096 bytes); name the part of them that is wanted';
const WIDER = 'name the folder it is in, as a whole, or rename it';

class NotFound extends Error {}

/** undefined = no pattern says anything. */
function judge(patterns: readonly string[], path: string): boolean | undefined {
  const last = patterns.findLast((pattern) => matchesPattern(pattern.replace(/^!/, ''), path));
  return last === undefined ? undefined : !last.startsWith('!');
}

function isBelow(patterns: readonly string[], path: string): boolean {
  const parts = path.split('/');
  let verdict = false;
  for (const [index] of parts.slice(0, -1).entries())
    verdict = judge(patterns, parts.slice(0, index + 1).join('/')) ?? verdict;
  return verdict;
}

/** The longest beginning without a special character: below it the search begins. A pattern without any is a path. */
function literalFolder(pattern: string): string {
  const parts = pattern.split('/');
  const special = parts.findIndex((part) => /[*?+[\\]/.test(part));
  return special === -1 ? pattern : parts.slice(0, special).join('/');
}

async function kindOf(root: string, path: string): Promise<'folder' | 'file' | 'absent' | 'link'> {
  const parts = path.split('/').filter((part) => part !== '');
  let at = root;
  for (const [index, part] of parts.entries()) {
    at = join(at, part);
    try {
      const stat = await lstat(at);
      // The last part may be a link: it is kept as one. On the way there it would lead out.
      if (index === parts.length - 1) return stat.isDirectory() ? 'folder' : 'file';
      if (stat.isSymbolicLink()) return 'link';
      if (!stat.isDirectory()) return 'absent';
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'absent';
      throw error;
    }
  }
  return 'folder';
}

/** Files that nothing is started of, and the way through their links. Pure. */
import type { ByteSource } from './bytes.ts';
import { mayEnter, type Owned, type User } from './users.ts';

export type FileEntry =
  | ({ readonly kind: 'file'; readonly size: number } & Owned)
  | ({ readonly kind: 'folder' } & Owned)
  /** null = leads in a circle, or to a name that is too long, and nobody can tell more. */
  | { readonly kind: 'link'; readonly target: string | null }
  /** A device, a pipe or a socket. */
  | { readonly kind: 'other' };

/** The files of an image, or of a machine. Paths are absolute, without `.` and `..`, and the folders in them are no links. */
export interface ImageFiles {
  /** What lies there, not followed; undefined = nothing. May be repeated. Rejects when the outside system fails. */
  entry(path: string): Promise<FileEntry | undefined>;
  /** A plain file for reading; the caller disposes of it. */
  open(path: string): Promise<ByteSource & AsyncDisposable>;
}

export type Found =
  | { readonly kind: 'there'; readonly path: string; readonly entry: Exclude<FileEntry, { kind: 'link' }> }
  /** `at` is what would have to be there; `link` the last link on the way to it, null = none. */
  | { readonly kind: 'missing'; readonly at: string; readonly link: string | null }
  /** Links that end nowhere. */
  | { readonly kind: 'loop' }
  /** A folder on the way that the user may not enter. */
  | { readonly kind: 'closed'; readonly at: string };

export interface Seeker {
  readonly files: ImageFiles;
  readonly user: User;
}

/** As many as Linux follows. */
const MOST_LINKS = 40;

/** Follows a path as the kernel would do for that user with the files as its root. */
export async function lookUp({ files, user }: Seeker, path: string): Promise<Found> {
  // No file can be called that, and systems take offence at being asked.
  if (path.includes('\0')) return { kind: 'missing', at: path, link: null };
  let left = partsOf(path);
  let at = '';
  let link: string | null = null;
  let links = 0;
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '..') {
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
      continue;
    }
    const here = `${at}/${part}`;
    const entry = await files.entry(here);
    if (entry === undefined) return { kind: 'missing', at: [here, ...left].join('/'), link };
    if (entry.kind === 'link') {
      if (++links > MOST_LINKS || entry.target === null) return { kind: 'loop' };
      link = here;
      if (entry.target.startsWith('/')) at = '';
      left = [...partsOf(entry.target), ...left];
    } else if (left.length === 0) {
      return { kind: 'there', path: here, entry };
    } else if (entry.kind !== 'folder') {
      return { kind: 'missing', at: `${here}/${left[0] ?? ''}`, link };
    } else if (!mayEnter(entry, user)) {
      return { kind: 'closed', at: here };
    } else {
      at = here;
    }
  }
  if (at === '') return { kind: 'there', path: '/', entry: { kind: 'folder', mode: 0o755, uid: 0, gid: 0 } };
  const entry = await files.entry(at);
  return entry === undefined || entry.kind === 'link'
    ? { kind: 'missing', at, link }
    : { kind: 'there', path: at, entry };
}

/** Relative ones start in `folder`. Links are not looked at, so `..` stays as it is. */
export function absolute(path: string, folder: string): string {
  return path.startsWith('/') ? path : `${folder === '/' ? '' : folder}/${path}`;
}

/** The folder that a file's path names. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

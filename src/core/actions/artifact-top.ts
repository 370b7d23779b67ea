/** Where the files of an artifact lie when GitHub's download puts them into a folder: it keeps paths below a common top. */
import { normalPath } from '../pipeline/pipeline-paths.ts';

/** The folder below which paths are kept. */
export interface ArtifactTop {
  readonly folder: string;
  /** It is a single path, of which only the job that makes it knows whether it is a folder, or a file in one. */
  readonly isSingle: boolean;
}

const WILD = /\*/;

/** `paths` as given to the upload; `special` finds a part of a path that is a pattern. */
export function topOf(paths: readonly string[], special: RegExp = WILD): ArtifactTop {
  const wanted = paths.filter((path) => !path.startsWith('!'));
  const found = wanted.map((path) => {
    const parts = normalPath(path)
      .split('/')
      .filter((part) => part !== '.');
    const wild = parts.findIndex((part) => special.test(part));
    return { parts: wild === -1 ? parts : parts.slice(0, wild), isFolder: wild !== -1 || path.endsWith('/') };
  });
  const roots = found.filter(({ parts }, index) => !found.some((other, at) => isAbove(other.parts, parts, at < index)));
  const [first] = roots;
  if (first === undefined) return { folder: '.', isSingle: false };
  const joined = (parts: readonly string[]): string => (parts.length === 0 ? '.' : parts.join('/'));
  if (roots.length === 1) {
    const isFolder =
      first.parts.length === 0 || found.some(({ isFolder: is, parts }) => is || parts.length > first.parts.length);
    return { folder: joined(first.parts), isSingle: !isFolder };
  }
  let common: readonly string[] = first.parts;
  for (const { parts } of roots) {
    const end = common.findIndex((part, index) => parts[index] !== part);
    if (end !== -1) common = common.slice(0, end);
  }
  return { folder: joined(common), isSingle: false };
}

/** Of two that are the same only the first is a root. */
function isAbove(above: readonly string[], below: readonly string[], isFirst: boolean): boolean {
  if (above.length > below.length || (above.length === below.length && !isFirst)) return false;
  return above.every((part, index) => below[index] === part);
}

/**
 * The folder that a download has to name so that the files come to lie where they were. A single path counts as a file when
 * its last part has a dot inside, and as a folder otherwise.
 */
export function expectedFolder({ folder, isSingle }: ArtifactTop): string {
  const parts = folder.split('/');
  const isFile = isSingle && (parts.at(-1) ?? '').indexOf('.') > 0;
  return isFile ? normalPath(parts.slice(0, -1).join('/')) : folder;
}

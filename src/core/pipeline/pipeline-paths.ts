/** Rules for paths in a pipeline file: text from outside that ends in mounts, so anything unusual is refused. */

/** The path without `./`, doubled and trailing slashes: two spellings of one place must not be two places. `.` is the top. */
export function normalPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return parts.length === 0 ? '.' : parts.join('/');
}

/** Why the path may leave the repository or mean nothing, or undefined when it is fine. Goes on after the key's name. */
export function insidePathFault(path: string, top: 'top-allowed' | 'never-top'): string | undefined {
  if (path.trim() === '') return 'must not be empty. Write a path from the top of the repository';
  const common = pathFault(path);
  if (common) return common;
  if (path.startsWith('/')) return 'must not be absolute. Write it from the top of the repository';
  if (path.startsWith('~')) return 'must not begin with "~". Write it from the top of the repository';
  if (/[*?[\]]/.test(path)) return 'must be a plain path: this version does not have patterns here yet. List the paths';
  const normal = normalPath(path);
  if (normal === '.' && top === 'never-top') return 'must not be the top of the repository. Name what lies in it';
  if (normal === '.git' || normal.startsWith('.git/')) return 'must not lie in ".git". Choose another folder';
  return undefined;
}

/** Folders of the image or of Hearth itself that a volume must not cover, with all that lies in them. */
const RESERVED_TREES = [
  '/work',
  '/.hearth',
  '/hearth',
  '/proc',
  '/sys',
  '/dev',
  '/run',
  '/var/run',
  '/etc',
  '/boot',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/usr/bin',
  '/usr/sbin',
  '/usr/lib',
  '/usr/libexec',
];
/** Folders that must not be covered themselves, but have room inside. */
const RESERVED_TOPS = ['/', '/usr', '/var', '/home', '/opt', '/srv', '/mnt', '/tmp', '/var/lib', '/usr/local'];

/** Why a volume must not be mounted there, or undefined when it may. Goes on after the key's name. */
export function volumePathFault(path: string): string | undefined {
  if (!path.startsWith('/')) return 'must be absolute, such as /root/.cache. Begin it with "/"';
  const common = pathFault(path);
  if (common) return common;
  const normal = normalVolumePath(path);
  const reserved =
    RESERVED_TREES.find((tree) => normal === tree || normal.startsWith(`${tree}/`)) ??
    RESERVED_TOPS.find((folder) => normal === folder);
  return reserved === undefined ? undefined : `must not cover ${reserved}. Choose a folder such as /root/.cache`;
}

export function normalVolumePath(path: string): string {
  const normal = normalPath(path);
  return normal === '.' ? '/' : `/${normal}`;
}

function pathFault(path: string): string | undefined {
  if (path.length > 500) return 'must be at most 500 characters long';
  if (/[\p{Cc}\\:,"]/u.test(path)) return 'must not hold a backslash, colon, comma, quote or control character';
  if (path.split('/').includes('..')) return 'must not hold "..". Write it from the top of the repository';
  return undefined;
}

/** What a failed git call means. Judged by git's English messages: it has one exit code for everything. */
import { isErrno } from '../core/errno.ts';
import type { GitTrouble } from '../core/ports.ts';
import type { GitAnswer } from './git.ts';

export type GitFault = 'ref-gone' | 'no-such-commit' | 'bad-objects' | 'locked' | 'broken-mirror' | 'disk' | 'other';

const SIGNS: readonly (readonly [GitFault, RegExp])[] = [
  ['disk', /No space left on device|Disk quota exceeded|Read-only file system/i],
  ['locked', /Unable to create '.*\.lock': File exists|cannot lock ref .*(File exists|Unable to create)/i],
  ['ref-gone', /couldn't find remote ref/i],
  [
    'no-such-commit',
    /not our ref|unadvertised object|no such remote ref|bad object|not a valid object|not a tree object|unable to read tree/i,
  ],
  ['bad-objects', /fsck error|fsck-objects/i],
];

/** Damage of the mirror itself, after a power cut for instance; its cure is a new mirror. */
const BROKEN =
  /not a git repository: |loose object .* is corrupt|object file .* is empty|packfile .* (is truncated|cannot be accessed|does not match index)|index file .* (is too small|is corrupt)|bad config line|unable to parse/i;

export function faultOf(answer: GitAnswer): GitFault {
  if (BROKEN.test(answer.stderr)) return 'broken-mirror';
  return SIGNS.find(([, sign]) => sign.test(answer.stderr))?.[0] ?? 'other';
}

/** The last lines that git said, on one line: enough for a status and a log. */
export function wordsOf(answer: GitAnswer): string {
  const lines = answer.stderr.split('\n').map((line) => line.trim());
  const telling = lines.filter((line) => /^(fatal|error|remote):/.test(line));
  return (
    (telling.length > 0 ? telling : lines.filter((line) => line !== '')).slice(0, 3).join(' ').slice(0, 300) ||
    'git said nothing'
  );
}

export function diskTrouble(answer: GitAnswer): GitTrouble {
  return { kind: 'disk', message: `no room for the repository: ${wordsOf(answer)}. Free space in the data folder.` };
}

/** The same for a file operation of our own; undefined when it is no matter of room. */
export function diskTroubleOf(cause: unknown): GitTrouble | undefined {
  if (!(cause instanceof Error) || !isErrno(cause, 'ENOSPC', 'EDQUOT', 'EROFS')) return undefined;
  return { kind: 'disk', message: `no room for the repository: ${cause.message}. Free space in the data folder.` };
}

/** Whom an image's programs run as, and what the modes of files let them do. Pure. */
import { failed, success, type Result } from '../result.ts';
import { shown } from '../shown.ts';

export interface User {
  readonly uid: number;
  readonly gids: ReadonlySet<number>;
}

export interface Owned {
  /** Permission bits alone. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export const ROOT: User = { uid: 0, gids: new Set([0]) };

const READ = 4;
const EXECUTE = 1;

export function mayRead(file: Owned, user: User): boolean {
  return user.uid === 0 || (bitsFor(file, user) & READ) !== 0;
}

/** Root may run a file that anybody may run. */
export function mayExecute(file: Owned, user: User): boolean {
  return user.uid === 0 ? (file.mode & 0o111) !== 0 : (bitsFor(file, user) & EXECUTE) !== 0;
}

export function mayEnter(folder: Owned, user: User): boolean {
  return user.uid === 0 || (bitsFor(folder, user) & EXECUTE) !== 0;
}

function bitsFor({ mode, uid, gid }: Owned, user: User): number {
  return user.uid === uid ? mode >> 6 : user.gids.has(gid) ? mode >> 3 : mode;
}

export interface Accounts {
  /** Text of /etc/passwd and /etc/group; empty where there is none. */
  readonly passwd: string;
  readonly group: string;
}

/** `USER` of an image: a name or a number, and perhaps a group; empty = root. The problem is a sentence. */
export function userOf(text: string, { passwd, group }: Accounts): Result<User, string> {
  const [name = '', groupName] = text.split(':');
  const people = linesOf(passwd);
  const groups = linesOf(group);
  const person =
    name === ''
      ? ['root', '', '0', '0']
      : (people.find(([own]) => own === name) ?? people.find(([, , id]) => id === name));
  const uid = person === undefined ? numberOf(name) : numberOf(person[2]);
  if (uid === undefined)
    return failed(
      `The image is to run as ${shown(name)}, and its /etc/passwd has no such user. Create the user in the build.`,
    );
  if (groupName !== undefined && groupName !== '') {
    const gid = numberOf(groups.find(([own]) => own === groupName)?.[2] ?? groupName);
    return gid === undefined
      ? failed(
          `The image is to run as group ${shown(groupName)}, and its /etc/group has no such group. Create the group in the build.`,
        )
      : success({ uid, gids: new Set([gid]) });
  }
  const more = groups.filter(
    ([, , , members = '']) => person !== undefined && members.split(',').includes(person[0] ?? ''),
  );
  const gids = [numberOf(person?.[3]) ?? 0, ...more.map(([, , id]) => numberOf(id))];
  return success({ uid, gids: new Set(gids.filter((gid) => gid !== undefined)) });
}

function linesOf(text: string): readonly (readonly string[])[] {
  return text.split('\n').map((line) => line.split(':'));
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

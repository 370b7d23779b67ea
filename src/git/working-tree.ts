/**
 * The files of a folder as they are now, uncommitted and untracked ones included, as a commit in a bare repository of
 * ours. The folder's own repository is only read: its index, refs and objects stay as they are.
 */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gitRunner, type GitAnswer, type GitCall } from './git.ts';
import { wordsOf } from './trouble.ts';

export interface SnapshotRequest {
  /** Top of the working tree; it need not be a git repository. `.gitignore` files count. */
  readonly folder: string;
  /** The bare repository; made when it is absent. It remembers file times, so a second snapshot reads only what changed. */
  readonly repository: string;
  /** Set to the new commit. */
  readonly ref: string;
  /** Files, from the top, that are not taken. */
  readonly without?: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const TIMEOUT_MS = 5 * 60_000;

/** Returns the commit. Equal files give the same tree but a new commit. Throws with git's own words when it cannot. */
export async function snapshotWorkingTree(request: SnapshotRequest): Promise<string> {
  const { folder, repository, ref, without = [], environment } = request;
  const run = gitRunner(environment, 'file');
  const git = async (call: Omit<GitCall, 'timeoutMs'>): Promise<string> => {
    const answer = await run({ ...call, timeoutMs: TIMEOUT_MS });
    if (!answer.ok) throw snapshotFailed(folder, answer);
    return answer.stdout.toString().trim();
  };
  if (!(await isThere(join(repository, 'HEAD')))) {
    await mkdir(repository, { recursive: true, mode: 0o700 });
    await git({ args: ['init', '--quiet', '--bare', '--end-of-options', repository] });
  }
  await git({ gitDir: repository, workTree: folder, args: ['add', '--all', '--', folder] });
  if (without.length > 0) {
    const left = without.map((path) => join(folder, path));
    await git({ gitDir: repository, workTree: folder, args: ['rm', '--quiet', '-f', '--cached', '--', ...left] });
  }
  const tree = await git({ gitDir: repository, args: ['write-tree'] });
  const config = [
    ['user.name', 'hearth run'],
    ['user.email', 'hearth@localhost'],
  ] as const;
  const commit = await git({ gitDir: repository, args: ['commit-tree', '-m', 'Working tree', tree], config });
  await git({ gitDir: repository, args: ['update-ref', '--end-of-options', ref, commit] });
  return commit;
}

/** Name of the branch that is checked out there, or undefined outside a repository or on no branch. */
export async function currentBranch(
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  const run = gitRunner(environment, 'file');
  const answer = await run({
    gitDir: join(folder, '.git'),
    args: ['symbolic-ref', '--quiet', '--short', 'HEAD'],
    timeoutMs: TIMEOUT_MS,
  });
  return answer.ok ? answer.stdout.toString().trim() : undefined;
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function snapshotFailed(folder: string, answer: GitAnswer): Error {
  return new Error(`the files of ${folder} could not be read into git: ${wordsOf(answer)}`);
}

/** The Git port over a folder of bare mirrors. */
import { FileTooLarge, type Git } from '../core/ports.ts';
import type { RepoRef } from '../core/run.ts';
import { checkout } from './checkout.ts';
import { cloneUrls } from './clone-url.ts';
import { gitRunner, type GitAnswer } from './git.ts';
import { mergeCommits } from './merge.ts';
import { isSha, openMirrors, type Mirrors } from './mirror.ts';
import { wordsOf } from './trouble.ts';

export interface GitOptions {
  /** Folder of the mirrors, `<data>/git`; made when it is absent. */
  readonly directory: string;
  /** HEARTH_CLONE_URL. */
  readonly cloneUrl: string;
  /** A token that may read the repository; asked for before every fetch, since an app's tokens last an hour. */
  readonly token?: (repo: RepoRef) => Promise<string | undefined>;
  /** The daemon's environment; only PATH, proxies and certificates are taken from it. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Limit of one git call in ms; the whole process group is ended after it. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10 * 60_000;
const MAX_FILE_BYTES = 1024 * 1024;

/** Throws when the clone URL is unusable. */
export function openGit(options: GitOptions): Git & Pick<Mirrors, 'maintain'> {
  const urls = cloneUrls(options.cloneUrl);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const run = gitRunner(options.environment ?? {}, urls.protocols);
  const token = options.token ?? (() => Promise.resolve(undefined));
  const mirrors = openMirrors({ run, root: options.directory, urls, token, timeoutMs });

  const read = async (repo: RepoRef, args: readonly string[]): Promise<Buffer> => {
    const answer = await run({ gitDir: mirrors.pathOf(repo), args, timeoutMs });
    if (!answer.ok) throw unreadable(repo, answer);
    return answer.stdout;
  };
  const entries = async (repo: RepoRef, sha: string, ...paths: readonly string[]): Promise<readonly TreeEntry[]> => {
    if (!isSha(sha)) throw new Error(`${JSON.stringify(sha.slice(0, 80))} is not a full commit id`);
    return parseTree(
      await read(repo, ['ls-tree', '-z', '--long', '--full-tree', '--end-of-options', sha, '--', ...paths]),
    );
  };
  const mergeBase = async (repo: RepoRef, one: string, other: string): Promise<string | null> => {
    if (!isSha(one) || !isSha(other)) return null;
    const args = ['merge-base', '--end-of-options', one, other];
    const answer = await run({ gitDir: mirrors.pathOf(repo), args, timeoutMs });
    return answer.ok ? answer.stdout.toString().trim() : null;
  };
  return {
    fetch: (request) => mirrors.fetch(request),
    maintain: (repo, before) => mirrors.maintain(repo, before),
    list: async (repo, sha, folder) => {
      const found = await entries(repo, sha, `${folder}/`);
      return found
        .filter(isRegular)
        .map((entry) => entry.path)
        .toSorted();
    },
    read: async (repo, sha, path) => {
      const [entry] = await entries(repo, sha, path);
      if (!entry || !isRegular(entry)) return undefined;
      if (entry.bytes > MAX_FILE_BYTES) throw new FileTooLarge(`${path} is larger than 1 MiB`);
      return (await read(repo, ['cat-file', 'blob', entry.id])).toString();
    },
    objectId: async (repo, sha, path) => {
      if (path !== '.') return (await entries(repo, sha, path))[0]?.id;
      return (await read(repo, ['rev-parse', '--verify', '--end-of-options', `${sha}^{tree}`]))
        .toString()
        .trim()
        .split('\n')
        .at(-1);
    },
    links: async (repo, sha, paths) =>
      (await entries(repo, sha, ...paths)).filter(({ mode }) => mode === '120000').map(({ path }) => path),
    tree: async (repo, sha) => {
      if (!isSha(sha)) throw new Error(`${JSON.stringify(sha.slice(0, 80))} is not a full commit id`);
      const args = ['ls-tree', '-r', '-z', '--long', '--full-tree', '--end-of-options', sha];
      return parseTree(await read(repo, args)).map(({ path, mode, id }) => ({ path, mode, objectId: id }));
    },
    contains: async (repo, head, sha) => {
      if (!isSha(head) || !isSha(sha)) return false;
      const args = ['merge-base', '--is-ancestor', '--end-of-options', sha, head];
      return (await run({ gitDir: mirrors.pathOf(repo), args, timeoutMs })).ok;
    },
    merge: (repo, base, head) =>
      mergeCommits({ run: (call) => run({ gitDir: mirrors.pathOf(repo), timeoutMs, ...call }), base, head }),
    message: async (repo, sha) => {
      if (!isSha(sha)) throw new Error(`${JSON.stringify(sha.slice(0, 80))} is not a full commit id`);
      const commit = (await read(repo, ['cat-file', 'commit', sha])).toString('utf8');
      const end = commit.indexOf('\n\n');
      return end === -1 ? '' : commit.slice(end + 2, end + 2 + MAX_FILE_BYTES);
    },
    changedPaths: async (repo, range) => {
      const base = range.from === 'base' ? range.base : await mergeBase(repo, range.base, range.head);
      if (base === null || !isSha(base) || !isSha(range.head)) return null;
      const args = ['diff-tree', '-r', '-z', '--name-only', '--no-renames', '--no-ext-diff', '--end-of-options'];
      const answer = await run({ gitDir: mirrors.pathOf(repo), args: [...args, base, range.head], timeoutMs });
      // Most often the base was force-pushed away and nobody has it any more.
      if (!answer.ok) return null;
      return answer.stdout
        .toString()
        .split('\0')
        .filter((path) => path !== '');
    },
    checkout: ({ repo, sha, directory }) =>
      checkout({ run, mirror: mirrors.pathOf(repo), url: urls.of(repo), sha, directory, timeoutMs }),
  };
}

interface TreeEntry {
  readonly mode: string;
  readonly id: string;
  /** NaN for a folder or submodule. */
  readonly bytes: number;
  readonly path: string;
}

function parseTree(output: Buffer): readonly TreeEntry[] {
  return output
    .toString()
    .split('\0')
    .flatMap((line) => {
      const [, mode = '', id = '', bytes = '', path = ''] = /^(\d+) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line) ?? [];
      return path === '' ? [] : [{ mode, id, bytes: Number(bytes), path }];
    });
}

function isRegular(entry: TreeEntry): boolean {
  return entry.mode === '100644' || entry.mode === '100755';
}

function unreadable(repo: RepoRef, answer: GitAnswer): Error {
  return new Error(
    `git cannot read the mirror of ${repo.owner}/${repo.name}: ${wordsOf(answer)}. Fetch the commit first.`,
  );
}

/**
 * Bare mirrors, one per repository, that only the daemon writes. Refs are kept under hashed names: a branch `a` that
 * became `a/b` is a file that became a folder, and names from outside stay out of paths.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { isErrno } from '../core/errno.ts';
import type { FetchRequest, GitTrouble } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { RepoRef } from '../core/run.ts';
import type { CloneUrls } from './clone-url.ts';
import type { GitAnswer, RunGit } from './git.ts';
import { clearStaleLocks } from './locks.ts';
import { diskTrouble, faultOf, wordsOf } from './trouble.ts';

export interface MirrorParts {
  readonly run: RunGit;
  /** Folder of all mirrors. */
  readonly root: string;
  readonly urls: CloneUrls;
  readonly token: (repo: RepoRef) => Promise<string | undefined>;
  readonly timeoutMs: number;
}

export interface Mirrors {
  pathOf(repo: RepoRef): string;
  fetch(request: FetchRequest): Promise<Result<{ readonly head: string | null }, GitTrouble>>;
  /** Forgets commits that nobody fetched since `before` and packs the rest. Seconds to minutes; once a day. May be repeated. */
  maintain(repo: RepoRef, before: Date): Promise<Result<void, GitTrouble>>;
}

/** SHA-1 alone: GitHub has no other repositories, and a shortened name must never be taken for a commit. */
export function isSha(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

/** What `git check-ref-format` takes, for the three kinds that are asked for; a refspec gives `:`, `*`, `^`, `+` a meaning. */
export function isRef(ref: string): boolean {
  return (
    /^refs\/(?:heads|tags|pull)\/[^\s\p{Cc}~^:?*[\\]{1,500}$/u.test(ref) &&
    !/\.\.|\/\/|@\{|\/\.|\.lock(\/|$)|[./]$/.test(ref)
  );
}

const COMMITS = 'refs/hearth/commits';
const HEADS = 'refs/hearth/heads';

/** Old, harmless faults that are all over old histories; anything else malformed is refused at the door. */
const TOLERATED = [
  'zeroPaddedFilemode',
  'zeroPaddedDate',
  'badTimezone',
  'missingSpaceBeforeDate',
  'missingEmail',
  'missingSpaceBeforeEmail',
  'badEmail',
  'multipleAuthors',
  'missingTaggerEntry',
  'duplicateEntries',
  'nullSha1',
];

const FETCH_CONFIG: readonly (readonly [string, string])[] = [
  ['fetch.fsckObjects', 'true'],
  ...TOLERATED.map((fault): [string, string] => [`fetch.fsck.${fault}`, 'ignore']),
  // Packs are flushed to disk before they count; loose objects are not.
  ['fetch.unpackLimit', '1'],
];

export function openMirrors(parts: MirrorParts): Mirrors {
  const queues = new Map<number, PQueue>();
  /** Two fetches of one repository at once would fight over its locks. */
  const alone = async <T>(repo: RepoRef, work: () => Promise<T>): Promise<T> => {
    const queue = queues.get(repo.id) ?? new PQueue({ concurrency: 1 });
    queues.set(repo.id, queue);
    try {
      return await queue.add(work);
    } finally {
      if (queue.size === 0 && queue.pending === 0) queues.delete(repo.id);
    }
  };
  const pathOf = (repo: RepoRef) => mirrorPath(parts.root, repo);
  return {
    pathOf,
    fetch: (request) => alone(request.repo, () => fetchOnce(parts, request, pathOf(request.repo))),
    maintain: (repo, before) => alone(repo, () => maintain(parts, pathOf(repo), before)),
  };
}

function mirrorPath(root: string, repo: RepoRef): string {
  if (!Number.isSafeInteger(repo.id) || repo.id < 0) throw new Error(`${repo.id} is not a repository id`);
  return join(root, `${repo.id}.git`);
}

async function fetchOnce(
  parts: MirrorParts,
  request: FetchRequest,
  mirror: string,
): Promise<Result<{ readonly head: string | null }, GitTrouble>> {
  const { sha, ref, repo } = request;
  if (sha !== null && !isSha(sha))
    return failed(missing(`${JSON.stringify(sha.slice(0, 80))} is not a full commit id`));
  if (!isRef(ref)) return failed(missing(`${JSON.stringify(ref.slice(0, 80))} is not a branch, tag or pull request`));
  const made = await makeMirror(parts, mirror);
  if (!made.ok) return made;
  const head = `${HEADS}/${createHash('sha256').update(ref).digest('hex').slice(0, 40)}`;
  const bringRef = `+${ref}:${head}`;
  const bringSha = sha === null ? [] : [`+${sha}:${COMMITS}/${sha}`];

  let answer = await bring(parts, repo, mirror, [bringRef, ...bringSha]);
  const first = faultOf(answer);
  if (!answer.ok && first === 'ref-gone' && sha !== null) answer = await bring(parts, repo, mirror, bringSha);
  else if (!answer.ok && first === 'no-such-commit') answer = await bring(parts, repo, mirror, [bringRef]);
  const fault = answer.ok ? undefined : faultOf(answer);
  if (fault === 'disk') return failed(diskTrouble(answer));
  if (fault === 'bad-objects')
    return failed(
      missing(`the commit holds malformed objects and was refused: ${wordsOf(answer)}. Check it with "git fsck"`),
    );
  if (fault !== undefined && fault !== 'ref-gone' && fault !== 'no-such-commit') {
    return failed({
      kind: 'unreachable',
      message: `fetch from ${parts.urls.of(repo)} failed: ${wordsOf(answer)}. Check the network, the repository's name and the GitHub credential.`,
    });
  }
  const [headLine = '', shaLine = ''] = await describeObjects(parts, mirror, [
    `${head}^{commit}`,
    ...(sha === null ? [] : [sha]),
  ]);
  if (sha !== null && shaLine !== `${sha} commit`) {
    const isThere = !shaLine.endsWith(' missing');
    return failed(
      missing(
        isThere
          ? `${sha.slice(0, 7)} is no commit. Ask for the commit it points to`
          : `the forge has no commit ${sha.slice(0, 7)}. It may have been force-pushed away`,
      ),
    );
  }
  if (sha !== null) await keep(mirror, sha);
  const refGone = first === 'ref-gone' || fault === 'ref-gone';
  const known = /^([0-9a-f]{40}) commit$/.exec(headLine)?.[1];
  // Its branch may be force-pushed before the job begins; a commit that somebody asked for stays.
  if (sha === null && !refGone && known !== undefined) {
    const args = ['update-ref', '--end-of-options', `${COMMITS}/${known}`, known];
    await parts.run({ gitDir: mirror, args, timeoutMs: parts.timeoutMs });
  }
  return success({ head: refGone || known === undefined ? null : known });
}

async function bring(
  parts: MirrorParts,
  repo: RepoRef,
  mirror: string,
  refspecs: readonly string[],
): Promise<GitAnswer> {
  const url = parts.urls.of(repo);
  const token = await parts.token(repo);
  const fetch = () =>
    parts.run({
      gitDir: mirror,
      args: [
        'fetch',
        '--quiet',
        '--no-tags',
        '--no-write-fetch-head',
        '--no-auto-maintenance',
        '--no-recurse-submodules',
        '--end-of-options',
        url,
        ...refspecs,
      ],
      config: [...FETCH_CONFIG, ...(token === undefined ? [] : parts.urls.credentials(url, token))],
      timeoutMs: parts.timeoutMs,
    });
  const answer = await fetch();
  if (answer.ok) return answer;
  const fault = faultOf(answer);
  if (fault === 'locked' && (await clearStaleLocks(mirror))) return fetch();
  if (fault !== 'broken-mirror') return answer;
  // Nothing in a mirror is precious: all of it can be fetched again.
  await discard(mirror);
  const made = await makeMirror(parts, mirror);
  return made.ok ? fetch() : answer;
}

/** Made beside its place and renamed, so that a mirror is there whole or not at all. */
async function makeMirror(parts: MirrorParts, mirror: string): Promise<Result<void, GitTrouble>> {
  if (await exists(mirror)) return success(undefined);
  await mkdir(parts.root, { recursive: true, mode: 0o700 });
  await removeLeftovers(parts.root, `${mirror}.`);
  const fresh = `${mirror}.tmp-${randomBytes(6).toString('hex')}`;
  const answer = await parts.run({
    args: ['init', '--quiet', '--bare', '--template=', '--initial-branch=none', '--end-of-options', fresh],
    timeoutMs: parts.timeoutMs,
  });
  if (!answer.ok)
    return failed(
      faultOf(answer) === 'disk'
        ? diskTrouble(answer)
        : {
            kind: 'disk',
            message: `cannot make a mirror in ${parts.root}: ${wordsOf(answer)}. Check that the daemon may write there.`,
          },
    );
  await rename(fresh, mirror);
  return success(undefined);
}

async function removeLeftovers(root: string, prefix: string): Promise<void> {
  const names = await readdir(root);
  await Promise.all(
    names
      .map((name) => join(root, name))
      .filter((path) => path.startsWith(prefix))
      .map((path) => rm(path, { recursive: true, force: true })),
  );
}

async function discard(mirror: string): Promise<void> {
  const aside = `${mirror}.broken-${randomBytes(6).toString('hex')}`;
  await rename(mirror, aside);
  await rm(aside, { recursive: true, force: true });
}

/** `<id> <type>` of each, or `<name> missing`. */
async function describeObjects(
  parts: MirrorParts,
  mirror: string,
  names: readonly string[],
): Promise<readonly string[]> {
  const answer = await parts.run({
    gitDir: mirror,
    args: ['cat-file', '--batch-check=%(objectname) %(objecttype)'],
    input: `${names.join('\n')}\n`,
    timeoutMs: parts.timeoutMs,
  });
  if (!answer.ok)
    throw new Error(
      `git cannot read the mirror ${mirror}: ${wordsOf(answer)}. Remove that folder; it is fetched again.`,
    );
  return answer.stdout.toString().split('\n');
}

/** The age of the commit's own ref tells maintenance how long ago anybody asked for it; fetching it again renews that. */
async function keep(mirror: string, sha: string): Promise<void> {
  const now = new Date();
  const path = join(mirror, COMMITS, sha);
  // Absent when the forge would not hand out the bare commit, though its branch brought it; the branch keeps it then.
  if (await exists(path)) await utimes(path, now, now);
}

async function maintain(parts: MirrorParts, mirror: string, before: Date): Promise<Result<void, GitTrouble>> {
  if (!(await exists(mirror))) return success(undefined);
  for (const folder of [COMMITS, HEADS]) {
    const names = (await exists(join(mirror, folder))) ? await readdir(join(mirror, folder)) : [];
    for (const name of names.filter((one) => isSha(one))) {
      const path = join(mirror, folder, name);
      if ((await stat(path)).mtime < before) await rm(path, { force: true });
    }
  }
  // Packed refs have no age.
  const answer = await parts.run({
    gitDir: mirror,
    args: ['gc', '--quiet', '--prune=1.day.ago'],
    config: [['gc.packRefs', 'false']],
    timeoutMs: 10 * parts.timeoutMs,
  });
  if (answer.ok) return success(undefined);
  if (faultOf(answer) === 'disk') return failed(diskTrouble(answer));
  return failed({
    kind: 'disk',
    message: `maintenance of ${mirror} failed: ${wordsOf(answer)}. It is tried again next time.`,
  });
}

function missing(message: string): GitTrouble {
  return { kind: 'missing', message: `${message}.` };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return false;
    throw cause;
  }
}

/**
 * Work trees for jobs. The `.git` is written by hand and filled with one pack of exactly this commit, while another git
 * writes the files straight from the mirror's objects: two short processes side by side, half the time of the quickest
 * `git fetch --depth 1` + `git checkout`, and nothing of the mirror (other branches, its path) gets into the job.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GitTrouble } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { GitAnswer, RunGit } from './git.ts';
import { diskTrouble, diskTroubleOf, faultOf, wordsOf } from './trouble.ts';
import { isSha } from './mirror.ts';

export interface CheckoutParts {
  readonly run: RunGit;
  readonly mirror: string;
  /** Without credentials; jobs read it as `origin`. */
  readonly url: string;
  readonly sha: string;
  /** Absent; appears whole or not at all. */
  readonly directory: string;
  readonly timeoutMs: number;
}

export async function checkout(parts: CheckoutParts): Promise<Result<void, GitTrouble>> {
  const { sha, directory } = parts;
  if (!isSha(sha))
    return failed({ kind: 'missing', message: `${JSON.stringify(sha.slice(0, 80))} is not a full commit id.` });
  const fresh = `${directory}.tmp-${randomBytes(6).toString('hex')}`;
  try {
    await writeRepository(fresh, parts.url, sha);
    const answers = await Promise.all([packCommit(parts, fresh), writeFiles(parts, fresh)]);
    const bad = answers.find((answer) => !answer.ok);
    if (bad) return failed(checkoutTrouble(bad, sha));
    await rename(fresh, directory);
    return success(undefined);
  } catch (cause) {
    const trouble = diskTroubleOf(cause);
    if (trouble === undefined) throw cause;
    return failed(trouble);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** What `git init` would write, without its hooks and samples, and without a process. */
async function writeRepository(directory: string, url: string, sha: string): Promise<void> {
  const git = join(directory, '.git');
  await mkdir(join(git, 'objects', 'pack'), { recursive: true });
  await Promise.all([
    mkdir(join(git, 'objects', 'info')),
    mkdir(join(git, 'refs')),
    writeFile(join(git, 'HEAD'), `${sha}\n`),
    writeFile(join(git, 'shallow'), `${sha}\n`),
    writeFile(join(git, 'config'), configOf(url)),
  ]);
}

/** Device, inode and ctime of the files differ in the job's view of them: without the two last settings git would read every file again. */
function configOf(url: string): string {
  return `[core]
	repositoryformatversion = 0
	filemode = true
	bare = false
	trustctime = false
	checkStat = minimal
[remote "origin"]
	url = ${JSON.stringify(url)}
	fetch = +refs/heads/*:refs/remotes/origin/*
`;
}

/** `--shallow` cuts the history below this commit; no search for deltas, since the pack lives for one job. */
function packCommit({ run, mirror, sha, timeoutMs }: CheckoutParts, directory: string): Promise<GitAnswer> {
  const target = join(directory, '.git', 'objects', 'pack', 'pack');
  return run({
    gitDir: mirror,
    args: [
      'pack-objects',
      '--quiet',
      '--revs',
      '--shallow',
      '--window=0',
      '--threads=1',
      '--delta-base-offset',
      target,
    ],
    input: `--shallow ${sha}\n${sha}\n`,
    timeoutMs,
  });
}

/** No filter is configured, so a `.gitattributes` that names one (LFS, for instance) changes nothing; submodules stay empty folders. */
function writeFiles({ run, mirror, sha, timeoutMs }: CheckoutParts, directory: string): Promise<GitAnswer> {
  return run({
    gitDir: join(directory, '.git'),
    workTree: directory,
    args: ['read-tree', '-u', '--reset', '--no-recurse-submodules', '--end-of-options', sha],
    alsoObjectsOf: mirror,
    config: [
      ['checkout.workers', '0'],
      ['checkout.thresholdForParallelism', '500'],
      ['core.trustctime', 'false'],
    ],
    timeoutMs,
  });
}

function checkoutTrouble(answer: GitAnswer, sha: string): GitTrouble {
  if (faultOf(answer) === 'disk') return diskTrouble(answer);
  return {
    kind: 'missing',
    message: `cannot check out ${sha.slice(0, 7)}: ${wordsOf(answer)}. Run it again, which fetches the commit anew.`,
  };
}

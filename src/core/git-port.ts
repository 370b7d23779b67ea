/** The Git port; ports.ts hands it on with the others. */
import type { Result } from './result.ts';
import type { RepoRef } from './run.ts';

/** What `Git.read` rejects with: trouble of the commit, which no later try will change. */
export class FileTooLarge extends Error {
  override readonly name = 'FileTooLarge';
}

/** Bare mirrors of the repositories; no job can write them. */
export interface Git {
  /**
   * Brings the sha (and what the ref leads to) into the mirror and reports the commit that its ref has now as its head, null
   * when the ref is gone. May be repeated.
   * `unreachable` may pass; `missing` means that the forge answered and has no such commit.
   */
  fetch(request: FetchRequest): Promise<Result<{ readonly head: string | null }, GitTrouble>>;
  /** Paths (from the top) of the regular files directly in a folder at a sha, sorted; empty when the folder is not there. */
  list(repo: RepoRef, sha: string, folder: string): Promise<readonly string[]>;
  /** A regular file at a sha, or undefined. More than 1 MiB rejects with `FileTooLarge`. Links are not followed. */
  read(repo: RepoRef, sha: string, path: string): Promise<string | undefined>;
  /** Object id of a file or tree at a sha (`.` = the top), or undefined: equal ids mean equal content. */
  objectId(repo: RepoRef, sha: string, path: string): Promise<string | undefined>;
  /** Those of these paths that are symbolic links at a sha. */
  links(repo: RepoRef, sha: string, paths: readonly string[]): Promise<readonly string[]>;
  /** Every file of a sha with what it is and its object id, sorted by path; links and submodules count as files. */
  tree(repo: RepoRef, sha: string): Promise<readonly TreeFile[]>;
  /** Whether a commit is the head or lies behind it; false as well when the mirror does not have it. */
  contains(repo: RepoRef, head: string, sha: string): Promise<boolean>;
  /**
   * Makes the commit that merging the head into the base gives, as `git merge` would with nobody to ask, and tells its sha;
   * both must be in the mirror. The same two give the same commit. The problem lists the files that are in
   * conflict; none when they have no common past.
   */
  merge(repo: RepoRef, base: string, head: string): Promise<Result<string, readonly string[]>>;
  /** The message of a commit, at most 1 MiB of it. */
  message(repo: RepoRef, sha: string): Promise<string>;
  /**
   * Paths that differ between two commits, both names of a renamed file; `from: 'merge-base'` starts where the two went
   * apart. null = not known: a commit is not in the mirror, they have no common past, or too much differs.
   */
  changedPaths(
    repo: RepoRef,
    range: { readonly base: string; readonly head: string; readonly from: 'base' | 'merge-base' },
  ): Promise<readonly string[] | null>;
  /** A fresh work tree of the sha with its own shallow `.git`, written to the absent folder `directory`. */
  checkout(request: {
    readonly repo: RepoRef;
    readonly sha: string;
    readonly directory: string;
  }): Promise<Result<void, GitTrouble>>;
}

/** Equal mode and object id mean equal content. */
export interface TreeFile {
  readonly path: string;
  /** As git writes it: `100644`, `100755`, `120000` (link), `160000` (submodule). */
  readonly mode: string;
  readonly objectId: string;
}

export interface FetchRequest {
  readonly repo: RepoRef;
  /** null = only the ref's own head. */
  readonly sha: string | null;
  /** The ref in the base repository to ask the head of: `refs/heads/…`, `refs/tags/…` or `refs/pull/N/head`. */
  readonly ref: string;
}

export interface GitTrouble {
  readonly kind: 'unreachable' | 'missing' | 'disk';
  readonly message: string;
}

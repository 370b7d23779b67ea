/** Real repositories for tests: an upstream as GitHub would hold it, bare, with commits made by plumbing (no work tree). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RepoRef } from '../../src/core/run.ts';

export interface Upstream {
  readonly path: string;
  readonly repo: RepoRef;
  /** Makes a commit of exactly these files and returns its sha; refs are not touched. */
  commit(files: Readonly<Record<string, string | UpstreamFile>>, parent?: string): string;
  /** Points a full ref at a sha; null removes it. */
  ref(name: string, sha: string | null): void;
  /** `commit` on top of a branch's head, which moves. */
  push(branch: string, files: Readonly<Record<string, string | UpstreamFile>>): string;
  git(args: readonly string[], input?: string): string;
}

export interface UpstreamFile {
  readonly mode: '100644' | '100755' | '120000' | '160000';
  /** Of a submodule (160000): the commit's id. */
  readonly content: string;
}

export interface UpstreamRoot extends Disposable {
  readonly root: string;
  /** For HEARTH_CLONE_URL. */
  readonly template: string;
  upstream(name?: string, id?: number): Upstream;
}

const ENVIRONMENT = {
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_AUTHOR_DATE: '1700000000 +0000',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.com',
  GIT_COMMITTER_DATE: '1700000000 +0000',
};

/** A folder of upstreams; disposing it removes everything. */
export function makeUpstreams(): UpstreamRoot {
  const root = mkdtempSync(join(tmpdir(), 'hearth-upstream-'));
  return {
    root,
    template: `file://${root}/{owner}/{repo}.git`,
    upstream: (name = 'app', id = 1) => makeUpstream(root, { id, owner: 'acme', name }),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

function makeUpstream(root: string, repo: RepoRef): Upstream {
  const path = join(root, repo.owner, `${repo.name}.git`);
  mkdirSync(path, { recursive: true });
  const git = (args: readonly string[], input = '') =>
    execFileSync('git', args, {
      cwd: path,
      env: ENVIRONMENT,
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    }).trim();
  git(['init', '--quiet', '--bare', '--initial-branch=main', '.']);
  const upstream: Upstream = {
    path,
    repo,
    git,
    commit: (files, parent) => {
      const tree = writeTree(git, files);
      return git([
        'commit-tree',
        tree,
        ...(parent === undefined ? [] : ['-p', parent]),
        '-m',
        `commit of ${Object.keys(files).length} files`,
      ]);
    },
    ref: (name, sha) => void git(sha === null ? ['update-ref', '-d', name] : ['update-ref', name, sha]),
    push: (branch, files) => {
      const head = git(['for-each-ref', '--format=%(objectname)', `refs/heads/${branch}`]);
      const sha = upstream.commit(files, head === '' ? undefined : head);
      upstream.ref(`refs/heads/${branch}`, sha);
      return sha;
    },
  };
  return upstream;
}

type GitFunction = (args: readonly string[], input?: string) => string;

function writeTree(git: GitFunction, files: Readonly<Record<string, string | UpstreamFile>>): string {
  const lines: string[] = [];
  const folders = new Map<string, Record<string, string | UpstreamFile>>();
  for (const [path, file] of Object.entries(files)) {
    const slash = path.indexOf('/');
    if (slash === -1) {
      const { mode, content } = typeof file === 'string' ? { mode: '100644' as const, content: file } : file;
      lines.push(
        mode === '160000'
          ? `${mode} commit ${content}\t${path}`
          : `${mode} blob ${git(['hash-object', '-w', '--stdin'], content)}\t${path}`,
      );
    } else {
      const folder = folders.get(path.slice(0, slash)) ?? {};
      folder[path.slice(slash + 1)] = file;
      folders.set(path.slice(0, slash), folder);
    }
  }
  for (const [name, content] of folders) lines.push(`040000 tree ${writeTree(git, content)}\t${name}`);
  return git(['mktree', '-z', '--missing'], lines.map((line) => `${line}\0`).join(''));
}

/** A bare repository that stands in for the forge's git, reached over file://, with commits made by real git. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface GitRemote extends AsyncDisposable {
  /** HEARTH_CLONE_URL for it. */
  readonly cloneUrl: string;
  /** Folder of the bare repository. */
  readonly path: string;
  /** Commits the files (null removes one) on top of the branch and pushes it; returns the sha. */
  commit(
    files: Readonly<Record<string, string | null>>,
    options?: { readonly branch?: string; readonly ref?: string },
  ): Promise<string>;
  git(...args: readonly string[]): Promise<string>;
  /** Runs a script in the working copy, for what files alone cannot say. */
  shell(script: string): Promise<void>;
}

export async function makeGitRemote(owner = 'octo', name = 'hello'): Promise<GitRemote> {
  const root = await mkdtemp(join(tmpdir(), 'hearth-remote-'));
  const bare = join(root, owner, `${name}.git`);
  const work = join(root, 'work');
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: root,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Mona',
    GIT_AUTHOR_EMAIL: 'mona@example.com',
    GIT_COMMITTER_NAME: 'Mona',
    GIT_COMMITTER_EMAIL: 'mona@example.com',
  };
  const git = async (...args: readonly string[]): Promise<string> =>
    (await run('git', [...args], { cwd: work, env })).stdout.trim();
  await mkdir(work, { recursive: true });
  await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare], { env });
  await git('init', '--quiet', '--initial-branch=main');
  await git('remote', 'add', 'origin', bare);
  return {
    path: bare,
    cloneUrl: `file://${root}/{owner}/{repo}.git`,
    git,
    async shell(script) {
      await run('sh', ['-c', script], { cwd: work, env });
    },
    async commit(files, { branch = 'main', ref = `refs/heads/${branch}` } = {}) {
      await git('symbolic-ref', 'HEAD', `refs/heads/${branch}`);
      for (const [path, text] of Object.entries(files)) {
        const full = join(work, path);
        await mkdir(dirname(full), { recursive: true });
        if (text === null) await rm(full, { force: true });
        else await writeFile(full, text);
      }
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '-m', 'change');
      await git('push', '--quiet', '--force', 'origin', `HEAD:${ref}`);
      return git('rev-parse', 'HEAD');
    },
    async [Symbol.asyncDispose]() {
      await rm(root, { recursive: true, force: true });
    },
  };
}

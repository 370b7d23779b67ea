/** The demo's repository: a bare one in the place of GitHub's, and a working copy that commits to it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import type { RepoRef } from '../core/run.ts';

export interface DemoRepository {
  /** HEARTH_CLONE_URL for it. */
  readonly cloneUrl: string;
  /** Lets `change` write to the working copy, commits that to `main` and pushes; returns the sha. */
  push(change: (folder: string) => Promise<void>, message: string): Promise<string>;
}

/** `folder` is made when it is absent. */
export async function makeDemoRepository(
  { owner, name }: RepoRef,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<DemoRepository> {
  const bare = join(folder, owner, `${name}.git`);
  const work = join(folder, 'work');
  const person = { NAME: 'Hearth demo', EMAIL: 'demo@localhost' };
  const env = {
    PATH: environment['PATH'] ?? '',
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    ...Object.fromEntries(
      Object.entries(person).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]),
    ),
  };
  const git = async (...args: readonly string[]): Promise<string> =>
    (await execa('git', args, { cwd: work, env, extendEnv: false, stdin: 'ignore' })).stdout;
  await mkdir(work, { recursive: true });
  await git('init', '--quiet', '--bare', '--initial-branch=main', bare);
  await git('init', '--quiet', '--initial-branch=main');
  await git('remote', 'add', 'origin', bare);
  return {
    cloneUrl: `file://${folder}/{owner}/{repo}.git`,
    async push(change, message) {
      await change(work);
      await git('add', '--all');
      await git('commit', '--quiet', '--message', message);
      await git('push', '--quiet', 'origin', 'main');
      return git('rev-parse', 'HEAD');
    },
  };
}

/** A change that writes these files. */
export function writing(files: Readonly<Record<string, string>>): (folder: string) => Promise<void> {
  return async (folder) => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
  };
}

/** The demo's repository: a bare one in the place of GitHub's, and a working copy that commits to it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';

export interface DemoRepository {
  /** HEARTH_CLONE_URL for it. */
  readonly cloneUrl: string;
  /** Commits these files to `main` and pushes; returns the sha. */
  push(files: Readonly<Record<string, string>>, message: string): Promise<string>;
}

export const DEMO_OWNER = 'demo';
export const DEMO_NAME = 'hello';

export async function makeDemoRepository(
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<DemoRepository> {
  const bare = join(folder, DEMO_OWNER, `${DEMO_NAME}.git`);
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
    async push(files, message) {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(work, path)), { recursive: true });
        await writeFile(join(work, path), text);
      }
      await git('add', '--all');
      await git('commit', '--quiet', '--message', message);
      await git('push', '--quiet', 'origin', 'main');
      return git('rev-parse', 'HEAD');
    },
  };
}

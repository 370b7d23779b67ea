/** Runs the scripts of ci/github as a step of a workflow does, with a Docker command line that has BuildKit. */
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { buildKitCommand } from './buildkit.ts';
import { root } from './repository.ts';

export interface Ended {
  readonly code: number | undefined;
  /** Both streams, as they came. */
  readonly said: string;
}

export interface GithubScripts extends AsyncDisposable {
  /** Gone at the end. */
  readonly folder: string;
  /** `env` is added to this process's own. Never rejects for what the script finds wrong. */
  run(script: string, env: Readonly<Record<string, string>>): Promise<Ended>;
}

/** Of this repository, or of a copy of it. */
export async function openGithubScripts(repository = root): Promise<GithubScripts> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-github-'));
  const command = await buildKitCommand();
  if (command !== 'docker') {
    await mkdir(join(folder, 'bin'));
    await symlink(command, join(folder, 'bin/docker'));
  }
  const path = `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`;
  return {
    folder,
    async run(script, env) {
      const options = { env: { ...env, PATH: path }, all: true, reject: false, stdin: 'ignore' } as const;
      const { exitCode, all } = await execa(join(repository, 'ci/github', script), options);
      return { code: exitCode, said: all };
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}

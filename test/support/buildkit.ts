/** Which Docker command line of this machine has BuildKit. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** The first one: with the buildx plugin, or from before version 23. */
export async function buildKitCommand(): Promise<string> {
  for (const command of ['docker', '/usr/bin/docker']) {
    const buildx = await exec(command, ['buildx', 'version']).catch(() => undefined);
    if (buildx !== undefined) return command;
    const { stdout } = await exec(command, ['--version']).catch(() => ({ stdout: '' }));
    if (Number(/version (\d+)\./.exec(stdout)?.[1] ?? Infinity) < 23) return command;
  }
  throw new Error('No Docker command line with BuildKit; install docker-buildx.');
}

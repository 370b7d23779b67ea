/** The image of a stand-in runner: GitHub's contract, without GitHub's program. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const folder = join(import.meta.dirname, 'stand-in-runner');

/** Builds it, from the cache after the first time; returns its name. */
export async function runnerImage(
  options: { readonly base?: string; readonly platform?: string; readonly version?: string } = {},
): Promise<string> {
  const { base = 'debian:bookworm-slim', platform = 'linux/amd64', version = '2.331.0' } = options;
  const name = `hearth-test/runner:${platform.split('/')[1] ?? ''}-${version}`;
  const args = ['--platform', platform, '--build-arg', `BASE=${base}`, '--build-arg', `VERSION=${version}`];
  await exec('docker', ['build', '--quiet', '--tag', name, ...args, folder], {
    env: { ...process.env, DOCKER_BUILDKIT: '1', PATH: `/usr/bin:${process.env['PATH'] ?? ''}` },
  });
  return name;
}

/** Where containers of the default network reach this machine. */
export async function bridgeAddress(): Promise<string> {
  const format = '{{range .IPAM.Config}}{{.Gateway}}{{end}}';
  const { stdout } = await exec('docker', ['network', 'inspect', 'bridge', '--format', format]);
  return stdout.trim();
}

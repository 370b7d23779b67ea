/** The buildx plugin of Docker (Debian's own build), in a configuration folder of its own, so that nothing is installed. */
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { debianProgram } from './debian-program.ts';

/** Of Debian 13, whose program also runs on 12. */
const PACKAGES: Readonly<Record<string, readonly [file: string, sha256: string]>> = {
  x64: ['docker-buildx_0.13.1+ds1-3_amd64.deb', 'fcf8c48204d1603c8f209451d7827eb91bf30759578baf7704e9e1a87e5f1d7f'],
  arm64: ['docker-buildx_0.13.1+ds1-3_arm64.deb', '6cf361ab892b55753b728adcbd1a99f0616711df853dba64a5297a4a676d96b0'],
};
const FOLDER = 'http://deb.debian.org/debian/pool/main/d/docker-buildx';

export interface Buildx {
  /** For DOCKER_CONFIG. */
  readonly config: string;
  /** The arguments of each call of it so far. */
  calls(): Promise<readonly string[]>;
}

/** In `folder`, which is the caller's. */
export async function setUpBuildx(folder: string): Promise<Buildx> {
  const program = await buildxProgram();
  const plugins = join(folder, 'cli-plugins');
  const log = join(folder, 'calls');
  await mkdir(plugins, { recursive: true });
  await writeFile(log, '');
  await writeFile(join(plugins, 'docker-buildx'), `#!/bin/sh\necho "$*" >>'${log}'\nexec '${program}' "$@"\n`);
  await chmod(join(plugins, 'docker-buildx'), 0o755);
  return { config: folder, calls: async () => (await readFile(log, 'utf8')).split('\n').slice(0, -1) };
}

function buildxProgram(): Promise<string> {
  return debianProgram({
    name: 'docker-buildx',
    path: 'usr/libexec/docker/cli-plugins/docker-buildx',
    async download(folder) {
      const [file = '', sha256] = PACKAGES[process.arch] ?? [];
      const answer = await fetch(`${FOLDER}/${file}`);
      if (!answer.ok) throw new Error(`${FOLDER}/${file}: ${answer.status}`);
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw new Error(`${file} is not what is pinned`);
      await writeFile(join(folder, file), bytes);
    },
  });
}

/** Artifacts on disk, for whoever downloads one. The executor writes them (src/docker/artifacts.ts). */
import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { artifactFolder } from '../core/artifact.ts';
import type { ArtifactFiles } from '../core/ports.ts';

export function openArtifactFiles(dataDirectory: string): ArtifactFiles {
  return {
    async tar(run, artifact) {
      const folder = join(dataDirectory, 'artifacts', artifactFolder(run, artifact));
      try {
        await access(folder);
      } catch {
        return undefined;
      }
      return tarOf(folder);
    },
  };
}

/** Links are kept as links, so nothing outside of the folder is read. */
async function* tarOf(folder: string): AsyncIterable<Uint8Array> {
  // Without names of users, which differ from machine to machine; in a fixed order, so that the same content is the same tar.
  const args = ['-c', '--sort=name', '--numeric-owner', '--owner=0', '--group=0', '-C', folder, '.'];
  const tar = spawn('tar', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    tar.once('error', reject);
    tar.once('close', resolve);
  });
  // Awaited below; a reader that leaves early never gets there.
  ended.catch(() => undefined);
  let said = '';
  tar.stderr.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-2_000)));
  try {
    for await (const chunk of tar.stdout) yield chunk as Uint8Array;
    const code = await ended;
    if (code !== 0) throw new Error(`tar ended with ${String(code)}: ${said.trim()}`);
  } finally {
    tar.kill();
  }
}

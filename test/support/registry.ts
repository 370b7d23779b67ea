/** A real image registry (Debian's docker-registry) on loopback, with a user or without; gone with its files afterwards. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { debianProgram } from './debian-program.ts';

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  stop(): Promise<void>;
}

export const REGISTRY_USER = { username: 'robot', password: 'registry-password-123' };
/** What `htpasswd -nbB` makes of them. */
const HTPASSWD = 'robot:$2y$05$U1CjXPQyZxoxpGzcqfxLROFMor98L.V2IxdmOHZLC4pp4H6vAOz6W';

export async function openTestRegistry({ isOpen }: { readonly isOpen: boolean }): Promise<TestRegistry> {
  const program = await registryProgram();
  const folder = await mkdtemp(join(tmpdir(), 'hearth-registry-'));
  await writeFile(join(folder, 'users'), `${HTPASSWD}\n`);
  const auth = `auth:\n  htpasswd: { realm: test, path: ${join(folder, 'users')} }\n`;
  await writeFile(
    join(folder, 'config.yml'),
    `version: 0.1\nlog: { level: info }\nstorage:\n  filesystem: { rootdirectory: ${join(folder, 'data')} }\n` +
      `http: { addr: '127.0.0.1:0' }\n${isOpen ? '' : auth}`,
  );
  const child = spawn(program, ['serve', join(folder, 'config.yml')], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  const host = await listening(child.stderr);
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
  };
  return {
    host,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Where it listens, as it says itself. What it says after that is read by nobody. */
function listening(output: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    output.setEncoding('utf8');
    output.on('data', (text: string) => {
      said += text;
      const found = /listening on (127\.0\.0\.1:\d+)/.exec(said);
      if (found?.[1] !== undefined) resolve(found[1]);
    });
    output.once('end', () => {
      reject(new Error(`docker-registry ended: ${said}`));
    });
  });
}

/** Installed, its package would also bring a service that listens; so only the program is taken out of it, once. */
async function registryProgram(): Promise<string> {
  const installed = '/usr/bin/docker-registry';
  if (existsSync(installed)) return installed;
  const download = (cwd: string) => execa('apt-get', ['download', 'docker-registry'], { cwd });
  return debianProgram({ name: 'docker-registry', path: 'usr/bin/docker-registry', download });
}

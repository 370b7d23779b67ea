/** A machine for set-up, played by scripts: `docker` and `cc` stand first and alone in PATH. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { run, type Finished } from '../../provision/setup/command.ts';

export interface ScriptedMachine {
  readonly setUp: (env?: Readonly<Record<string, string>>) => Promise<Finished>;
  /** One line for every call of `docker` and its arguments. */
  readonly log: () => string;
}

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** `docker` is the rest of a shell script. `args` are those of set-up; `path` are folders that stand after it in PATH. */
export function scriptedMachine(
  docker: string,
  { args = [], path = [] }: { readonly args?: readonly string[]; readonly path?: readonly string[] } = {},
): ScriptedMachine {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-set-up-test-'));
  folders.push(folder);
  const log = join(folder, 'log');
  const commands = { docker: `echo "$*" >>${log}\n${docker}`, cc: `echo ${log}` };
  for (const [name, body] of Object.entries(commands)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const program = ['provision/tasks/set-up.ts', ...args];
  return {
    setUp: (env = {}) =>
      run(process.execPath, program, { env: { PATH: [folder, ...path].join(':'), DOCKER_HOST: '', ...env } }),
    log: () => readFileSync(log, 'utf8'),
  };
}

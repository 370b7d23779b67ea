/** Federation programs as processes of their own, to be killed or asked to end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { identityText, type Identity } from '../../ci/federation/src/protocol/names.ts';
import { keyTexts, signToken } from '../../ci/federation/src/protocol/token.ts';
import { adminToken, greet, openSocket, readToken, type Keys, type TestAgent } from './federation-rig.ts';
import { root } from './repository.ts';

export interface Program extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Lines of its output, which is JSON. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** The first line with this name; rejects when the program ends before it. */
  line(name: string): Promise<Readonly<Record<string, unknown>>>;
  /** Sends the signal and resolves to the exit code, or the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<number | string | null>;
}

/** Starts `ci/federation/src/…` with only these settings. */
export function startProgram(file: string, settings: Readonly<Record<string, string>>): Program {
  const env = { PATH: process.env['PATH'], DEBUG_FORMAT: 'json', ...settings };
  const child = spawn(process.execPath, [join(root, 'ci/federation', file)], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Record<string, unknown>[] = [];
  const watchers = new Set<() => void>();
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>);
    for (const watcher of watchers) watcher();
  });
  child.on('exit', () => {
    for (const watcher of watchers) watcher();
  });
  const program: Program = {
    process: child,
    lines,
    line: (name) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find((line) => line['name'] === name);
          if (found === undefined && child.exitCode === null && child.signalCode === null) return;
          watchers.delete(look);
          if (found === undefined) reject(new Error(`${file} ended before it said "${name}"`));
          else resolve(found);
        };
        watchers.add(look);
        look();
      }),
    async end(signal) {
      child.kill(signal);
      const [code, by] = await exited;
      return code ?? by;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await program.end('SIGKILL');
    },
  };
  return program;
}

export interface HubProgram extends Program {
  readonly port: number;
  readonly healthPort: number;
}

export interface HubPlace {
  readonly databasePath: string;
  readonly keys: Keys;
  /** `tenant/agent` of all who may connect. */
  readonly names: readonly string[];
  readonly port?: number;
}

export async function startHubProgram({ databasePath, keys, names, port = 0 }: HubPlace): Promise<HubProgram> {
  const program = startProgram('src/hub/main.ts', {
    HUB_HOST: '127.0.0.1',
    HUB_PORT: String(port),
    HUB_HEALTH_PORT: '0',
    HUB_DB_PATH: databasePath,
    FEDERATION_AGENT_KEYS: names.map((name) => `${name}=${keyTexts(keys.of(name)).publicText}`).join(','),
    FEDERATION_ADMIN_TOKEN: adminToken,
    FEDERATION_READ_TOKEN: readToken,
  });
  const started = await program.line('hub started');
  return { ...program, port: Number(started['port']), healthPort: Number(started['healthPort']) };
}

export async function connectTo(
  port: number,
  identity: Identity,
  keys: Keys,
  options?: { readonly checks: boolean },
): Promise<TestAgent> {
  const socket = await openSocket(`ws://127.0.0.1:${port}`, options);
  return greet(socket, identity, await signToken(identity, keys.of(identityText(identity)), Date.now()));
}

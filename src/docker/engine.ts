/** The Docker engine, by its own command line: about ten calls, none of them on the path of a warm job. */
import { request } from 'node:http';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { dockerBuilder, type BuildRequest } from './build.ts';
import { runLong, type CommandResult } from './long-command.ts';

export interface Engine {
  /** Server version; rejects when the engine does not answer within `timeoutMs`. Cheap enough to be asked every few seconds. */
  version(timeoutMs: number): Promise<string>;
  /** Undefined when there is no such image. */
  image(reference: string): Promise<ImageInfo | undefined>;
  pull(reference: string, onOutput: (text: string) => void): Promise<CommandResult>;
  build(request: BuildRequest, onOutput: (text: string) => void): Promise<CommandResult>;
  /** Starts a container and returns its id; rejects with the engine's own words. */
  run(args: readonly string[]): Promise<string>;
  /** Runs a container to its end and removes it; rejects with its own words when it fails. */
  runToEnd(args: readonly string[]): Promise<void>;
  container(id: string): Promise<ContainerInfo | undefined>;
  /** Ids of all containers, running or not, that carry the label. */
  list(label: string): Promise<readonly string[]>;
  /** The last lines that a container has written to both of its outputs. */
  logs(id: string, count: number): Promise<string>;
  /** The kind of machine that it runs containers on, as Docker writes it. Asked once. */
  platform(): Promise<string>;
  /** Any other call of the command line that takes its time. */
  long(args: readonly string[], onOutput: (text: string) => void, signal?: AbortSignal): Promise<CommandResult>;
  /** Any other call of the command line: what it prints. Rejects with the engine's own words. */
  command(args: readonly string[]): Promise<string>;
  /** Unpacks a tar archive into a container, whether it runs or not; rejects with the engine's own words. */
  copyIn(id: string, folder: string, archive: Uint8Array): Promise<void>;
  /** Starts any other call whose output is taken as it comes; aborting ends it, also when nobody reads. */
  start(args: readonly string[], signal: AbortSignal): EngineCall;
  /** Kills and removes containers; those that are gone already are no error. */
  remove(ids: readonly string[]): Promise<void>;
}

export type { BuildRequest } from './build.ts';
export type { CommandResult } from './long-command.ts';

export interface EngineCall {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** null = it was stopped, or could not be started. Never rejects. */
  readonly exitCode: Promise<number | null>;
}

export interface ImageInfo {
  readonly id: string;
  readonly architecture: string;
  /** As Docker writes it, without the variant of a processor: `linux/arm64`. */
  readonly platform: string;
  /** Of its unpacked layers. */
  readonly sizeBytes: number;
  /** `NAME=value` lines of the image's configuration. */
  readonly env: readonly string[];
  /** What a container of it runs: its entry point and the arguments after it. */
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly hasHealthCheck: boolean;
}

interface Inspected {
  readonly Id: string;
  readonly Architecture: string;
  readonly Os: string;
  readonly Size: number;
  readonly Config?: {
    readonly Env?: readonly string[] | null;
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Healthcheck?: { readonly Test?: readonly string[] | null } | null;
  } | null;
}

export interface ContainerInfo {
  readonly id: string;
  readonly pid: number;
  readonly running: boolean;
  readonly startedAt: string;
  /** The engine's own file of its resolvers. */
  readonly resolvConf: string;
}

export interface EngineOptions {
  /** As DOCKER_HOST; absent = what the environment says, else the local socket. */
  readonly host?: string | undefined;
  /** For questions and for the start of a container. */
  readonly answerMs?: number;
  /** A process that the kernel cannot kill keeps its container; nobody may wait for it for ever. */
  readonly removeMs?: number;
  /** For pulls and builds: longer than any honest one, because a stalled one must end some time. */
  readonly makeMs?: number;
}

const GONE = /No such container|removal of container .* is already in progress/;

/** Every call ends: with an answer, or with an error after its deadline. */
export function dockerEngine(options: EngineOptions = {}): Engine {
  const { host, answerMs = 120_000, removeMs = 60_000, makeMs = 2 * 60 * 60_000 } = options;
  const env = host === undefined ? {} : { DOCKER_HOST: host };
  const builder = dockerBuilder(env, makeMs);
  let native: Promise<string> | undefined;

  const quiet = { reject: false, stdin: 'ignore', timeout: answerMs, env } as const;
  const call = (args: readonly string[], timeout: number) => execa('docker', args, { ...quiet, timeout });

  async function docker(args: readonly string[], timeout = answerMs): Promise<{ readonly stdout: string }> {
    const result = await call(args, timeout);
    if (result.failed) throw trouble(result);
    return result;
  }

  async function inspect(args: readonly string[]): Promise<unknown> {
    const result = await call(args, answerMs);
    if (result.failed && /No such|not found/i.test(result.stderr)) return undefined;
    if (result.failed) throw trouble(result);
    return (JSON.parse(result.stdout) as unknown[])[0];
  }

  return {
    async version(timeoutMs) {
      if (host === undefined || host.startsWith('unix://')) return localVersion(host, timeoutMs);
      return (await docker(['version', '--format', '{{.Server.Version}}'], timeoutMs)).stdout;
    },
    async image(reference) {
      const found = await inspect(['image', 'inspect', reference]);
      if (found === undefined) return undefined;
      const { Id: id, Architecture: architecture, Os, Size: sizeBytes, Config: config } = found as Inspected;
      const test = config?.Healthcheck?.Test ?? [];
      return {
        ...{ id, architecture, platform: `${Os}/${architecture}`, sizeBytes, env: config?.Env ?? [] },
        ...{ entrypoint: config?.Entrypoint ?? [], command: config?.Cmd ?? [] },
        hasHealthCheck: test.length > 0 && test[0] !== 'NONE',
      };
    },
    pull: (reference, onOutput) =>
      runLong({ command: 'docker', args: ['pull', '--quiet', '--', reference], env, timeoutMs: makeMs, onOutput }),
    build: (request, onOutput) => builder.build(request, onOutput),
    async run(args) {
      return (await docker(['run', '--detach', ...args])).stdout.trim();
    },
    async runToEnd(args) {
      await docker(['run', '--rm', ...args]);
    },
    async container(id) {
      const found = await inspect(['container', 'inspect', id]);
      if (found === undefined) return undefined;
      const { Id, State, ResolvConfPath } = found as {
        Id: string;
        ResolvConfPath: string;
        State: { Pid: number; Running: boolean; StartedAt: string };
      };
      const { Pid: pid, Running: running, StartedAt: startedAt } = State;
      return { id: Id, pid, running, startedAt, resolvConf: ResolvConfPath };
    },
    async list(label) {
      const { stdout } = await docker(['ps', '--all', '--quiet', '--no-trunc', '--filter', `label=${label}`]);
      return stdout.split('\n').filter((line) => line !== '');
    },
    async logs(id, count) {
      const result = await execa('docker', ['logs', '--tail', String(count), id], { ...quiet, all: true });
      if (result.failed) throw trouble(result);
      return result.all;
    },
    platform() {
      native ??= docker(['version', '--format', '{{.Server.Os}}/{{.Server.Arch}}']).then(
        ({ stdout }) => stdout.trim(),
        (cause: unknown) => {
          // An engine that was away is asked again.
          native = undefined;
          throw cause;
        },
      );
      return native;
    },
    long: (args, onOutput, signal) => runLong({ command: 'docker', args, env, timeoutMs: makeMs, onOutput, signal }),
    command: async (args) => (await docker(args)).stdout,
    async copyIn(id, folder, archive) {
      const result = await execa('docker', ['cp', '-', `${id}:${folder}`], {
        ...{ reject: false, input: archive, timeout: answerMs, env },
      });
      if (result.failed) throw trouble(result);
    },
    start(args, signal) {
      const child = execa('docker', args, {
        ...{ buffer: false, encoding: 'buffer', reject: false, stdin: 'ignore' },
        ...{ env, cancelSignal: signal, timeout: makeMs },
      });
      // It would not be over as long as something that nobody reads any more waits in them.
      const stopReading = (): void => {
        child.stdout.destroy();
        child.stderr.destroy();
      };
      signal.addEventListener('abort', stopReading, { once: true });
      const exitCode = child.then(({ exitCode: code }) => {
        signal.removeEventListener('abort', stopReading);
        return signal.aborted ? null : (code ?? null);
      });
      return { stdout: child.stdout, stderr: child.stderr, exitCode };
    },
    async remove(ids) {
      if (ids.length === 0) return;
      const removed = await call(['rm', '--force', '--volumes', ...ids], removeMs);
      // One line for each that could not be removed; a call that was stopped by its deadline may have written none.
      const complaints = removed.stderr.split('\n').filter((line) => line !== '' && !GONE.test(line));
      if (removed.failed && (removed.timedOut || complaints.length > 0)) throw trouble(removed);
    },
  };
}

/** Over the local socket directly: the command line would cost 30 ms of CPU for every look. */
async function localVersion(host: string | undefined, timeoutMs: number): Promise<string> {
  const socketPath = host?.slice('unix://'.length) ?? '/var/run/docker.sock';
  const answer = await new Promise<string>((resolve, reject) => {
    const call = request({ socketPath, path: '/version', timeout: timeoutMs, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('end', () => {
        resolve(text);
      });
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error(`the Docker engine did not answer within ${timeoutMs} ms`)));
    call.on('error', reject);
    call.end();
  });
  return (JSON.parse(answer) as { Version: string }).Version;
}

interface Failure {
  readonly stderr: string;
  /** Names the command and how it ended. */
  readonly shortMessage?: string | undefined;
  readonly timedOut: boolean;
}

function trouble({ stderr, shortMessage, timedOut }: Failure): Error {
  return new Error(`docker: ${[stderr, timedOut || stderr === '' ? shortMessage : ''].filter(Boolean).join('; ')}`);
}

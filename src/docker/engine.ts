/** The Docker engine, by its own command line: about ten calls, none of them on the path of a warm job. */
import { request } from 'node:http';
import { execa } from 'execa';

export interface Engine {
  /** Server version; rejects when the engine does not answer within `timeoutMs`. Cheap enough to be asked every few seconds. */
  version(timeoutMs: number): Promise<string>;
  /** Undefined when there is no such image. */
  image(reference: string): Promise<ImageInfo | undefined>;
  pull(reference: string, onOutput: (text: string) => void): Promise<CommandResult>;
  build(request: BuildRequest, onOutput: (text: string) => void): Promise<CommandResult>;
  /** Starts a container and returns its id; rejects with the engine's own words. */
  run(args: readonly string[]): Promise<string>;
  container(id: string): Promise<ContainerInfo | undefined>;
  /** Ids of all containers, running or not, that carry the label. */
  list(label: string): Promise<readonly string[]>;
  /** Kills and removes containers; those that are gone already are no error. */
  remove(ids: readonly string[]): Promise<void>;
}

export interface ImageInfo {
  readonly id: string;
  readonly architecture: string;
  /** `NAME=value` lines of the image's configuration. */
  readonly env: readonly string[];
}

export interface ContainerInfo {
  readonly id: string;
  readonly pid: number;
  readonly running: boolean;
  readonly startedAt: string;
}

export interface BuildRequest {
  readonly tag: string;
  /** Cache mounts of a Dockerfile are shared only within it. */
  readonly cacheNamespace: string;
  readonly context: string;
  readonly file: string;
}

export type CommandResult = { readonly ok: true } | { readonly ok: false; readonly lastLines: string };

const LAST_LINES = 20;
/** A process that the kernel cannot kill keeps its container; nobody may wait for it for ever. */
const REMOVE_TIMEOUT_MS = 60_000;
/** Longer than any honest pull or build; a stalled one must end some time. */
const MAKE_TIMEOUT_MS = 2 * 60 * 60_000;

/** `host` as in DOCKER_HOST; absent = the local socket. */
export function dockerEngine(host?: string): Engine {
  let builder: Promise<Builder> | undefined;
  return {
    version: (timeoutMs) => serverVersion(host, timeoutMs),
    async image(reference) {
      const found = await inspect(['image', 'inspect', reference]);
      if (found === undefined) return undefined;
      const image = found as { Id: string; Architecture: string; Config?: { Env?: readonly string[] | null } };
      return { id: image.Id, architecture: image.Architecture, env: image.Config?.Env ?? [] };
    },
    pull: (reference, onOutput) => stream(['pull', '--quiet', '--', reference], onOutput),
    async build({ tag, context, file, cacheNamespace }, onOutput) {
      builder ??= findBuilder();
      const { command, buildKit } = await builder;
      const progress = buildKit ? ['--progress=plain'] : [];
      const namespace = buildKit ? ['--build-arg', `BUILDKIT_CACHE_MOUNT_NS=${cacheNamespace}`] : [];
      const args = ['build', ...progress, ...namespace, '--tag', tag, '--file', file, '--', context];
      return stream(args, onOutput, { command, env: { DOCKER_BUILDKIT: buildKit ? '1' : '0' } });
    },
    async run(args) {
      return (await docker(['run', '--detach', ...args])).stdout.trim();
    },
    async container(id) {
      const found = await inspect(['container', 'inspect', id]);
      if (found === undefined) return undefined;
      const { Id, State } = found as { Id: string; State: { Pid: number; Running: boolean; StartedAt: string } };
      return { id: Id, pid: State.Pid, running: State.Running, startedAt: State.StartedAt };
    },
    async list(label) {
      const { stdout } = await docker(['ps', '--all', '--quiet', '--no-trunc', '--filter', `label=${label}`]);
      return stdout.split('\n').filter((line) => line !== '');
    },
    async remove(ids) {
      if (ids.length === 0) return;
      const removed = await execa('docker', ['rm', '--force', '--volumes', ...ids], {
        reject: false,
        stdin: 'ignore',
        timeout: REMOVE_TIMEOUT_MS,
      });
      if (removed.failed && !/No such container|already in progress/.test(removed.stderr)) throw trouble(removed);
    },
  };
}

/** Over the local socket directly: the command line would cost 30 ms of CPU for every look. */
async function serverVersion(host: string | undefined, timeoutMs: number): Promise<string> {
  if (host !== undefined && !host.startsWith('unix://')) {
    return (await docker(['version', '--format', '{{.Server.Version}}'], timeoutMs)).stdout;
  }
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

async function docker(args: readonly string[], timeout = 120_000): Promise<{ readonly stdout: string }> {
  const result = await execa('docker', args, { reject: false, stdin: 'ignore', timeout });
  if (result.failed) throw trouble(result);
  return result;
}

async function inspect(args: readonly string[]): Promise<unknown> {
  const result = await execa('docker', args, { reject: false, stdin: 'ignore', timeout: 30_000 });
  if (result.failed && /No such|not found/i.test(result.stderr)) return undefined;
  if (result.failed) throw trouble(result);
  return (JSON.parse(result.stdout) as unknown[])[0];
}

interface Builder {
  readonly command: string;
  readonly buildKit: boolean;
}

/**
 * BuildKit comes with the buildx plugin, or inside the command line before version 23; several command lines may be
 * installed side by side. Where none has it, the engine's old builder serves.
 */
async function findBuilder(): Promise<Builder> {
  for (const command of ['docker', '/usr/bin/docker']) {
    const options = { reject: false, stdin: 'ignore' } as const;
    if (!(await execa(command, ['buildx', 'version'], options)).failed) return { command, buildKit: true };
    const { stdout, failed } = await execa(command, ['--version'], options);
    const major = Number(/version (\d+)\./.exec(stdout)?.[1] ?? Number.NaN);
    if (!failed && major < 23) return { command, buildKit: true };
  }
  return { command: 'docker', buildKit: false };
}

async function stream(
  args: readonly string[],
  onOutput: (text: string) => void,
  { command = 'docker', env = {} }: { readonly command?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<CommandResult> {
  const child = execa(command, args, {
    all: true,
    buffer: false,
    reject: false,
    stdin: 'ignore',
    env,
    timeout: MAKE_TIMEOUT_MS,
  });
  let last: string[] = [];
  for await (const line of child.iterable({ from: 'all' })) {
    onOutput(`${line}\n`);
    last = [...last.slice(1 - LAST_LINES), line];
  }
  const result = await child;
  return result.failed ? { ok: false, lastLines: last.join('\n') || result.shortMessage || '' } : { ok: true };
}

function trouble(result: { readonly stderr?: unknown; readonly shortMessage?: string | undefined }): Error {
  const said = typeof result.stderr === 'string' && result.stderr !== '' ? result.stderr : result.shortMessage;
  return new Error(`docker: ${said ?? 'no answer'}`);
}

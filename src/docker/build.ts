/** Builds from Dockerfiles, by the Docker command line. Which one on this machine has BuildKit is found out once. */
import { execa } from 'execa';
import { runLong, type CommandResult } from './long-command.ts';

export interface BuildRequest {
  /** Name of the image; absent with `output`. */
  readonly tag?: string;
  /** Cache mounts of a Dockerfile are shared only within it. */
  readonly cacheNamespace: string;
  readonly context: string;
  readonly file: string;
  /** As Docker writes it; absent = the engine's own. */
  readonly platform?: string;
  /** Absent = the last stage. */
  readonly target?: string | undefined;
  readonly args?: Readonly<Record<string, string>>;
  /** For `RUN --mount=type=secret`, by id; they stand in no layer and no argument of a process. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** The build reaches nothing. */
  readonly isOffline?: boolean;
  /** Where the id of the image is written. */
  readonly idFile?: string;
  /** The files of the target go into this folder, and no image is made. */
  readonly output?: string;
  /** Ends the build. It also ends when this process does. */
  readonly signal?: AbortSignal;
}

export interface Builder {
  /** Without BuildKit what only it can do is a failure that says so. */
  build(request: BuildRequest, onOutput: (text: string) => void): Promise<CommandResult>;
}

export function dockerBuilder(env: Readonly<Record<string, string>>, timeoutMs: number): Builder {
  let known: Promise<CommandLine> | undefined;
  return {
    async build(request, onOutput) {
      known ??= findCommandLine();
      const { words, hasBuildKit, own } = await known;
      if (!hasBuildKit && needsBuildKit(request)) return { ok: false, lastLines: NO_BUILDKIT };
      const [program = '', ...args] = words;
      const rest = [...args, ...(hasBuildKit ? buildKitArgs(request) : []), ...commonArgs(request)];
      const secrets = Object.entries(request.secrets ?? {}).map(([id, text]): [string, string] => [
        secretVariable(id),
        text,
      ]);
      return runLong({
        ...{ command: program, args: rest, timeoutMs, onOutput, signal: request.signal },
        env: { ...env, ...own, DOCKER_BUILDKIT: hasBuildKit ? '1' : '0', ...Object.fromEntries(secrets) },
      });
    },
  };
}

const NO_BUILDKIT =
  'the Docker command line of this machine has no BuildKit, which images of pipelines are built with; install the buildx plugin (docker-buildx-plugin, or docker-buildx on Debian)';

function needsBuildKit({ platform, output, secrets = {} }: BuildRequest): boolean {
  return platform !== undefined || output !== undefined || Object.keys(secrets).length > 0;
}

function buildKitArgs({ cacheNamespace, output, secrets = {} }: BuildRequest): readonly string[] {
  return [
    '--progress=plain',
    ...['--build-arg', `BUILDKIT_CACHE_MOUNT_NS=${cacheNamespace}`],
    ...Object.keys(secrets).flatMap((id) => ['--secret', `id=${id},env=${secretVariable(id)}`]),
    ...(output === undefined ? [] : ['--output', `type=local,dest=${output}`]),
  ];
}

function commonArgs({
  tag,
  file,
  context,
  platform,
  target,
  args = {},
  isOffline = false,
  idFile,
}: BuildRequest): readonly string[] {
  return [
    ...(platform === undefined ? [] : ['--platform', platform]),
    ...(target === undefined ? [] : ['--target', target]),
    ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...(isOffline ? ['--network', 'none'] : []),
    ...(tag === undefined ? [] : ['--tag', tag]),
    ...(idFile === undefined ? [] : ['--iidfile', idFile]),
    ...['--file', file, '--', context],
  ];
}

/** Not the name itself: a secret called PATH would be what the command line is found by. */
function secretVariable(id: string): string {
  return `HEARTH_SECRET_${id}`;
}

interface CommandLine {
  /** The command up to its options, run so that it does not outlive this process, however that ends. */
  readonly words: readonly string[];
  readonly hasBuildKit: boolean;
  /** Variables that it is to have. */
  readonly own: Readonly<Record<string, string>>;
}

/**
 * BuildKit comes with the buildx plugin, or inside the command line before version 23; several command lines may be
 * installed side by side. Where none has it, the engine's old builder serves.
 */
async function findCommandLine(): Promise<CommandLine> {
  const onExit = ['setpriv', '--pdeathsig', 'TERM', '--'];
  const canFollow = !(await execa(onExit[0] ?? '', [...onExit.slice(1), 'true'], TRIED)).failed;
  const first = canFollow ? onExit : [];
  for (const command of ['docker', '/usr/bin/docker']) {
    if (!(await execa(command, ['buildx', 'version'], TRIED)).failed)
      return { words: [...first, command, 'buildx', 'build'], hasBuildKit: true, own: await buildxVariables(command) };
    const { stdout, failed } = await execa(command, ['--version'], TRIED);
    const major = Number(/version (\d+)\./.exec(stdout)?.[1] ?? Number.NaN);
    if (!failed && major < 23) return { words: [...first, command, 'build'], hasBuildKit: true, own: {} };
  }
  return { words: [...first, 'docker', 'build'], hasBuildKit: false, own: {} };
}

/** A command whose failure is an answer. */
const TRIED = { reject: false, stdin: 'ignore' } as const;

/**
 * The engine's own builder, which is called as its context is: one that somebody chose by `docker buildx use` would keep
 * the image to itself. Attestations would make an index of what is one image, with another digest each time.
 */
async function buildxVariables(command: string): Promise<Readonly<Record<string, string>>> {
  const { stdout, failed } = await execa(command, ['context', 'inspect', '--format', '{{.Name}}'], TRIED);
  return { BUILDX_BUILDER: failed ? 'default' : stdout.trim(), BUILDX_NO_DEFAULT_ATTESTATIONS: '1' };
}

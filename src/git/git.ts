/**
 * Runs git: argument arrays without a shell, a made-up environment, and a time limit that ends the whole process group.
 * Nothing of the machine's or the user's configuration has a say, and nothing that a repository holds can start a program.
 */
import { execa } from 'execa';
import { isErrno } from '../core/errno.ts';

export interface GitCall {
  /** Folder of the repository (bare, or the `.git` of a work tree); absent for `init`. */
  readonly gitDir?: string;
  readonly workTree?: string;
  readonly args: readonly string[];
  readonly input?: string;
  /** Extra configuration of this call, passed by environment: arguments can be read by every user of the machine. */
  readonly config?: readonly (readonly [key: string, value: string])[];
  /** Objects of another repository that this call alone may read. */
  readonly alsoObjectsOf?: string;
  readonly timeoutMs: number;
  readonly maxBytes?: number;
}

export interface GitAnswer {
  readonly ok: boolean;
  readonly stdout: Buffer;
  /** In English, for {@link troubleOf} and for people. */
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly tooMuch: boolean;
}

export type RunGit = (call: GitCall) => Promise<GitAnswer>;

/** Variables that may pass from the daemon's environment: what finding programs and reaching the network takes. */
const PASSED = [
  'PATH',
  'TMPDIR',
  'http_proxy',
  'https_proxy',
  'HTTPS_PROXY',
  'all_proxy',
  'ALL_PROXY',
  'no_proxy',
  'NO_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
];

const BASE_CONFIG: readonly (readonly [string, string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.attributesFile', '/dev/null'],
  ['core.excludesFile', '/dev/null'],
  ['safe.bareRepository', 'explicit'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['protocol.version', '2'],
  ['submodule.recurse', 'false'],
  ['credential.helper', ''],
  // A stalled connection ends by itself, long before the time limit.
  ['http.lowSpeedLimit', '1000'],
  ['http.lowSpeedTime', '60'],
];

const KILL_GRACE_MS = 3_000;
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** `protocols` are the transports that any call may use, e.g. `https:file`. */
export function gitRunner(environment: Readonly<Record<string, string | undefined>>, protocols: string): RunGit {
  const fixed: Readonly<Record<string, string>> = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    ...chosen(environment),
    HOME: '/nonexistent',
    XDG_CONFIG_HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: protocols,
    GIT_LITERAL_PATHSPECS: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
  };
  return async (call) => {
    const child = execa('git', argumentsOf(call), {
      cwd: call.gitDir ?? '/',
      env: { ...fixed, ...configEnv([...BASE_CONFIG, ...(call.config ?? [])]), ...alternates(call) },
      extendEnv: false,
      encoding: 'buffer',
      stripFinalNewline: false,
      reject: false,
      maxBuffer: call.maxBytes ?? DEFAULT_MAX_BYTES,
      // A process group of its own: git's helpers (remote-https, index-pack) would outlive it otherwise.
      detached: true,
      ...(call.input === undefined ? { stdin: 'ignore' as const } : { input: call.input }),
    });
    const limit = killAfter(child.pid, call.timeoutMs);
    const result = await child;
    const timedOut = limit.end();
    const stderr = Buffer.from(result.stderr).toString() || (result.shortMessage ?? '');
    return {
      ok: result.exitCode === 0 && !timedOut,
      stdout: Buffer.from(result.stdout),
      stderr: timedOut ? `git ${call.args[0]} took longer than ${call.timeoutMs} ms and was ended` : stderr,
      timedOut,
      tooMuch: result.isMaxBuffer,
    };
  };
}

function chosen(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    PASSED.flatMap((name): [string, string][] => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
}

function argumentsOf({ gitDir, workTree, args }: GitCall): string[] {
  return [
    ...(gitDir === undefined ? [] : [`--git-dir=${gitDir}`]),
    ...(workTree === undefined ? [] : [`--work-tree=${workTree}`]),
    ...args,
  ];
}

function configEnv(config: readonly (readonly [string, string])[]): Record<string, string> {
  const pairs = config.flatMap(([key, value], index): [string, string][] => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { GIT_CONFIG_COUNT: String(config.length), ...Object.fromEntries(pairs) };
}

function alternates({ alsoObjectsOf }: GitCall): Record<string, string> {
  return alsoObjectsOf === undefined ? {} : { GIT_ALTERNATE_OBJECT_DIRECTORIES: `${alsoObjectsOf}/objects` };
}

/** TERM lets git remove its lock files; KILL comes for what does not listen. `end` tells whether the limit was passed. */
function killAfter(pid: number | undefined, timeoutMs: number): { end(): boolean } {
  let passed = false;
  let last: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    passed = true;
    killGroup(pid, 'SIGTERM');
    last = setTimeout(() => killGroup(pid, 'SIGKILL'), KILL_GRACE_MS);
  }, timeoutMs);
  return {
    end: () => {
      clearTimeout(first);
      clearTimeout(last);
      if (passed) killGroup(pid, 'SIGKILL');
      return passed;
    },
  };
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (cause) {
    // Already gone is what was wanted.
    if (!isErrno(cause, 'ESRCH')) throw cause;
  }
}

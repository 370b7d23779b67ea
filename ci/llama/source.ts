// Brings the pinned source of llama.cpp into a folder: from its repository where that is reachable, else from a git
// bundle that an npm package carries. Both are held to the same tree, so the same files come out either way.
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export type SourcePin = {
  /** Anything `git clone` takes. */
  readonly repository: string;
  readonly tag: string;
  /**
   * Git's hash of all files at the tag. Not the commit: the bundle holds one squashed commit of its own, and a tree is
   * the same hash whichever commit it hangs on.
   */
  readonly tree: string;
  readonly bundle: PackagePin;
};

/** A package of the npm registry: `name@version` and what its archive hashes to, in npm's own notation. */
export type PackagePin = { readonly package: string; readonly integrity: string };

/** What cannot be mended by trying elsewhere; the message says what to do. */
export class SourceError extends Error {}

/** What the build needs; the rest (models, documentation, tests) is two thirds of the bytes. */
const WANTED = [
  'CMakeLists.txt',
  'LICENSE',
  'licenses',
  'cmake',
  'common',
  'ggml',
  'include',
  'scripts',
  'src',
  'tools',
  'vendor',
];
const ANSWERS_WITHIN = 20_000;
const ENDS_WITHIN = 10 * 60_000;

/**
 * Fills `folder`, which is replaced as a whole, and only once everything was fetched and checked. Adds PROVENANCE, the
 * lines of which it returns. Throws SourceError when the source is out of reach both ways or is not the pinned one.
 */
export function fetchSource(pin: SourcePin, folder: string, say: (line: string) => void): readonly string[] {
  const target = resolve(folder);
  mkdirSync(dirname(target), { recursive: true });
  // Beside the target, so that the last step is a rename within one file system.
  const scratch = mkdtempSync(`${target}.`);
  try {
    const { clone, provenance } = cloneOf(pin, scratch, say);
    const tree = git(['-C', clone, 'rev-parse', 'HEAD^{tree}']).stdout.trim();
    if (tree !== pin.tree) {
      throw new SourceError(
        `${pin.tag} has tree ${tree}, not ${pin.tree} as pinned: the tag was moved, or the pin is wrong.\n` +
          '→ Find out which, then set tag and tree in source.json and in the Dockerfile.',
      );
    }
    const files = join(scratch, 'files');
    mkdirSync(files);
    const archive = join(scratch, 'files.tar');
    git(['-C', clone, 'archive', '--output', archive, 'HEAD', '--', ...wantedOf(clone)]);
    must('tar', ['-C', files, '-xf', archive]);
    const lines = [`tag=${pin.tag}`, `tree=${tree}`, ...provenance];
    writeFileSync(join(files, 'PROVENANCE'), `${lines.join('\n')}\n`);
    rmSync(target, { recursive: true, force: true });
    renameSync(files, target);
    return lines;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Unpacks a package of the npm registry into `folder` after its archive was found to be the pinned one. npm itself fetches
 * it, because it knows this machine's registry, proxy and authorities. Throws SourceError.
 */
export function fetchPackage({ package: name, integrity }: PackagePin, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const packed = run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder, name]);
  const archives = readdirSync(folder).filter((file) => file.endsWith('.tgz'));
  const [archive] = archives;
  if (packed.status !== 0 || archive === undefined || archives.length > 1) {
    throw new SourceError(
      `npm did not give ${name}: ${lastLineOf(packed)}\n→ Check that this machine reaches its npm registry (npm ping).`,
    );
  }
  const file = join(folder, archive);
  const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  if (found !== integrity) {
    throw new SourceError(
      `${name} hashes to ${found}, not to ${integrity} as pinned; it was not unpacked.\n` +
        '→ Ask who runs the registry why a published version has changed.',
    );
  }
  must('tar', ['-C', folder, '-xzf', file]);
  rmSync(file);
}

type Clone = { readonly clone: string; readonly provenance: readonly string[] };

function cloneOf(pin: SourcePin, scratch: string, say: (line: string) => void): Clone {
  const clone = join(scratch, 'clone');
  const ref = `refs/tags/${pin.tag}`;
  const asked = run('git', ['ls-remote', '--exit-code', pin.repository, ref], ANSWERS_WITHIN);
  if (asked.status === 0) {
    say(`cloning ${pin.tag} of ${pin.repository}`);
    git(['clone', '--quiet', '--depth', '1', '--branch', pin.tag, pin.repository, clone]);
    const commit = git(['-C', clone, 'rev-parse', 'HEAD']).stdout.trim();
    return { clone, provenance: [`from=${pin.repository}`, `commit=${commit}`] };
  }
  // Git's own answer for "I was there, and it has no such tag".
  if (asked.status === 2) {
    throw new SourceError(`${pin.repository} has no tag ${pin.tag}.\n→ Set tag and tree in source.json to one it has.`);
  }
  say(`${pin.repository} is out of reach (${lastLineOf(asked)}); taking the bundle of ${pin.bundle.package}`);
  const unpacked = join(scratch, 'package');
  fetchPackage(pin.bundle, unpacked);
  git(['clone', '--quiet', join(unpacked, 'package/llama/gitRelease.bundle'), clone]);
  return { clone, provenance: [`from=npm:${pin.bundle.package}`, `integrity=${pin.bundle.integrity}`] };
}

function wantedOf(clone: string): readonly string[] {
  const there = git(['-C', clone, 'ls-tree', '--name-only', 'HEAD']).stdout.split('\n');
  return WANTED.filter((name) => there.includes(name));
}

function git(args: readonly string[]): SpawnSyncReturns<string> {
  return must('git', ['-c', 'advice.detachedHead=false', ...args]);
}

function must(command: string, args: readonly string[]): SpawnSyncReturns<string> {
  const ended = run(command, args);
  if (ended.status === 0) return ended;
  throw new SourceError(`\`${[command, ...args].join(' ')}\` failed: ${lastLineOf(ended)}`);
}

function run(command: string, args: readonly string[], timeout = ENDS_WITHIN): SpawnSyncReturns<string> {
  // A network that swallows packets, or asks for a password, must not hold a job until its time limit.
  const env = {
    ...process.env,
    GIT_TERMINAL_PROMPT: '0',
    GIT_HTTP_LOW_SPEED_LIMIT: '1000',
    GIT_HTTP_LOW_SPEED_TIME: '60',
  };
  return spawnSync(command, args, { encoding: 'utf8', timeout, env, maxBuffer: 64 * 1024 * 1024 });
}

function lastLineOf({ stderr, error, signal }: SpawnSyncReturns<string>): string {
  // Absent where the command could not be started at all.
  const said = ((stderr as string | null) ?? '').trim().split('\n').at(-1) ?? '';
  return said || (error?.message ?? `ended by ${signal}`);
}

/** Fetching the source, with real git on a repository of this test and an npm that is played by a script. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fetchSource, type SourcePin } from '../../ci/llama/source.ts';

const root = mkdtempSync(join(tmpdir(), 'hearth-source-'));
const upstream = join(root, 'upstream');
const archive = join(root, 'bundle.tgz');
const path = process.env['PATH'] ?? '';
let pin: SourcePin;
let target = '';
let said: string[] = [];

function git(...args: readonly string[]): string {
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'init.defaultBranch=main'];
  return execFileSync('git', ['-C', upstream, ...who, ...args], { encoding: 'utf8' }).trim();
}

function fetch(changes: Partial<SourcePin> = {}): readonly string[] {
  return fetchSource({ ...pin, ...changes }, target, (line) => said.push(line));
}

/** `npm pack --silent … --pack-destination FOLDER NAME`, as far as it is used. */
function npmThat(script: string): void {
  const folder = mkdtempSync(join(root, 'bin-'));
  writeFileSync(join(folder, 'npm'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'npm'), 0o755);
  process.env['PATH'] = `${folder}${delimiter}${path}`;
}

beforeAll(() => {
  mkdirSync(join(upstream, 'src'), { recursive: true });
  mkdirSync(join(upstream, 'models'));
  writeFileSync(join(upstream, 'CMakeLists.txt'), 'project(tiny)\n');
  writeFileSync(join(upstream, 'src/a.c'), 'int a;\n');
  writeFileSync(join(upstream, 'models/large.bin'), 'not needed\n');
  git('init', '--quiet');
  git('add', '.');
  git('commit', '--quiet', '-m', 'all');
  git('tag', 'v1');
  const packed = join(root, 'packed/package/llama');
  mkdirSync(packed, { recursive: true });
  git('bundle', 'create', '--quiet', join(packed, 'gitRelease.bundle'), 'HEAD');
  execFileSync('tar', ['-C', join(root, 'packed'), '-czf', archive, 'package']);
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  const tree = git('rev-parse', 'v1^{tree}');
  pin = { repository: upstream, tag: 'v1', tree, bundle: { package: 'a-bundle@1.0.0', integrity } };
});

afterAll(() => rmSync(root, { recursive: true }));

afterEach(() => {
  process.env['PATH'] = path;
  said = [];
});

describe('the source', () => {
  it('comes from the repository where that is reachable, without what a build does not need', () => {
    target = join(root, 'from-git');
    const lines = fetch();
    expect(lines).toEqual([`tag=v1`, `tree=${pin.tree}`, `from=${upstream}`, `commit=${git('rev-parse', 'v1')}`]);
    expect(readFileSync(join(target, 'PROVENANCE'), 'utf8')).toBe(`${lines.join('\n')}\n`);
    expect(readdirSync(target).toSorted()).toEqual(['CMakeLists.txt', 'PROVENANCE', 'src']);
  });

  it('comes from the bundle of the pinned package where the repository is not, with the same files', () => {
    target = join(root, 'from-npm');
    npmThat(`cp ${archive} "$5/a-bundle-1.0.0.tgz"`);
    const lines = fetch({ repository: join(root, 'no-such-repository') });
    expect(lines).toEqual([
      `tag=v1`,
      `tree=${pin.tree}`,
      'from=npm:a-bundle@1.0.0',
      `integrity=${pin.bundle.integrity}`,
    ]);
    expect(said.at(-1)).toMatch(/is out of reach \(.*\); taking the bundle of a-bundle@1\.0\.0$/);
    expect(readFileSync(join(target, 'src/a.c'), 'utf8')).toBe('int a;\n');
    expect(readdirSync(target).toSorted()).toEqual(['CMakeLists.txt', 'PROVENANCE', 'src']);
  });

  it('replaces what was there before', () => {
    target = join(root, 'again');
    fetch();
    writeFileSync(join(target, 'src/of-an-older-tag.c'), 'int b;\n');
    fetch();
    expect(readdirSync(join(target, 'src'))).toEqual(['a.c']);
  });
});

describe('nothing is written, and what was there stays, when', () => {
  const untouched = (): void => {
    expect(readFileSync(join(target, 'mark'), 'utf8')).toBe('earlier');
    expect(readdirSync(root).filter((name) => name.startsWith('kept.'))).toEqual([]);
  };

  beforeAll(() => {
    mkdirSync(join(root, 'kept'));
    writeFileSync(join(root, 'kept/mark'), 'earlier');
  });

  it('the tag has other files than the pinned ones', () => {
    target = join(root, 'kept');
    expect(() => fetch({ tree: '0'.repeat(40) })).toThrow(
      `v1 has tree ${pin.tree}, not ${'0'.repeat(40)} as pinned: the tag was moved`,
    );
    untouched();
  });

  it('the repository answers that it has no such tag: the bundle is no way around that', () => {
    target = join(root, 'kept');
    npmThat('touch "$5/called.tgz"');
    expect(() => fetch({ tag: 'v2' })).toThrow(`${upstream} has no tag v2.\n→ Set tag and tree`);
    expect(said).toEqual([]);
    untouched();
  });

  it('the package is not the pinned one', () => {
    target = join(root, 'kept');
    npmThat('echo other >"$5/a-bundle-1.0.0.tgz"');
    expect(() => fetch({ repository: join(root, 'nowhere') })).toThrow(
      /^a-bundle@1\.0\.0 hashes to sha512-.*, not to sha512-/,
    );
    untouched();
  });

  it('npm cannot give it', () => {
    target = join(root, 'kept');
    npmThat('echo "npm error network" >&2; exit 1');
    expect(() => fetch({ repository: join(root, 'nowhere') })).toThrow(
      'npm did not give a-bundle@1.0.0: npm error network\n→ Check that this machine reaches its npm registry',
    );
    untouched();
  });

  it('the bundle has other files than the pinned ones', () => {
    target = join(root, 'kept');
    npmThat(`cp ${archive} "$5/a-bundle-1.0.0.tgz"`);
    expect(() => fetch({ repository: join(root, 'nowhere'), tree: '1'.repeat(40) })).toThrow('as pinned');
    untouched();
  });
});

it('the Dockerfile labels the image with what is pinned', () => {
  const { tag, tree } = JSON.parse(readFileSync('ci/llama/source.json', 'utf8')) as SourcePin;
  const dockerfile = readFileSync('ci/llama/Dockerfile', 'utf8');
  const argumentsOf = (name: string): readonly string[] =>
    [...dockerfile.matchAll(new RegExp(`^ARG ${name}=(.*)$`, 'gm'))].map(([, value = '']) => value);
  expect(argumentsOf('LLAMA_TAG')).toEqual([tag, tag]);
  expect(argumentsOf('LLAMA_TREE')).toEqual([tree, tree]);
  expect(existsSync('ci/llama/build.sh')).toBe(true);
});

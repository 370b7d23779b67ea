import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openGit } from '../../src/git/open-git.ts';
import { makeUpstreams, type Upstream, type UpstreamRoot } from '../support/git-repo.ts';

let root: UpstreamRoot;
let upstream: Upstream;
let directory: string;

beforeEach(() => {
  root = makeUpstreams();
  upstream = root.upstream();
  directory = join(root.root, 'work');
});
afterEach(() => {
  root[Symbol.dispose]();
});

const open = () =>
  openGit({ directory: join(root.root, 'mirrors'), cloneUrl: root.template, environment: process.env });
const inWork = (...args: readonly string[]): string =>
  execFileSync('git', args, { cwd: directory, encoding: 'utf8' }).trim();

async function checkOut(sha: string): Promise<unknown> {
  const git = open();
  await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
  return git.checkout({ repo: upstream.repo, sha, directory });
}

describe('checkout', () => {
  it('writes files, links and modes as they are in the commit', async () => {
    const sha = upstream.push('main', {
      'src/deep/a.txt': 'text\n',
      'run.sh': { mode: '100755', content: '#!/bin/sh\n' },
      link: { mode: '120000', content: 'src/deep/a.txt' },
      empty: '',
    });
    expect(await checkOut(sha)).toEqual({ ok: true, value: undefined });
    expect(readFileSync(join(directory, 'src/deep/a.txt'), 'utf8')).toBe('text\n');
    expect(lstatSync(join(directory, 'run.sh')).mode & 0o111).not.toBe(0);
    expect(lstatSync(join(directory, 'empty')).mode & 0o111).toBe(0);
    expect(readlinkSync(join(directory, 'link'))).toBe('src/deep/a.txt');
  });

  it('is a sound, clean, shallow repository of exactly this commit', async () => {
    upstream.push('main', { secret: 'of an older commit' });
    const sha = upstream.push('main', { a: '1', 'b/c': '2' });
    upstream.push('other', { secret: 'of another branch' });
    await checkOut(sha);
    expect(inWork('status', '--porcelain')).toBe('');
    expect(inWork('rev-parse', 'HEAD')).toBe(sha);
    expect(inWork('rev-list', '--count', 'HEAD')).toBe('1');
    expect(inWork('rev-parse', '--is-shallow-repository')).toBe('true');
    expect(inWork('fsck', '--strict')).toBe('');
    // Commit, two trees, two files: nothing of other commits got in.
    expect(inWork('cat-file', '--batch-all-objects', '--batch-check').split('\n')).toHaveLength(5);
    expect(() => inWork('symbolic-ref', '-q', 'HEAD')).toThrow();
  });

  it('can be worked in: commit, diff and stash', async () => {
    const sha = upstream.push('main', { a: '1\n' });
    await checkOut(sha);
    writeFileSync(join(directory, 'a'), '2\n');
    expect(inWork('diff', '--stat')).toContain('a | 2 +-');
    inWork('-c', 'user.name=A', '-c', 'user.email=a@b', 'commit', '-qam', 'change');
    expect(inWork('log', '--format=%s')).toBe('change\ncommit of 1 files');
  });

  it('knows where it came from, without credentials, hooks or a way into the mirror', async () => {
    const sha = upstream.push('main', { a: '1' });
    await checkOut(sha);
    expect(inWork('remote', 'get-url', 'origin')).toBe(`file://${upstream.path}`);
    expect(readdirSync(join(directory, '.git')).toSorted()).toEqual([
      'HEAD',
      'config',
      'index',
      'objects',
      'refs',
      'shallow',
    ]);
    expect(existsSync(join(directory, '.git/objects/info/alternates'))).toBe(false);
    expect(
      execFileSync('sh', ['-c', `grep -rl "${join(root.root, 'mirrors')}" . || true`], {
        cwd: directory,
        encoding: 'utf8',
      }),
    ).toBe('');
  });

  it('survives that the mirror disappears', async () => {
    const sha = upstream.push('main', { a: '1' });
    await checkOut(sha);
    execFileSync('rm', ['-rf', join(root.root, 'mirrors')]);
    expect(inWork('show', 'HEAD:a')).toBe('1');
  });

  it('leaves nothing behind when the commit is not there', async () => {
    upstream.push('main', { a: '1' });
    expect(await checkOut('d'.repeat(40))).toMatchObject({ ok: false, problem: { kind: 'missing' } });
    expect(readdirSync(root.root).toSorted()).toEqual(['acme', 'mirrors']);
  });

  it('does not write over a folder that is there', async () => {
    const sha = upstream.push('main', { a: '1' });
    mkdirSync(directory);
    writeFileSync(join(directory, 'mine'), 'x');
    await expect(checkOut(sha)).rejects.toThrow(/ENOTEMPTY|EEXIST/);
    expect(readdirSync(directory)).toEqual(['mine']);
    expect(readdirSync(root.root).toSorted()).toEqual(['acme', 'mirrors', 'work']);
  });

  it('ignores a filter that the repository names, such as LFS', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n';
    const sha = upstream.push('main', {
      'a.bin': pointer,
      '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n',
    });
    await checkOut(sha);
    expect(readFileSync(join(directory, 'a.bin'), 'utf8')).toBe(pointer);
  });

  it('of many files at once gives each of them', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`d${index % 5}/f${index}`, `${index}\n`]),
    );
    const sha = upstream.push('main', files);
    const git = open();
    await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
    const places = Array.from({ length: 6 }, (_, index) => join(root.root, `work-${index}`));
    const answers = await Promise.all(
      places.map((place) => git.checkout({ repo: upstream.repo, sha, directory: place })),
    );
    expect(answers.every((answer) => answer.ok)).toBe(true);
    for (const place of places) {
      for (const [path, content] of Object.entries(files))
        expect(readFileSync(join(place, path), 'utf8')).toBe(content);
    }
  });
});

describe('what differs between two commits', () => {
  const paths = async (base: string, head: string, from: 'base' | 'merge-base') => {
    const git = open();
    await git.fetch({ repo: upstream.repo, sha: head, ref: 'refs/heads/main' });
    return git.changedPaths(upstream.repo, { base, head, from });
  };

  it('is told by both names of a renamed file, whatever the names are', async () => {
    const odd = 'a "b"\n\t\u00e9.txt';
    const base = upstream.push('main', { 'src/old.ts': 'same', keep: 'x' });
    const head = upstream.push('main', { 'src/new.ts': 'same', keep: 'x', [odd]: 'y' });
    expect((await paths(base, head, 'base'))?.toSorted()).toEqual([odd, 'src/new.ts', 'src/old.ts']);
  });

  it('can start where the two went apart', async () => {
    const base = upstream.push('main', { a: '1' });
    const topic = upstream.commit({ a: '1', b: '1' }, base);
    const later = upstream.push('main', { a: '2' });
    upstream.ref('refs/heads/topic', topic);
    const git = open();
    await git.fetch({ repo: upstream.repo, sha: topic, ref: 'refs/heads/main' });
    const range = { base: later, head: topic };
    expect(await git.changedPaths(upstream.repo, { ...range, from: 'merge-base' })).toEqual(['b']);
    expect((await git.changedPaths(upstream.repo, { ...range, from: 'base' }))?.toSorted()).toEqual(['a', 'b']);
  });

  it('is not known for commits that are not there, have nothing in common, or are none', async () => {
    const head = upstream.push('main', { a: '1' });
    const alone = upstream.commit({ z: '1' });
    upstream.ref('refs/heads/alone', alone);
    await open().fetch({ repo: upstream.repo, sha: alone, ref: 'refs/heads/alone' });
    expect(await paths('f'.repeat(40), head, 'base')).toBeNull();
    expect(await paths(alone, head, 'merge-base')).toBeNull();
    expect(await paths('--output=/tmp/x', head, 'base')).toBeNull();
    expect(await paths('HEAD', head, 'merge-base')).toBeNull();
  });

  it('and what a commit says can be read', async () => {
    const sha = upstream.push('main', { a: '1' });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
    expect(await git.message(upstream.repo, sha)).toBe('commit of 1 files\n');
    await expect(git.message(upstream.repo, '--help')).rejects.toThrow('full commit id');
  });
});

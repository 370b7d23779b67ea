import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileTooLarge } from '../../src/core/ports.ts';
import { openGit, type GitOptions } from '../../src/git/open-git.ts';
import { makeUpstreams, type Upstream, type UpstreamRoot } from '../support/git-repo.ts';

let root: UpstreamRoot;
let upstream: Upstream;
let mirrors: string;
const open = (changes: Partial<GitOptions> = {}) =>
  openGit({ directory: mirrors, cloneUrl: root.template, environment: process.env, ...changes });

beforeEach(() => {
  root = makeUpstreams();
  upstream = root.upstream();
  mirrors = join(root.root, 'mirrors');
});
afterEach(() => {
  root[Symbol.dispose]();
});

const absent = 'd'.repeat(40);

describe('fetch', () => {
  it('brings a commit and reports the head of its branch', async () => {
    const git = open();
    const first = upstream.push('main', { a: '1' });
    const second = upstream.push('main', { a: '2' });
    expect(await git.fetch({ repo: upstream.repo, sha: first, ref: 'refs/heads/main' })).toEqual({
      ok: true,
      value: { head: second },
    });
    expect(await git.read(upstream.repo, first, 'a')).toBe('1');
  });

  it('may be repeated and follows a branch that was moved back', async () => {
    const git = open();
    const first = upstream.push('main', { a: '1' });
    const second = upstream.push('main', { a: '2' });
    const request = { repo: upstream.repo, sha: first, ref: 'refs/heads/main' };
    await git.fetch(request);
    upstream.ref('refs/heads/main', first);
    expect(await git.fetch(request)).toEqual({ ok: true, value: { head: first } });
    expect(await git.fetch({ ...request, sha: second })).toEqual({ ok: true, value: { head: first } });
  });

  it('brings a commit whose branch is gone, and says that it is gone', async () => {
    const sha = upstream.push('topic', { a: '1' });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/topic' });
    upstream.ref('refs/heads/topic', null);
    expect(await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/topic' })).toEqual({
      ok: true,
      value: { head: null },
    });
    expect(
      await open({ directory: join(root.root, 'other') }).fetch({ repo: upstream.repo, sha, ref: 'refs/heads/topic' }),
    ).toEqual({ ok: true, value: { head: null } });
  });

  it('reports the commit of an annotated tag as its head', async () => {
    const sha = upstream.push('main', { a: '1' });
    upstream.git(['-c', 'user.name=A', '-c', 'user.email=a@b', 'tag', '-a', '-m', 'v1', 'v1', sha]);
    expect(await open().fetch({ repo: upstream.repo, sha, ref: 'refs/tags/v1' })).toEqual({
      ok: true,
      value: { head: sha },
    });
  });

  it('brings the head of a pull request from a fork', async () => {
    upstream.push('main', { a: '1' });
    const sha = upstream.commit({ a: 'fork' });
    upstream.ref('refs/pull/7/head', sha);
    expect(await open().fetch({ repo: upstream.repo, sha, ref: 'refs/pull/7/head' })).toEqual({
      ok: true,
      value: { head: sha },
    });
  });

  it('says that a commit is missing when the forge has none, and still has what it fetched before', async () => {
    const sha = upstream.push('main', { a: '1' });
    const git = open();
    const answer = await git.fetch({ repo: upstream.repo, sha: absent, ref: 'refs/heads/main' });
    expect(answer).toMatchObject({
      ok: false,
      problem: { kind: 'missing', message: expect.stringContaining('ddddddd') as string },
    });
    expect(await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' })).toMatchObject({ ok: true });
  });

  it('needs no help from the forge for a commit that it has, though the forge lost it', async () => {
    const old = upstream.push('main', { a: '1' });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha: old, ref: 'refs/heads/main' });
    const forced = upstream.commit({ a: '2' });
    upstream.ref('refs/heads/main', forced);
    rmSync(join(upstream.path, 'objects', old.slice(0, 2), old.slice(2)));
    expect(await git.fetch({ repo: upstream.repo, sha: old, ref: 'refs/heads/main' })).toEqual({
      ok: true,
      value: { head: forced },
    });
  });

  it('does not take a tree, a file or a tag for a commit', async () => {
    const sha = upstream.push('main', { a: '1' });
    const git = open();
    for (const id of [`${sha}^{tree}`, `${sha}:a`].map((name) => upstream.git(['rev-parse', name]))) {
      expect(await git.fetch({ repo: upstream.repo, sha: id, ref: 'refs/heads/main' })).toMatchObject({
        ok: false,
        problem: { kind: 'missing' },
      });
    }
  });

  it.each([
    '',
    'main',
    'HEAD',
    absent.slice(1),
    `${absent}0`,
    absent.toUpperCase(),
    '--upload-pack=touch x',
    `${absent}\n`,
  ])('refuses %j as a commit id before git sees it', async (sha) => {
    upstream.push('main', { a: '1' });
    expect(await open().fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' })).toMatchObject({
      ok: false,
      problem: { kind: 'missing' },
    });
    expect(existsSync(mirrors)).toBe(false);
  });

  it('keeps a branch and, after it, branches in a folder of its name', async () => {
    const git = open();
    const a = upstream.push('a', { a: '1' });
    expect(await git.fetch({ repo: upstream.repo, sha: a, ref: 'refs/heads/a' })).toEqual({
      ok: true,
      value: { head: a },
    });
    upstream.ref('refs/heads/a', null);
    const b = upstream.push('a/b', { a: '2' });
    expect(await git.fetch({ repo: upstream.repo, sha: b, ref: 'refs/heads/a/b' })).toEqual({
      ok: true,
      value: { head: b },
    });
    expect(await git.fetch({ repo: upstream.repo, sha: a, ref: 'refs/heads/a' })).toEqual({
      ok: true,
      value: { head: null },
    });
  });

  it('lets ten fetches of one repository come at once', async () => {
    const git = open();
    const shas = Array.from({ length: 10 }, (_, index) => upstream.push(`b${index}`, { a: String(index) }));
    const answers = await Promise.all(
      shas.map((sha, index) => git.fetch({ repo: upstream.repo, sha, ref: `refs/heads/b${index}` })),
    );
    expect(answers).toEqual(shas.map((head) => ({ ok: true, value: { head } })));
  });

  it('leaves tags that nobody asked for behind', async () => {
    const sha = upstream.push('main', { a: '1' });
    upstream.ref('refs/tags/v1', sha);
    await open().fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
    expect(existsSync(join(mirrors, '1.git', 'refs', 'tags', 'v1'))).toBe(false);
    expect(existsSync(join(mirrors, '1.git', 'FETCH_HEAD'))).toBe(false);
  });

  it('calls a forge that does not answer unreachable', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const answer = await open({ cloneUrl: `http://127.0.0.1:${port}/{owner}/{repo}.git` }).fetch({
      repo: upstream.repo,
      sha: absent,
      ref: 'refs/heads/main',
    });
    expect(answer).toMatchObject({ ok: false, problem: { kind: 'unreachable' } });
  });

  it('ends a git that hangs, with its helpers', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const started = performance.now();
    const answer = await open({ cloneUrl: `http://127.0.0.1:${port}/{owner}/{repo}.git`, timeoutMs: 500 }).fetch({
      repo: upstream.repo,
      sha: absent,
      ref: 'refs/heads/main',
    });
    expect(answer).toMatchObject({
      ok: false,
      problem: { kind: 'unreachable', message: expect.stringContaining('took longer than 500 ms') as string },
    });
    expect(performance.now() - started).toBeLessThan(6_000);
    const survivors = readdirSync('/proc').filter(
      (pid) => /^\d+$/.test(pid) && commandOf(pid).includes(`127.0.0.1:${port}`),
    );
    expect(survivors).toEqual([]);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('a mirror after a crash', () => {
  it('is made whole when an earlier process died while making it', async () => {
    const sha = upstream.push('main', { a: '1' });
    mkdirSync(join(mirrors, '1.git.tmp-dead', 'objects'), { recursive: true });
    expect(await open().fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' })).toMatchObject({ ok: true });
    expect(readdirSync(mirrors)).toEqual(['1.git']);
  });

  it('is made again when its files are damaged', async () => {
    const sha = upstream.push('main', { a: '1' });
    const git = open();
    const request = { repo: upstream.repo, sha, ref: 'refs/heads/main' };
    await git.fetch(request);
    rmSync(join(mirrors, '1.git', 'HEAD'));
    expect(await git.fetch(request)).toEqual({ ok: true, value: { head: sha } });
    expect(await git.read(upstream.repo, sha, 'a')).toBe('1');
  });

  it('loses an old lock of a git that was killed, and keeps a young one', async () => {
    const sha = upstream.push('main', { a: '1' });
    const git = open();
    const request = { repo: upstream.repo, sha, ref: 'refs/heads/main' };
    await git.fetch(request);
    const next = upstream.push('main', { a: '2' });
    const lock = join(mirrors, '1.git', 'refs', 'hearth', 'heads', `${hashOf('refs/heads/main')}.lock`);
    writeFileSync(lock, '');
    expect(await git.fetch({ ...request, sha: next })).toMatchObject({ ok: false, problem: { kind: 'unreachable' } });
    expect(existsSync(lock)).toBe(true);
    utimesSync(lock, new Date(0), new Date(0));
    expect(await git.fetch({ ...request, sha: next })).toEqual({ ok: true, value: { head: next } });
    expect(existsSync(lock)).toBe(false);
  });

  it('keeps even an old lock while a process works in it', async () => {
    const sha = upstream.push('main', { a: '1' });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
    const next = upstream.push('main', { a: '2' });
    const lock = join(mirrors, '1.git', 'refs', 'hearth', 'heads', `${hashOf('refs/heads/main')}.lock`);
    writeFileSync(lock, '');
    utimesSync(lock, new Date(0), new Date(0));
    const busy = spawn('cat', { cwd: join(mirrors, '1.git'), stdio: ['pipe', 'pipe', 'ignore'] });
    // Its answer proves that it runs, and where.
    busy.stdin.write('x');
    await new Promise((resolve) => busy.stdout.once('data', resolve));
    expect(await git.fetch({ repo: upstream.repo, sha: next, ref: 'refs/heads/main' })).toMatchObject({ ok: false });
    const ended = new Promise((resolve) => busy.once('close', resolve));
    busy.stdin.end();
    await ended;
    expect(await git.fetch({ repo: upstream.repo, sha: next, ref: 'refs/heads/main' })).toMatchObject({ ok: true });
  });
});

describe('maintain', () => {
  it('forgets commits that nobody asked for since, and keeps the others readable', async () => {
    const git = open();
    const old = upstream.push('topic', { a: 'old' });
    await git.fetch({ repo: upstream.repo, sha: old, ref: 'refs/heads/topic' });
    const refs = join(mirrors, '1.git', 'refs', 'hearth', 'commits');
    utimesSync(join(refs, old), new Date(0), new Date(0));
    const young = upstream.push('main', { a: 'young' });
    await git.fetch({ repo: upstream.repo, sha: young, ref: 'refs/heads/main' });
    expect(await git.maintain(upstream.repo, new Date(1_000))).toEqual({ ok: true, value: undefined });
    expect(readdirSync(refs)).toEqual([young]);
    expect(await git.read(upstream.repo, young, 'a')).toBe('young');
    expect(await git.fetch({ repo: upstream.repo, sha: old, ref: 'refs/heads/topic' })).toMatchObject({ ok: true });
  });

  it('has nothing to do for a repository that was never fetched', async () => {
    expect(await open().maintain(upstream.repo, new Date())).toEqual({ ok: true, value: undefined });
  });
});

describe('reading', () => {
  it('lists regular files directly in a folder, by full path, sorted', async () => {
    const sha = upstream.push('main', {
      '.hearth/b.yml': 'b',
      '.hearth/a.yml': 'a',
      '.hearth/deep/c.yml': 'c',
      '.hearth/run.sh': { mode: '100755', content: 'x' },
      '.hearth/link.yml': { mode: '120000', content: '/etc/passwd' },
      '.hearthx/d.yml': 'd',
      'z.yml': 'z',
    });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
    expect(await git.list(upstream.repo, sha, '.hearth')).toEqual(['.hearth/a.yml', '.hearth/b.yml', '.hearth/run.sh']);
    expect(await git.list(upstream.repo, sha, 'absent')).toEqual([]);
    expect(await git.list(upstream.repo, sha, 'z.yml')).toEqual([]);
  });

  it('reads a file, not a link, a folder or what is not there', async () => {
    const sha = upstream.push('main', { 'a/b': 'text\n', link: { mode: '120000', content: 'a/b' } });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
    expect(await git.read(upstream.repo, sha, 'a/b')).toBe('text\n');
    for (const path of ['link', 'a', 'a/b/c', 'nope', '*', ':(glob)**'])
      expect(await git.read(upstream.repo, sha, path)).toBeUndefined();
  });

  it('refuses a file larger than 1 MiB', async () => {
    const sha = upstream.push('main', { big: 'x'.repeat(1024 * 1024 + 1), fits: 'x'.repeat(1024 * 1024) });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
    await expect(git.read(upstream.repo, sha, 'big')).rejects.toThrow(FileTooLarge);
    expect((await git.read(upstream.repo, sha, 'fits'))?.length).toBe(1024 * 1024);
  });

  it('gives equal content an equal object id', async () => {
    const first = upstream.push('main', { 'x/lock': 'same', other: '1' });
    const second = upstream.push('main', { 'x/lock': 'same', other: '2' });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha: first, ref: 'refs/heads/main' });
    await git.fetch({ repo: upstream.repo, sha: second, ref: 'refs/heads/main' });
    const ids = (path: string) => Promise.all([first, second].map((sha) => git.objectId(upstream.repo, sha, path)));
    const [lockBefore, lockAfter] = await ids('x/lock');
    expect(lockBefore).toBe(lockAfter);
    const [folderBefore, folderAfter] = await ids('x');
    expect(folderBefore).toBe(folderAfter);
    const [topBefore, topAfter] = await ids('.');
    expect(topBefore).toMatch(/^[0-9a-f]{40}$/);
    expect(topBefore).not.toBe(topAfter);
    expect(await ids('nope')).toEqual([undefined, undefined]);
  });

  it('lists every file of a commit with its mode and object id, in order, whatever it is called', async () => {
    const before = upstream.push('main', { 'b/x y.sh': '1', 'a/é"\t.txt': '2', z: '3' });
    const after = upstream.push('main', { 'b/x y.sh': '1', 'a/é"\t.txt': 'other', z: '3' });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha: after, ref: 'refs/heads/main' });
    const [old, now] = [await git.tree(upstream.repo, before), await git.tree(upstream.repo, after)];
    const own = now.filter(({ path }) => ['a/é"\t.txt', 'b/x y.sh', 'z'].includes(path));
    expect(own.map(({ path, mode }) => [path, mode])).toEqual([
      ['a/é"\t.txt', '100644'],
      ['b/x y.sh', '100644'],
      ['z', '100644'],
    ]);
    expect(own.filter(({ objectId }) => !old.some((file) => file.objectId === objectId))).toMatchObject([
      { path: 'a/é"\t.txt' },
    ]);
    await expect(git.tree(upstream.repo, '--help')).rejects.toThrow(/not a full commit id/);
  });

  it('tells which of some paths are symbolic links', async () => {
    const sha = upstream.push('main', { 'a/b': 'text\n', link: { mode: '120000', content: 'a/b' } });
    const git = open();
    await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
    expect(await git.links(upstream.repo, sha, ['link', 'a/b', 'nope', 'a', '*'])).toEqual(['link']);
  });

  it('merges two commits, tells what is in conflict, and refuses what has no common past', async () => {
    const base = upstream.push('main', { a: '1\n', b: '1\n' });
    const ours = upstream.push('main', { a: '2\n', b: '1\n' });
    const theirs = upstream.commit({ a: '1\n', b: '2\n', 'new é': 'x' }, base);
    const clash = upstream.commit({ a: '3\n', b: '1\n' }, base);
    const alone = upstream.commit({ a: '4\n' });
    const git = open();
    for (const [name, sha] of Object.entries({ theirs, clash, alone })) {
      upstream.ref(`refs/heads/${name}`, sha);
      await git.fetch({ repo: upstream.repo, sha, ref: `refs/heads/${name}` });
    }
    await git.fetch({ repo: upstream.repo, sha: ours, ref: 'refs/heads/main' });
    const merged = await git.merge(upstream.repo, ours, theirs);
    expect(merged).toEqual(await git.merge(upstream.repo, ours, theirs));
    if (!merged.ok) throw new Error(String(merged.problem));
    expect(await git.read(upstream.repo, merged.value, 'a')).toBe('2\n');
    expect(await git.read(upstream.repo, merged.value, 'b')).toBe('2\n');
    expect(await git.read(upstream.repo, merged.value, 'new é')).toBe('x');
    expect(await git.contains(upstream.repo, merged.value, theirs)).toBe(true);
    const into = join(root.root, 'work');
    expect(await git.checkout({ repo: upstream.repo, sha: merged.value, directory: into })).toMatchObject({ ok: true });
    expect(readFileSync(join(into, 'b'), 'utf8')).toBe('2\n');
    expect(await git.merge(upstream.repo, ours, clash)).toEqual({ ok: false, problem: ['a'] });
    expect(await git.merge(upstream.repo, ours, alone)).toEqual({ ok: false, problem: [] });
    await expect(git.merge(upstream.repo, ours, 'f'.repeat(40))).rejects.toThrow(/cannot merge/);
    await expect(git.merge(upstream.repo, ours, 'HEAD')).rejects.toThrow(/full commit ids/);
  });

  it('rejects when the repository was never fetched, and says what to do', async () => {
    await expect(open().list(upstream.repo, absent, '.hearth')).rejects.toThrow(/Fetch the commit first/);
  });
});

function hashOf(ref: string): string {
  return createHash('sha256').update(ref).digest('hex').slice(0, 40);
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // It ended between the listing and the look.
    return '';
  }
}

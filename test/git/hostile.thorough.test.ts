/** Names, configuration and content made to run something on the host or to get a credential. Nothing may come of them. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cloneUrls } from '../../src/git/clone-url.ts';
import { isRef } from '../../src/git/mirror.ts';
import { openGit } from '../../src/git/open-git.ts';
import { makeUpstreams, type Upstream, type UpstreamRoot } from '../support/git-repo.ts';

let root: UpstreamRoot;
let upstream: Upstream;
let canary: string;

beforeEach(() => {
  root = makeUpstreams();
  upstream = root.upstream();
  canary = join(root.root, 'canary');
});
afterEach(() => {
  root[Symbol.dispose]();
});

const open = (environment: Readonly<Record<string, string | undefined>> = process.env) =>
  openGit({ directory: join(root.root, 'mirrors'), cloneUrl: root.template, environment });

/** All of them pass `git check-ref-format`. */
const HOSTILE_BRANCHES = [
  '$(touch${IFS}CANARY)',
  '`touch${IFS}CANARY`',
  ';touch${IFS}CANARY',
  '&touch${IFS}CANARY',
  '|touch${IFS}CANARY',
  '--upload-pack=touch${IFS}CANARY',
  '-oProxyCommand=touch${IFS}CANARY',
  '-c',
  '"quotes"',
  "'quotes'",
  '<script>',
  '%2e%2e%2fx',
  '__proto__',
  '\u202Egnp.exe',
  'x'.repeat(240),
  'refs/heads/main',
  'HEAD',
  '+main',
  'ä/ö',
  '😀',
  'a@b',
  '{a,b}',
  '#x',
  '!x',
  '$HOME',
];

describe('branch names', () => {
  it.each(HOSTILE_BRANCHES)('%s is fetched like any other and runs nothing', async (pattern) => {
    // A slash would make a folder of the path, so the canary is named from the place git runs in.
    const branch = pattern.replace('CANARY', 'canary');
    const sha = upstream.commit({ a: '1' });
    upstream.ref(`refs/heads/${branch}`, sha);
    const git = open();
    expect(await git.fetch({ repo: upstream.repo, sha, ref: `refs/heads/${branch}` })).toEqual({
      ok: true,
      value: { head: sha },
    });
    expect(canaries(root.root)).toEqual([]);
  });

  it.each([
    'refs/heads/a b',
    'refs/heads/a..b',
    'refs/heads/a\\b',
    'refs/heads/a\nb',
    'refs/heads/a\u001bb',
    'refs/heads/a@{b',
    'refs/heads/a.lock',
    'refs/heads/*',
    'refs/heads/a:refs/heads/b',
    '^refs/heads/a',
    '+refs/heads/a',
    'refs/heads/',
    'refs/heads/.a',
    'main',
    '',
    'refs/notes/x',
    '--all',
  ])('%j is no ref, and git is not asked', async (ref) => {
    expect(isRef(ref)).toBe(false);
    const sha = upstream.push('main', { a: '1' });
    expect(await open().fetch({ repo: upstream.repo, sha, ref })).toMatchObject({
      ok: false,
      problem: { kind: 'missing' },
    });
  });

  it('is judged as git judges it', () => {
    for (const name of [
      ...HOSTILE_BRANCHES,
      'a..b',
      'a.lock',
      'a b',
      '.a',
      'a/',
      'a//b',
      'a.',
      '@',
      'a/.b',
      'a~',
      'a^',
      'a:',
      'a?',
      'a*',
      'a[',
      'a@{x',
    ]) {
      const judged = spawnsOk(['check-ref-format', `refs/heads/${name}`]);
      expect(isRef(`refs/heads/${name}`), name).toBe(judged);
    }
  });
});

describe('repository names', () => {
  it.each([
    ['..', 'x'],
    ['a/b', 'x'],
    ['--upload-pack=x', 'y'],
    ['a', '.'],
    ['a', '$(id)'],
    ['a', 'b c'],
    ['a', ''],
  ])('%s/%s is refused', (owner, name) => {
    expect(() => cloneUrls('https://github.com/{owner}/{repo}.git').of({ id: 1, owner, name })).toThrow(
      /is not a repository name/,
    );
  });

  it('take no other transport than the one of the template', () => {
    for (const template of [
      'ext::sh -c "touch x" {repo}',
      'ssh://git@x/{owner}/{repo}',
      'git://x/{owner}/{repo}',
      '/tmp/{repo}',
    ]) {
      expect(() => cloneUrls(template)).toThrow(/HEARTH_CLONE_URL must begin with/);
    }
    expect(() => cloneUrls('https://token@github.com/{owner}/{repo}.git')).toThrow(/must not hold credentials/);
  });
});

describe('the environment', () => {
  it('of the daemon has no say: no configuration, no hooks, no helpers, no GIT_ variables', async () => {
    const home = join(root.root, 'home');
    mkdirSync(join(home, '.config', 'git'), { recursive: true });
    const script = join(home, 'evil.sh');
    writeFileSync(script, `#!/bin/sh\ntouch ${canary}\nexit 1\n`);
    chmodSync(script, 0o755);
    const config = `[core]\n\tfsmonitor = ${script}\n\thooksPath = ${home}\n\tsshCommand = ${script}\n\tpager = ${script}\n[filter "evil"]\n\tsmudge = ${script}\n\tprocess = ${script}\n\trequired = true\n[uploadpack]\n\tpackObjectsHook = ${script}\n[credential]\n\thelper = ${script}\n[alias]\n\tfetch = !${script}\n`;
    writeFileSync(join(home, '.gitconfig'), config);
    writeFileSync(join(home, '.config', 'git', 'config'), config);
    for (const hook of ['post-checkout', 'reference-transaction', 'post-index-change']) {
      writeFileSync(join(home, hook), `#!/bin/sh\ntouch ${canary}\n`);
      chmodSync(join(home, hook), 0o755);
    }
    const sha = upstream.push('main', { a: '1', '.gitattributes': '* filter=evil diff=evil merge=evil\n' });
    const git = open({
      ...process.env,
      HOME: home,
      XDG_CONFIG_HOME: join(home, '.config'),
      GIT_CONFIG_GLOBAL: join(home, '.gitconfig'),
      GIT_CONFIG_SYSTEM: join(home, '.gitconfig'),
      GIT_SSH_COMMAND: script,
      GIT_ASKPASS: script,
      GIT_EXTERNAL_DIFF: script,
      GIT_EXEC_PATH: home,
      GIT_DIR: home,
      GIT_TEMPLATE_DIR: home,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'core.fsmonitor',
      GIT_CONFIG_VALUE_0: script,
      LD_PRELOAD: '/nonexistent.so',
    });
    const directory = join(root.root, 'work');
    expect(await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' })).toMatchObject({ ok: true });
    expect(await git.checkout({ repo: upstream.repo, sha, directory })).toMatchObject({ ok: true });
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('1');
    expect(canaries(root.root)).toEqual([]);
  });
});

describe('the environment of this process', () => {
  it('is not inherited either', async () => {
    // Where git inherits it, it writes there.
    vi.stubEnv('GIT_TRACE', canary);
    try {
      const sha = upstream.push('main', { a: '1' });
      expect(await open().fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' })).toMatchObject({ ok: true });
    } finally {
      vi.unstubAllEnvs();
    }
    expect(canaries(root.root)).toEqual([]);
  });
});

describe('content', () => {
  const checkedOut = async (
    sha: string,
  ): Promise<{ readonly answer: { readonly ok: boolean }; readonly directory: string }> => {
    const directory = join(root.root, 'work');
    const git = open();
    const fetched = await git.fetch({ repo: upstream.repo, sha, ref: 'refs/heads/main' });
    return { answer: fetched.ok ? await git.checkout({ repo: upstream.repo, sha, directory }) : fetched, directory };
  };

  it('with hostile file names is written as git gives it', async () => {
    const names = [
      '$(touch canary)',
      '`touch canary`',
      '--help',
      '-rf',
      ';touch canary',
      'a\nb',
      'a b',
      '"',
      '\\',
      '*',
      '😀',
      '\u202Egnp',
      '\u0001',
    ];
    const sha = upstream.push('main', Object.fromEntries(names.map((name) => [name, name])));
    const { answer, directory } = await checkedOut(sha);
    expect(answer).toEqual({ ok: true, value: undefined });
    expect(
      readdirSync(directory)
        .filter((name) => name !== '.git')
        .toSorted(),
    ).toEqual(names.toSorted());
    expect(canaries(root.root)).toEqual([]);
  });

  it('with a link out of the tree gives the link and writes nothing through it', async () => {
    const sha = upstream.push('main', {
      up: { mode: '120000', content: '../..' },
      passwd: { mode: '120000', content: '/etc/passwd' },
    });
    const { answer, directory } = await checkedOut(sha);
    expect(answer).toMatchObject({ ok: true });
    expect(lstatSync(join(directory, 'passwd')).isSymbolicLink()).toBe(true);
    expect(lstatSync(join(directory, 'up')).isSymbolicLink()).toBe(true);
  });

  it.each(['.git', '.GIT', '..', '.', '.git/hooks'])('that would write into %s is refused', async (name) => {
    const blob = upstream.git(['hash-object', '-w', '--stdin'], '#!/bin/sh\ntouch canary\n');
    const [first = '', second] = name.split('/');
    const inner = rawTree(upstream, [['100755', second ?? 'post-checkout', blob]]);
    const tree = rawTree(upstream, [['40000', first, inner]]);
    const sha = upstream.git(['-c', 'user.name=A', '-c', 'user.email=a@b', 'commit-tree', tree, '-m', 'x']);
    upstream.ref('refs/heads/main', sha);
    const { answer, directory } = await checkedOut(sha);
    // At the door: nothing of it gets into the mirror.
    expect(answer).toMatchObject({
      ok: false,
      problem: { kind: 'missing', message: expect.stringContaining('malformed objects') as string },
    });
    expect(existsSync(directory)).toBe(false);
    expect(canaries(root.root)).toEqual([]);
  });

  it('with a submodule leaves its folder empty and goes nowhere', async () => {
    const sha = upstream.push('main', {
      lib: { mode: '160000', content: 'd'.repeat(40) },
      '.gitmodules': `[submodule "lib"]\n\tpath = lib\n\turl = ext::sh -c 'touch canary'\n`,
    });
    const { answer, directory } = await checkedOut(sha);
    // The url itself is refused at the door by fsck; either way nothing runs.
    if (answer.ok) expect(readdirSync(join(directory, 'lib'))).toEqual([]);
    expect(canaries(root.root)).toEqual([]);
  });

  it('with a harmless submodule is checked out without it', async () => {
    const sha = upstream.push('main', {
      a: '1',
      lib: { mode: '160000', content: 'd'.repeat(40) },
      '.gitmodules': '[submodule "lib"]\n\tpath = lib\n\turl = https://example.com/lib.git\n',
    });
    const { answer, directory } = await checkedOut(sha);
    expect(answer).toEqual({ ok: true, value: undefined });
    expect(readdirSync(join(directory, 'lib'))).toEqual([]);
  });
});

describe('the token', () => {
  it('goes to the server in a header, and nowhere else', async () => {
    const headers: (string | undefined)[] = [];
    const commands: string[] = [];
    const server = createServer((request, response) => {
      headers.push(request.headers.authorization);
      // Asked while git waits for this answer, so its processes are alive.
      for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
        commands.push(read(`/proc/${pid}/cmdline`));
      response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const directory = join(root.root, 'mirrors');
    const git = openGit({
      directory,
      cloneUrl: `http://127.0.0.1:${port}/{owner}/{repo}.git`,
      token: () => Promise.resolve('sekret-token'),
      environment: process.env,
    });
    const answer = await git.fetch({ repo: upstream.repo, sha: 'd'.repeat(40), ref: 'refs/heads/main' });
    server.close();
    const encoded = Buffer.from('x-access-token:sekret-token').toString('base64');
    expect(answer).toMatchObject({ ok: false, problem: { kind: 'unreachable' } });
    expect(JSON.stringify(answer)).not.toContain('sekret');
    expect(headers).toContain(`Basic ${encoded}`);
    expect(commands.some((command) => command.includes(`127.0.0.1:${port}`))).toBe(true);
    expect(commands.filter((command) => command.includes('sekret') || command.includes(encoded))).toEqual([]);
    const kept = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => read(join(entry.parentPath, entry.name)));
    expect(kept.filter((text) => text.includes('sekret') || text.includes(encoded))).toEqual([]);
  });

  it('is not sent over plain http to another machine', () => {
    const urls = cloneUrls('http://git.example.com/{owner}/{repo}.git');
    expect(urls.credentials('http://git.example.com/a/b.git', 't')).toEqual([]);
  });

  it('is bound to the server of the template', () => {
    const urls = cloneUrls('https://github.com/{owner}/{repo}.git');
    expect(urls.credentials('https://github.com/a/b.git', 't').map(([key]) => key)).toEqual([
      'http.https://github.com/.extraHeader',
    ]);
  });
});

/** Files called canary anywhere in the test's folder, or in the folder this test runs in. */
function canaries(folder: string): readonly string[] {
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /(^|\/)canary$/.test(name));
  return [...found, ...(existsSync('canary') ? ['./canary'] : [])];
}

/** A tree object byte for byte: git's own tools refuse to write such names. */
function rawTree(upstream: Upstream, entries: readonly (readonly [mode: string, name: string, id: string])[]): string {
  const content = Buffer.concat(
    entries.map(([mode, name, id]) => Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')])),
  );
  const file = join(upstream.path, 'raw-tree');
  writeFileSync(file, content);
  return upstream.git(['hash-object', '-t', 'tree', '-w', '--literally', file]);
}

function spawnsOk(args: readonly string[]): boolean {
  try {
    execFileSync('git', args, { stdio: 'ignore' });
    return true;
  } catch {
    // git says no by its exit code.
    return false;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process ended between the listing and the look.
    return '';
  }
}

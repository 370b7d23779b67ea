import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunJson } from '../../src/http/api-shapes.ts';
import { ADMIN_TOKEN, makeDaemonRig, type DaemonRig } from '../support/daemon-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
const MAIN = join(import.meta.dirname, '../../src/main.ts');
let rig: DaemonRig;
let run: RunJson;

const pipeline = `on: push
sidecar: { image: "${TEST_IMAGE}", shm-size: 64m }
cache: { notes: { volume: /var/cache/notes } }
jobs:
  make:
    outputs: { word: '\${{ steps.say.outputs.word }}' }
    artifacts: { made: out }
    steps:
      - id: say
        run: mkdir out; date +%s%N >out/when; echo word=made-once >>"$GITHUB_OUTPUT"
  build:
    needs: [make]
    env: { COLOUR: blue, WORD: '\${{ needs.make.outputs.word }}' }
    run: grep CapEff /proc/self/status; echo changed >kept.txt; rm gone.txt; mv folder moved; echo new >new.txt; exit 3
  flaky:
    needs: [make]
    cache: [notes]
    run: |
      echo "\${{ needs.make.outputs.word }} $(cat out/when)"
      test -e /var/cache/notes/\${{ github.sha }} || { touch /var/cache/notes/\${{ github.sha }}; exit 1; }
  test:
    strategy: { matrix: { n: [1, 2] } }
    run: exit 1
`;

beforeAll(async () => {
  rig = await makeDaemonRig();
  await rig.start();
  const files = { 'kept.txt': 'old\n', 'gone.txt': 'x\n', 'folder/deep/file': 'deep\n' };
  const sha = await rig.remote.commit({ '.hearth/main.yml': pipeline, ...files });
  expect((await rig.push(sha)).status).toBe(202);
  run = await rig.runOf(sha);
  expect(run.jobs, run.outcome?.message ?? '').toHaveLength(5);
}, 60_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.complaints).toEqual([]);
});

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const own = { HEARTH_CONFIG: '', HEARTH_DATA: rig.data, HEARTH_WEBHOOK_SECRET: 'not-asked-for', HEARTH_REPOS: 'a/b' };
  return { PATH: process.env['PATH'] ?? '', TERM: 'xterm', ...own, ...more };
}

function start(args: readonly string[], more: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { env: environment(more), stdio: ['pipe', 'pipe', 'pipe'] });
}

async function hearth(args: readonly string[], input = '', more: Readonly<Record<string, string>> = {}): Promise<Said> {
  const child = start(args, more);
  const said = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  child.stdin?.end(input);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...said };
}

function shell(job: string, ...command: readonly string[]): Promise<Said> {
  return hearth(['shell', String(run.id), job, '--', ...command]);
}

/** Names, sizes and times of all that a shell must not change. */
async function kept(): Promise<string> {
  const find = ['-L', join(rig.data, 'kept'), '-path', '*/u*', '-printf', '%p %s %T@ %C@ %m\n'];
  return (await exec('find', find)).stdout.split('\n').toSorted().join('\n');
}

async function shellsLeft(): Promise<readonly string[]> {
  const { stdout } = await exec('docker', ['ps', '--all', '--format', '{{.Names}}', '--filter', 'name=hearth-shell-']);
  const scratch = await readdir(join(rig.data, 'shells')).catch(() => []);
  return [...scratch, ...stdout.split('\n').filter((name) => scratch.some((one) => name.endsWith(one)))];
}

describe('hearth shell', () => {
  it("shows the workspace as the failed job left it, with the job's variables, and passes the exit code on", async () => {
    const look = 'pwd; cat kept.txt moved/deep/file new.txt out/when; ls; echo "$COLOUR $WORD $HEARTH_JOB"; exit 7';
    const said = await shell('build', 'sh', '-c', look);
    expect(said).toMatchObject({ code: 7, err: '' });
    expect(said.out).toMatch(
      /^\/work\nchanged\ndeep\nnew\n\d+\nkept\.txt\nmoved\nnew\.txt\nout\nblue made-once build\n$/,
    );
    expect((await shell('build', 'no-such-program')).code).toBe(127);
  });

  it('gives everybody a copy of their own, and what was kept stays as it is', async () => {
    const before = await kept();
    expect(before).toContain('/u/new.txt');
    const spoil = 'rm -r moved new.txt; echo mine >kept.txt; mv out elsewhere; touch other; chmod 700 .; ls';
    expect((await shell('build', 'sh', '-c', spoil)).out).toBe('elsewhere\nkept.txt\nother\n');
    expect((await shell('build', 'sh', '-c', 'cat kept.txt; ls')).out).toBe('changed\nkept.txt\nmoved\nnew.txt\nout\n');
    expect(await kept()).toBe(before);
    expect(await shellsLeft()).toEqual([]);
  });

  it('reads commands that are piped in', async () => {
    const said = await hearth(['shell', String(run.id), 'build'], 'cat kept.txt; x=5\nexit $x\n');
    expect(said).toEqual({ code: 5, out: 'changed\n', err: '' });
  });

  it('is a terminal where it was started from one', async () => {
    const command = `${process.execPath} ${MAIN} shell ${run.id} build`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: environment(),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    await expect.poll(() => out, { timeout: 30_000 }).toContain('# ');
    child.stdin.write('test -t 0 && test -t 1 && echo "term-$TERM-$0"; cat kept.txt; exit 9\n');
    await expect.poll(() => out, { timeout: 30_000 }).toContain('term-xterm-bash\r\nchanged\r\n');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(9);
  });

  it('may do no more than the job could', async () => {
    const job = run.jobs.find(({ name }) => name === 'build');
    const log = await (await rig.api(new URL(job?.log_url ?? '').pathname)).text();
    const rights = /CapEff:\s*(\w+)/.exec(log)?.[1] ?? 'none';
    const look =
      'cat /proc/self/status; ls /.hearth/control; (echo >/dev/tcp/169.254.169.254/80) 2>&1; touch /var/cache/notes/x';
    const { out } = await shell('build', 'bash', '-c', look);
    expect(/CapEff:\s*(\w+)/.exec(out)?.[1]).toBe(rights);
    expect(out).toMatch(/NoNewPrivs:\s*1/);
    expect(out).toContain('Connection refused');
    const flaky = await shell('flaky', 'sh', '-c', 'ls /var/cache/notes && touch /var/cache/notes/x');
    expect(flaky.out).toMatch(/^[0-9a-f]{40}\n/);
    expect(flaky.err).toContain('Read-only file system');
  });

  it('says what is wrong with what was asked for', async () => {
    expect(await hearth(['shell', '999', 'build'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('no run 999') as string,
    });
    expect(await shell('bulid', 'true')).toMatchObject({
      code: 3,
      err: expect.stringContaining('its jobs: make, build') as string,
    });
    expect(await shell('test', 'true')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/several jobs test.* \d+ = test \(2\)/) as string,
    });
    expect(await shell('make', 'true')).toMatchObject({
      code: 2,
      err: expect.stringContaining('ended with success') as string,
    });
    const elsewhere = await hearth(['shell', '1', 'build'], '', { HEARTH_DATA: join(rig.data, 'nothing') });
    expect(elsewhere).toMatchObject({ code: 3, err: expect.stringContaining("on the worker's machine") as string });
    const remote = await hearth(['shell', '1', 'build'], '', { HEARTH_URL: 'https://ci.example.com' });
    expect(remote).toMatchObject({ code: 2, err: expect.stringContaining('leave HEARTH_URL unset') as string });
  });

  it('opens nothing that is not whole', async () => {
    const layers = join(rig.data, 'artifacts');
    await rename(layers, `${layers}-moved`);
    const cut = await shell('build', 'true');
    await rename(`${layers}-moved`, layers);
    expect(cut).toMatchObject({
      code: 3,
      err: expect.stringContaining('A layer below that workspace has been removed') as string,
    });
    const all = join(rig.data, 'kept');
    await rename(all, `${all}-moved`);
    const gone = await shell('build', 'true');
    await rename(`${all}-moved`, all);
    expect(gone.code).toBe(3);
    expect(gone.err).toContain('No workspace of that job is kept here (any more).');
    expect(gone.err).toContain(`hearth rerun ${run.id} --job build`);
    expect(await shellsLeft()).toEqual([]);
  });

  it('that was killed leaves nothing once another one or the daemon starts', async () => {
    async function killed(): Promise<void> {
      const child = start(['shell', String(run.id), 'build', '--', 'sh', '-c', 'echo up; sleep 1000']);
      let out = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
      await expect.poll(() => out, { timeout: 30_000 }).toContain('up');
      expect(await shellsLeft()).toHaveLength(2);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      expect(await shellsLeft()).toHaveLength(2);
    }
    await killed();
    expect((await shell('build', 'cat', 'kept.txt')).out).toBe('changed\n');
    expect(await shellsLeft()).toEqual([]);
    await killed();
    await rig.stop();
    await rig.start();
    expect(await shellsLeft()).toEqual([]);
  });

  it('that is told to end ends', async () => {
    const child = start(['shell', String(run.id), 'build', '--', 'sh', '-c', 'trap "" TERM; echo up; sleep 1000']);
    let out = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
    await expect.poll(() => out, { timeout: 30_000 }).toContain('up');
    child.kill('SIGTERM');
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(130);
    expect(await shellsLeft()).toEqual([]);
  });
});

describe('hearth rerun --failed', () => {
  it('takes over what succeeded, with outputs and artifacts, and its failed jobs can be looked into again', async () => {
    const client = { HEARTH_URL: rig.url(), HEARTH_ADMIN_TOKEN: ADMIN_TOKEN };
    const said = await hearth(['rerun', String(run.id), '--failed', '-o', 'json'], '', client);
    expect(said).toMatchObject({ code: 0, err: '' });
    const { id, jobs } = JSON.parse(said.out) as { id: number; jobs: readonly string[] };
    expect(jobs).toEqual(['build', 'flaky', 'test (1)', 'test (2)']);
    const read = async () => (await (await rig.api(`/api/v1/runs/${id}`)).json()) as RunJson;
    await expect.poll(async () => (await read()).state, { timeout: 30_000 }).toBe('finished');
    const again = await read();
    const results = Object.fromEntries(again.jobs.map(({ name, outcome }) => [name, outcome?.result]));
    expect(results).toEqual({
      make: 'success',
      build: 'failure',
      flaky: 'success',
      'test (1)': 'failure',
      'test (2)': 'failure',
    });
    const logOf = async (of: RunJson) =>
      (await rig.api(new URL(of.jobs.find(({ name }) => name === 'flaky')?.log_url ?? '').pathname)).text();
    const line = /made-once \d+/;
    expect(line.exec(await logOf(again))?.[0]).toBe(line.exec(await logOf(run))?.[0] ?? 'none');
    // It began from the kept state of what it needs and not from what the failed job had made of its workspace.
    expect((await hearth(['shell', String(id), 'build', '--', 'cat', 'moved/deep/file'])).out).toBe('deep\n');
  });
});

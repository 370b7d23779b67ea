import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeSlotsOf } from '../../src/docker/open-executor.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);

let root: string;
let tree: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearth-run-'));
  tree = join(root, 'tree');
  await mkdir(tree);
});

afterEach(async () => {
  const local = join(root, 'state', 'hearth', 'local');
  for (const name of await readdir(local).catch(() => [])) await removeSlotsOf(join(local, name));
  await rm(root, { recursive: true, force: true });
});

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), text);
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function hearth(...args: readonly string[]): Promise<Said> {
  return hearthAs([], ...args);
}

/** `prefix` is a program that starts another one with other rights. */
function hearthAs(prefix: readonly string[], ...args: readonly string[]): Promise<Said> {
  return hearthWith({}, prefix, ...args);
}

function hearthWith(
  settings: Readonly<Record<string, string>>,
  prefix: readonly string[],
  ...args: readonly string[]
): Promise<Said> {
  const [program, ...first] = [...prefix, process.execPath, join(import.meta.dirname, '../../src/main.ts')];
  const env = { ...settings, PATH: process.env['PATH'], XDG_STATE_HOME: join(root, 'state'), HOME: root };
  return new Promise((resolve) => {
    execFile(program, [...first, '-C', tree, ...args], { env }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
  });
}

const pipeline = (jobs: string): string =>
  `on: push\nsidecar: { image: "${TEST_IMAGE}", shm-size: 64m }\njobs:\n${jobs}`;

describe('hearth run', () => {
  it('runs the files as they are, committed or not, in a folder that is no repository', async () => {
    await write({
      '.hearth/main.yml': pipeline('  a: { run: "cat data.txt && test ! -e ignored.txt" }\n'),
      'data.txt': 'mine\n',
      'ignored.txt': 'x',
      '.gitignore': 'ignored.txt\n',
    });
    const { code, out } = await hearth('run');
    expect(out).toContain('✔ a');
    expect(code).toBe(0);
    await write({
      'data.txt': 'changed\n',
      '.hearth/main.yml': pipeline('  a: { run: "grep -qx changed data.txt" }\n'),
    });
    expect((await hearth('run')).code).toBe(0);
  });

  it('exits 1 and shows the output of what failed', async () => {
    await write({
      '.hearth/main.yml': pipeline('  good: { run: "true" }\n  bad: { run: "echo the cause; exit 3" }\n'),
    });
    const { code, out } = await hearth('run');
    expect(code).toBe(1);
    expect(out).toContain('│ the cause');
    expect(out).toContain('exit 3');
  });

  it('counts the tests of a JUnit report and names those that failed', async () => {
    await write({
      '.hearth/main.yml': pipeline(
        '  unit: { run: "exit 1", artifacts: { report: { paths: unit.xml, junit: true, when: always } } }\n  none: { run: "true" }\n',
      ),
      'unit.xml':
        '<testsuite name="s"><testcase classname="maths" name="adds" file="maths.js" line="7"><failure message="3 is not 4"/></testcase>' +
        '<testcase classname="maths" name="divides"/><testcase classname="maths" name="roots"><skipped/></testcase></testsuite>',
    });
    const { code, out } = await hearth('run');
    expect(code).toBe(1);
    expect(out).toContain('tests: 1 passed, 1 failed, 1 skipped\n');
    expect(out).toMatch(/✘ maths.*adds \(maths\.js:7\): 3 is not 4\n/);
    const [ran] = JSON.parse((await hearth('-o', 'json', 'run')).out) as {
      jobs: { name: string; tests: { total: number; failures: { name: string }[] } | null }[];
    }[];
    const tests = new Map(ran?.jobs.map((job) => [job.name, job.tests]));
    expect(tests.get('unit')).toMatchObject({
      total: 3,
      failed: 1,
      skipped: 1,
      failures: [{ file: 'maths.js', line: 7 }],
    });
    expect(tests.get('none')).toBeNull();
  });

  it('runs a workflow of GitHub: checkout, cache, upload and download mean what they mean there', async () => {
    await write({
      '.hearth/ci.yml': `name: CI
on: [push]
sidecar: { image: "${TEST_IMAGE}", shm-size: 64m }
jobs:
  build:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - name: Downloads
        uses: actions/cache@v4
        with:
          path: ~/.cache/downloads
          key: downloads-\${{ hashFiles('data.txt') }}
      - run: cat token >>~/.cache/downloads/list; test $(grep -cx "$(cat token)" ~/.cache/downloads/list) = $(cat data.txt)
      - run: mkdir -p dist/.hidden other; cp data.txt dist/out; echo no | tee dist/.hidden/x >dist/.env; echo no >other/x
      - uses: actions/upload-artifact@v4
        with: { name: dist, path: dist/, if-no-files-found: error }
      - uses: actions/upload-artifact@v4
        with: { name: other, path: other }
  test:
    needs: build
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - uses: actions/download-artifact@v4
        with: { name: dist, path: dist }
      - run: test "$(find dist -type f) $(cat dist/out)" = "dist/out $(cat data.txt)"
      - run: test ! -e other
  without:
    needs: build
    runs-on: self-hosted
    steps: [{ run: test ! -e dist }]
`,
      'data.txt': '1',
      // A volume may be there from an earlier run of this test.
      token: `${root}\n`,
    });
    const first = await hearth('run');
    expect(first.out).toContain('3 jobs passed');
    expect(first.code).toBe(0);
    await write({ 'data.txt': '2' });
    expect((await hearth('run')).out).toContain('3 jobs passed');
    const alone = await hearth('run', 'test');
    expect(alone.code).toBe(1);
    expect(alone.out).toContain('there is no artifact dist of build');
  });

  it('says whose job it is where there are several pipelines, and what takes its time before a job can start', async () => {
    const install = 'mkdir deps; touch deps/x';
    await write({
      '.hearth/one.yml': `${pipeline('  job: { cache: deps, run: "seq 20000; exit 1" }\n')}cache: { deps: { key: [deps.lock], paths: [deps], install: "${install}" } }\n`,
      '.hearth/two.yml': pipeline('  job: { run: "true" }\n'),
      'deps.lock': '1\n',
    });
    const { out } = await hearth('run');
    expect(out).toMatch(/^ {2}▸ one \/ job$/m);
    expect(out).toMatch(/^ {4}… cache deps: miss [0-9a-f]{12}, installing$/m);
    expect(out).toMatch(/^ {2}✔ two \/ job {2}/m);
    expect(out).toMatch(/^ {4}│ \(\d+ bytes before this are in the log\)\n {4}│ \d+\n/m);
  });

  it('runs the whole working tree from a folder below its top', async () => {
    await write({ '.hearth/main.yml': pipeline('  a: { run: "test -e top.txt" }\n'), 'top.txt': '', 'sub/deep/x': '' });
    await exec('git', ['init', '-q', tree]);
    tree = join(tree, 'sub', 'deep');
    expect((await hearth('run')).out).toContain('1 job passed');
  });

  it('keeps a volume from one time to the next, and apart from those of other folders', async () => {
    // What a job finds there is how often it was run: it fails with that number.
    const file = {
      '.hearth/main.yml': `cache: { notes: { volume: /notes } }\n${pipeline('  a: { cache: notes, run: "date >>/notes/times; exit $(wc -l </notes/times)" }\n')}`,
    };
    await write(file);
    expect((await hearth('run')).out).toContain('exit 1');
    expect((await hearth('run')).out).toContain('exit 2');
    tree = join(root, 'other', 'tree');
    await write(file);
    expect((await hearth('run')).out).toContain('exit 1');
  });

  it('runs named jobs with what they need, or without, and refuses what matches nothing', async () => {
    await write({
      'ci/pipelines/main.yml': pipeline(
        '  build: { run: echo b }\n  test: { needs: [build], run: echo t }\n  docs: { run: echo d }\n',
      ),
    });
    const all = JSON.parse((await hearth('-o', 'json', 'run', '--needs', 'test')).out) as {
      jobs: { name: string }[];
    }[];
    expect(all[0]?.jobs.map(({ name }) => name)).toEqual(['build', 'test']);
    const alone = JSON.parse((await hearth('-o', 'json', 'run', 'test')).out) as { jobs: { name: string }[] }[];
    expect(alone[0]?.jobs.map(({ name }) => name)).toEqual(['test']);
    const nothing = await hearth('run', 'deploy');
    expect(nothing.code).toBe(2);
    expect(nothing.err).toContain('deploy');
    expect((await hearth('run', '--only', 'docs', '--skip', 'docs')).code).toBe(2);
  });

  it('runs a pipeline that lacks the job to skip', async () => {
    await write({
      '.hearth/main.yml': pipeline('  build: { run: echo b }\n  slow: { run: echo s }\n'),
      '.hearth/docs.yml': pipeline('  spell: { run: "exit 4" }\n'),
    });
    const { code, out } = await hearth('-o', 'json', 'run', '--skip', 'slow');
    const ran = JSON.parse(out) as { jobs: { name: string }[] }[];
    expect(ran.map(({ jobs }) => jobs.map(({ name }) => name)).toSorted()).toEqual([['build'], ['spell']]);
    expect(code).toBe(1);
  });

  it('exits 2 for a broken file and says where, 3 where there is none', async () => {
    expect((await hearth('run')).code).toBe(3);
    await write({ '.hearth/main.yml': pipeline('  a: { rum: x }\n') });
    const { code, err } = await hearth('run');
    expect(code).toBe(2);
    expect(err).toMatch(/main\.yml:4:\d+: /);
  });
});

describe('a user who is not root but may use Docker', () => {
  let asUser: readonly string[];

  beforeEach(async ({ skip }) => {
    if (process.geteuid?.() !== 0) skip('only root can become another user');
    const uid = 12345;
    const { gid } = await stat('/var/run/docker.sock');
    asUser = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, `--groups=${gid}`, '--'];
    await write({
      '.hearth/main.yml': `${pipeline('  good: { cache: [deps], run: "cat deps/x; id -u; echo y > made" }\n  bad: { run: "exit 3" }\n')}cache:\n  deps: { key: [deps.lock], paths: [deps], install: "mkdir deps; echo installed > deps/x" }\n`,
      '.hearth/slow.yml': pipeline('  slow: { run: "mkdir -p kept/deep; echo up; sleep 1000" }\n'),
      'deps.lock': '1\n',
    });
    await exec('chown', ['-R', `${uid}:${uid}`, root]);
  });

  it('gets the same verdicts, on copied workspaces', async () => {
    for (let round = 0; round < 2; round++) {
      const { code, out, err } = await hearthAs(asUser, '-o', 'json', 'run', '--pipeline', 'main');
      expect(err).toBe('');
      expect(code).toBe(1);
      const [ran] = JSON.parse(out) as {
        jobs: { name: string; outcome: { result: string; message: string }; evidence: { exit_code: number } | null }[];
      }[];
      expect(ran?.jobs.map(({ name, outcome, evidence }) => [name, outcome.result, evidence?.exit_code])).toEqual([
        ['good', 'success', 0],
        ['bad', 'failure', 3],
      ]);
    }
    expect((await hearthAs(asUser, 'doctor')).out).toMatch(/NOTE +workspaces .*copied/);
  });

  it('loses a slot without being stuck with the files that its job made', async () => {
    const running = hearthAs(asUser, 'run', '--pipeline', 'slow');
    const [local] = await expect
      .poll(() => readdir(join(root, 'state', 'hearth', 'local')).catch(() => []))
      .toHaveLength(1)
      .then(() => readdir(join(root, 'state', 'hearth', 'local')));
    const slots = join(root, 'state', 'hearth', 'local', local ?? '', 'slots');
    const made = async (): Promise<readonly string[]> => {
      const ids = await readdir(slots).catch(() => []);
      const found = ids.map(async (id) => ((await isThere(join(slots, id, 'work', 'kept', 'deep'))) ? [id] : []));
      return (await Promise.all(found)).flat();
    };
    await expect.poll(made, { timeout: 20_000 }).toHaveLength(1);
    const [id] = await made();
    await exec('docker', ['kill', `hearth-${id}`]);
    const { code, out, err } = await running;
    expect(err).toBe('');
    expect(code).toBe(1);
    expect(out).toMatch(/slot was lost/);
    expect(await readdir(slots)).not.toContain(id);
  });
});

it('the command line explains itself and exits 2 for wrong usage', async () => {
  expect((await hearth('--help')).out).toContain('serve');
  expect((await hearth('frobnicate')).code).toBe(2);
  expect((await hearth('serve')).code).toBe(2);
  expect((await hearth('serve')).err).toMatch(/HEARTH_WEBHOOK_SECRET[^]*HEARTH_REPOS/);
  expect(await hearth('-C', '/no/such/folder', 'run')).toEqual({
    code: 2,
    out: '',
    err: 'There is no folder /no/such/folder (-C).\n',
  });
});

it('an address that is taken is one sentence, not a stack trace', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const settings = { HEARTH_WEBHOOK_SECRET: 'hush', HEARTH_REPOS: 'octo/hello', HEARTH_LISTEN: `127.0.0.1:${port}` };
  const { code, err } = await hearthWith(settings, [], 'serve');
  await new Promise((resolve) => taken.close(resolve));
  expect(code).toBe(2);
  expect(err).toMatch(/^Cannot listen on .* set HEARTH_LISTEN to a free address\.\n$/);
});

it('a job that runs as a workflow of GitHub is left out, says why, and is not taken for done', async () => {
  await write({
    '.hearth/main.yml': pipeline('  here: { run: "true" }\n  there: { lane: github, workflow: build.yml }\n'),
  });
  const both = await hearth('run');
  expect(both.code).toBe(0);
  expect(both.out).toMatch(/there.*lane: github: it runs as a workflow of GitHub/);
  expect((await hearth('run', 'there')).code).toBe(1);
});

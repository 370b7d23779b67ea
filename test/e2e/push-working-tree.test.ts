// A pipeline of a working tree by a signed push, as `npm run workloads -- NAME --push` does it.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
const program = join(import.meta.dirname, '../../src/demo/push-working-tree.ts');

let folder: string;
let tree: string;

const pipeline = (job: string): string =>
  `on: { push: { paths: ['never/**'] } }\nsidecar: { image: "${TEST_IMAGE}" }\njobs:\n  only: ${job}\n`;
const files = {
  '.gitignore': 'ignored\n',
  'ci/pipelines/good.yml': pipeline(`
    outputs: { event: '\${{ steps.look.outputs.event }}' }
    steps:
      - id: look
        run: cat uncommitted; test ! -e ignored; echo "event=\${{ github.event_name }}" >>"$GITHUB_OUTPUT"`),
  'ci/pipelines/bad.yml': pipeline('{ run: exit 3 }'),
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-of-pushed-'));
  tree = join(folder, 'tree');
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), text);
  }
  const git = (...args: readonly string[]) => exec('git', ['-C', tree, ...args]);
  await git('init', '--quiet');
  await git('add', '--all');
  await git('-c', 'user.name=A', '-c', 'user.email=a@example.com', 'commit', '--quiet', '--message=all');
  await writeFile(join(tree, 'uncommitted'), 'as it lies there\n');
  await writeFile(join(tree, 'ignored'), '');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function pushed(...args: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
  const env = { PATH: process.env['PATH'], TMPDIR: folder, HOME: folder };
  const options = { cwd: tree, env };
  try {
    const { stdout } = await exec(process.execPath, [program, ...args], options);
    return { code: 0, said: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as {
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
    };
    return { code, said: stdout + stderr };
  }
}

it('a signed push runs the one pipeline with the files as they lie there, and is recorded as a run by hand is', async () => {
  const record = join(folder, 'record.json');
  const { code, said } = await pushed('good', '--record', record);
  expect(said).toContain('answered 202');
  expect(said).toMatch(/✔ only/);
  expect(code).toBe(0);
  const runs = JSON.parse(await readFile(record, 'utf8')) as readonly Record<string, unknown>[];
  expect(runs).toMatchObject([
    { pipeline: 'good', outcome: { result: 'success' }, jobs: [{ name: 'only', outputs: { event: 'push' } }] },
  ]);
});

it('a run that failed is an exit code of 1', async () => {
  const { code, said } = await pushed('bad');
  expect(said).toMatch(/✘ only/);
  expect(code).toBe(1);
});

it('a pipeline that is not there is told before anything is pushed', async () => {
  const { code, said } = await pushed('other');
  expect(code).toBe(2);
  expect(said).toBe('There is no pipeline other here; there are bad, good.\n');
});

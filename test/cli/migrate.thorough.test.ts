/** `hearth migrate` as a process of its own: arguments, streams and exit codes. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const WORKFLOW = '.github/workflows/tests.yml';
const workflow =
  'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n      - uses: some/action@v1\n';
const main = join(import.meta.dirname, '../../src/main.ts');

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hearth-migrate-'));
  mkdirSync(join(cwd, '.github/workflows'), { recursive: true });
  mkdirSync(join(cwd, '.git'));
  writeFileSync(join(cwd, WORKFLOW), workflow);
});
afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

it('writes, prints and refuses from the command line, and lint finds no problem in what was written', async () => {
  const first = await started('migrate', WORKFLOW);
  expect(first).toMatchObject({ code: 1, stdout: '' });
  expect(first.stderr).toContain('→ .hearth/tests.yml');
  expect(await started('lint')).toMatchObject({ code: 0 });
  const second = await started('-o', 'json', 'migrate', '--from', 'github', '-O', '-', WORKFLOW);
  expect(second).toMatchObject({ code: 1, stderr: '' });
  expect(JSON.parse(second.stdout)).toMatchObject({ file: null, from: 'github' });
  const third = await started('migrate', WORKFLOW);
  expect(third).toMatchObject({ code: 2, stdout: '' });
  expect(third.stderr).toContain('is there already');
  expect(await started('migrate', '--force', WORKFLOW)).toMatchObject({ code: 1 });
  expect(await started('migrate', '--from', 'jenkins', WORKFLOW)).toMatchObject({ code: 2 });
  expect(readFileSync(join(cwd, WORKFLOW), 'utf8')).toBe(workflow);
}, 120_000);

function started(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [main, '-C', cwd, ...args], (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

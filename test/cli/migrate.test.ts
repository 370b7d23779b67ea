import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lint } from '../../src/cli/lint.ts';
import { migrate, type MigrateOptions } from '../../src/cli/migrate.ts';

const WORKFLOW = '.github/workflows/tests.yml';
const simple = 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n';
const byHand = simple.replace('- run: make', '- run: make\n      - uses: some/action@v1');

let cwd: string;
let out: string;
let said: string[];
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hearth-migrate-'));
  mkdirSync(join(cwd, '.git'));
  [out, said] = ['', []];
});
afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

function write(path: string, content: string): void {
  mkdirSync(dirname(join(cwd, path)), { recursive: true });
  writeFileSync(join(cwd, path), content);
}

function read(path: string): string {
  return readFileSync(join(cwd, path), 'utf8');
}

function run({ file, ...options }: MigrateOptions & { readonly file: string }, json = false) {
  return migrate(file, options, {
    ...{ cwd, json, environment: {}, interrupted: new AbortController().signal },
    write: (text) => void (out += String(text)),
    complain: (line) => void said.push(line),
  });
}

describe('migrate', () => {
  it('writes a sound pipeline file and leaves the original as it was', async () => {
    write(WORKFLOW, simple);
    expect(await run({ file: WORKFLOW })).toBe(0);
    expect(read(WORKFLOW)).toBe(simple);
    expect(said).toEqual([
      '.github/workflows/tests.yml → .hearth/tests.yml: 1 job with 1 step taken over, 1 changed, 1 not needed, nothing needs your hand',
    ]);
    expect(await lint({ cwd, json: false, out: () => undefined, files: [] })).toBe(0);
    expect(readdirSync(join(cwd, '.hearth'))).toEqual(['tests.yml']);
  });

  it('leaves with 1 when something needs a hand, and says what and where', async () => {
    write(WORKFLOW, byHand);
    expect(await run({ file: WORKFLOW })).toBe(1);
    expect(said[0]).toMatch(/^\.github\/workflows\/tests\.yml:7: jobs\.a\.steps\[1\]: Actions do not run here/);
    expect(said.at(-1)).toContain('1 needs your hand');
    expect(read('.hearth/tests.yml')).toContain('# by hand: `- uses: some/action@v1`. Actions do not run here.');
  });

  it('refuses a second time and changes nothing, unless forced', async () => {
    write(WORKFLOW, simple);
    await run({ file: WORKFLOW });
    write('.hearth/tests.yml', 'mine');
    await expect(run({ file: WORKFLOW })).rejects.toMatchObject({
      exit: 2,
      message: '.hearth/tests.yml is there already. Name another file with --output, or write over it with --force.',
    });
    expect(read('.hearth/tests.yml')).toBe('mine');
    expect(readdirSync(join(cwd, '.hearth'))).toEqual(['tests.yml']);
    expect(await run({ file: WORKFLOW, force: true })).toBe(0);
    expect(read('.hearth/tests.yml')).toContain('run: make');
  });

  it('never writes over the original, by whatever name', async () => {
    write(WORKFLOW, simple);
    symlinkSync(join(cwd, WORKFLOW), join(cwd, 'alias.yml'));
    for (const output of [WORKFLOW, 'alias.yml'])
      await expect(run({ file: WORKFLOW, output, force: true })).rejects.toMatchObject({ exit: 2 });
    linkSync(join(cwd, WORKFLOW), join(cwd, 'twin.yml'));
    await run({ file: WORKFLOW, output: 'twin.yml', force: true });
    expect(read(WORKFLOW)).toBe(simple);
  });

  it('writes where the files of this repository count', async () => {
    write('.gitlab-ci.yml', 'build:\n  script: make\n');
    await run({ file: '.gitlab-ci.yml' });
    expect(existsSync(join(cwd, '.hearth/ci.yml'))).toBe(true);
    rmSync(join(cwd, '.hearth'), { recursive: true });
    write('ci/pipelines/other.yml', 'jobs: {a: {run: x}}\n');
    mkdirSync(join(cwd, 'deep'));
    await run({ file: '.gitlab-ci.yml' });
    expect(existsSync(join(cwd, 'ci/pipelines/ci.yml'))).toBe(true);
  });

  it('prints the file instead with "-", and JSON when asked', async () => {
    write(WORKFLOW, byHand);
    await run({ file: WORKFLOW, output: '-' });
    expect(out).toMatch(/^# Made from \.github\/workflows\/tests\.yml by hearth migrate/);
    expect(existsSync(join(cwd, '.hearth'))).toBe(false);
    out = '';
    expect(await run({ file: WORKFLOW }, true)).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      file: '.hearth/tests.yml',
      from: 'github',
      pipeline: read('.hearth/tests.yml'),
      notes: [
        { line: null, key: 'sidecar', kind: 'changed' },
        { line: 4, key: 'jobs.a.runs-on', kind: 'dropped' },
        { line: 7, key: 'jobs.a.steps[1]', kind: 'todo' },
      ],
    });
  });

  it('leaves with 2 and writes nothing for what it cannot read', async () => {
    write('broken.yml', 'jobs: [\n');
    write('other.yml', 'a: 1\n');
    writeFileSync(join(cwd, 'large.yml'), Buffer.alloc(5 * 1024 * 1024, 'x'));
    for (const [file, message] of [
      ['nowhere.yml', /no such file/],
      ['.git', /This is a folder/],
      ['broken.yml', /broken\.yml:2:1: .*\[yaml-syntax\]/],
      ['other.yml', /--from/],
      ['large.yml', /larger than 1 MiB/],
    ] as const) {
      const failure: unknown = await run({ file }).catch((error: unknown) => error);
      expect(failure).toMatchObject({ exit: 2 });
      expect(failure instanceof Error ? failure.message : '').toMatch(message);
    }
    expect(existsSync(join(cwd, '.hearth'))).toBe(false);
  });
});

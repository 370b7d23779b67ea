import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lint } from '../../src/cli/lint.ts';
import { list } from '../../src/cli/list.ts';
import { preview } from '../../src/cli/preview.ts';

let cwd: string;
let lines: string[];
const text = () => ({ cwd, json: false, out: (line: string) => void lines.push(line) });
const json = () => ({ ...text(), json: true });

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hearth-cli-'));
  mkdirSync(join(cwd, '.git'));
  lines = [];
});
afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

function write(path: string, content: string): void {
  mkdirSync(dirname(join(cwd, path)), { recursive: true });
  writeFileSync(join(cwd, path), content);
}

const good =
  'on: push\njobs:\n  build: {name: Build it, run: make}\n  unit: {needs: build, run: x}\n  lint: {needs: [], run: x}\n';

describe('lint', () => {
  it('says that all is well and leaves with 0', async () => {
    write('.hearth/ci.yml', good);
    expect(await lint({ ...text(), files: [] })).toBe(0);
    expect(lines).toEqual(['1 file without problems']);
  });

  it('prints every problem of every file as file:line:column and leaves with 1', async () => {
    write('.hearth/a.yml', 'jobs: {a: {rnu: x}}\n');
    write('.hearth/b.yaml', 'jobs: {}\n');
    expect(await lint({ ...text(), files: [] })).toBe(1);
    expect(lines).toEqual([
      '.hearth/a.yml:1:8: jobs.a must have run, steps, image or lane. Add one of them. [missing-key]',
      '.hearth/a.yml:1:12: Unknown key rnu of jobs.a. Did you mean "run"? [unknown-key]',
      '.hearth/b.yaml:1:1: The pipeline has no job. Add one below "jobs:". [empty-pipeline]',
    ]);
  });

  it('looks from a folder inside the working tree, and only in the first pipeline folder', async () => {
    write('.hearth/ci.yml', good);
    write('ci/pipelines/broken.yml', 'jobs: {}\n');
    mkdirSync(join(cwd, 'src/deep'), { recursive: true });
    expect(await lint({ ...text(), cwd: join(cwd, 'src/deep'), files: [] })).toBe(0);
    expect(await lint({ ...text(), files: ['ci/pipelines/broken.yml'] })).toBe(1);
  });

  it('tells of two files with one name', async () => {
    write('ci/pipelines/a.yml', `name: x\n${good}`);
    write('ci/pipelines/b.yml', `name: x\n${good}`);
    expect(await lint({ ...text(), files: [] })).toBe(1);
    expect(lines).toEqual([
      'ci/pipelines/a.yml: ci/pipelines/a.yml, ci/pipelines/b.yml give the same pipeline name x. Give each its own "name:". [duplicate-pipeline]',
    ]);
  });

  it('leaves with 3 when there is nothing to look at, and with 1 for a file that is not there', async () => {
    expect(await lint({ ...text(), files: [] })).toBe(3);
    expect(await lint({ ...text(), files: ['nope.yml'] })).toBe(1);
    expect(lines).toEqual([
      'No pipeline file found in .hearth or ci/pipelines. Write one, for example .hearth/main.yml (docs/pipeline-file.md), or let `hearth migrate` make one of a workflow or a .gitlab-ci.yml.',
      'nope.yml: There is no such file. Name a pipeline file that you can read. [bad-value]',
    ]);
  });

  it('looks into the files that are included, and names them', async () => {
    write('.hearth/ci.yml', 'include: [.hearth/shared/x.yml, shared/none.yml]\n');
    write('.hearth/shared/x.yml', 'jobs:\n  a: {rnu: x}\n');
    expect(await lint({ ...text(), files: [] })).toBe(1);
    expect(lines).toEqual([
      '.hearth/ci.yml:1:33: The included file shared/none.yml is not there. Correct its path from the top of the repository. [bad-include]',
      '.hearth/shared/x.yml:2:3: jobs.a must have run, steps, image or lane. Add one of them. [missing-key]',
      '.hearth/shared/x.yml:2:7: Unknown key rnu of jobs.a. Did you mean "run"? [unknown-key]',
    ]);
  });

  it('gives JSON when asked', async () => {
    write('.hearth/a.yml', 'jobs: {}\n');
    await lint({ ...json(), files: [] });
    expect(JSON.parse(lines.join(''))).toMatchObject({
      files: ['.hearth/a.yml'],
      problems: [{ code: 'empty-pipeline', file: '.hearth/a.yml', position: { line: 1, column: 1 } }],
    });
  });
});

describe('preview', () => {
  it('shows the jobs level by level with what they wait for', async () => {
    write('.hearth/ci.yml', good);
    expect(await preview({ ...text(), event: 'push', branch: 'main' })).toBe(0);
    expect(lines).toEqual(['ci (.hearth/ci.yml)', '  1  build', '  1  lint', '  2  unit  after build']);
  });

  it('shows which artifacts a job waits for instead of the end of another one, as list does', async () => {
    const build = 'build: {artifacts: {dist: a, map: b}, steps: [{run: x, publish: [dist, map]}]}';
    const needs = '[lint, {job: build, artifact: [dist, map]}]';
    write('.hearth/ci.yml', `jobs:\n  ${build}\n  lint: {run: x}\n  test: {needs: ${needs}, run: x}\n`);
    await preview({ ...text(), event: 'push', branch: 'main' });
    expect(lines.splice(0).at(-1)).toBe('  2  test  after lint, dist and map of build');
    await preview({ ...json(), event: 'push', branch: 'main' });
    expect(lines.splice(0).at(-1)).toContain('"waits_for":["lint","build"],"artifacts":{"build":["dist","map"]}');
    await list(json());
    expect(lines.at(-1)).toContain(
      '"artifact_needs":[{"job":"build","artifact":"dist"},{"job":"build","artifact":"map"}]',
    );
  });

  it('says why a pipeline does not run', async () => {
    write('.hearth/ci.yml', good);
    await preview({ ...text(), event: 'pull_request', branch: 'main' });
    expect(lines).toEqual(['ci (.hearth/ci.yml): does not run: it does not run on pull_request']);
  });

  it('does not call a pipeline sound whose name of the run, or group, nobody can make', async () => {
    const heading = "run-name: '${{ fromJSON(vars.A) }}'\nconcurrency: '${{ vars.B }}-${{ github.ref_name }}'\n";
    write('.hearth/ci.yml', `vars: {A: '{', B: b}\n${heading}${good}`);
    expect(await preview({ ...text(), event: 'push', branch: 'main' })).toBe(1);
    expect(lines.splice(0)).toEqual([expect.stringMatching(/^\.hearth\/ci\.yml: run-name: /)]);
    write('.hearth/ci.yml', `vars: {A: '1', B: b}\n${heading}${good}`);
    expect(await preview({ ...text(), event: 'push', branch: 'main' })).toBe(0);
  });

  it('shows the sound pipelines beside the problems of a broken one', async () => {
    write('.hearth/bad.yml', 'jobs: {}\n');
    write('.hearth/ci.yml', good);
    expect(await preview({ ...json(), event: 'push', branch: 'main' })).toBe(1);
    expect(JSON.parse(lines.join(''))).toMatchObject({
      pipelines: [
        {
          pipeline: 'ci',
          wanted: true,
          levels: [[{ name: 'build' }, { name: 'lint' }], [{ name: 'unit', waits_for: ['build'] }]],
        },
      ],
      problems: [{ code: 'empty-pipeline' }],
    });
  });
});

describe('list', () => {
  it('names pipelines, their events and their jobs', async () => {
    write('.hearth/ci.yml', good);
    write('.hearth/manual.yml', `on: {}\njobs: {a: {run: x}}\n`);
    expect(await list(text())).toBe(0);
    expect(lines).toEqual([
      'ci (.hearth/ci.yml; push)',
      '  build  Build it',
      '  unit',
      '  lint',
      'manual (.hearth/manual.yml; started by hand only)',
      '  a',
    ]);
  });

  it('leaves with 3 when there is none', async () => {
    expect(await list(text())).toBe(3);
  });
});

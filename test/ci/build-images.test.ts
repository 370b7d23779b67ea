/** The workflow that builds images on our runner pools, judged by GitHub's own parser and evaluator, and by our rules. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluateCondition, type Value } from '../../src/core/expression/expression.ts';
import { filesUnder, root } from '../support/repository.ts';
import { checkWorkflow, valueOf } from '../support/workflow.ts';
import { problemsOf } from '../support/workflow-rules.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const workflow = read('ci/github/build-images.yml');
const scripts = Object.fromEntries(filesUnder('ci/github', '.sh').map((path) => [basename(path), read(path)]));

/** The workflow with one thing wrong. */
function wrong(from: string, to: string, text = workflow): string {
  expect(text).toContain(from);
  return text.replaceAll(from, to);
}

async function template() {
  const { errors, template: found } = await checkWorkflow(workflow);
  if (found === undefined) throw new Error(errors.join('\n'));
  return found;
}

async function jobOf(id: string) {
  const found = (await template()).jobs.find((job) => job.id.value === id);
  if (found?.type !== 'job') throw new Error(`no job ${id}`);
  return found;
}

describe("GitHub's own parser", () => {
  it('finds nothing wrong with the workflow', async () => {
    expect((await checkWorkflow(workflow)).errors).toEqual([]);
  });

  it.each([
    ['a key that does not exist', 'timeout-minutes: 15', 'timeout-minuts: 15', /Unexpected value 'timeout-minuts'/],
    ['a job that is not there', 'needs: [build, push]', 'needs: [build, puhs]', /puhs/],
    ['a type of input that does not exist', 'type: boolean', 'type: bool', /Unexpected value 'bool'/],
    ['a function that does not exist', 'format(', 'fromat(', /Unrecognized function: 'fromat'/],
    ['a context where it is not known', '${{ github.ref }}-${{ inputs', '${{ matrix.arch }}-${{ inputs', /'matrix'/],
    ['an expression that does not end', "inputs.runner-type == 'large' && 4", "inputs.runner-type == 'large && 4", /'/],
    ['a step that does two things', 'run: ci/github/build.sh', 'run: x\n        uses: a/b@v1', /'uses'|'run'/],
  ])('finds %s', async (_, from, to, expected) => {
    expect((await checkWorkflow(wrong(from, to))).errors.join('\n')).toMatch(expected);
  });
});

describe('the labels that a job asks for', () => {
  it.each([
    ['multi', 'amd64', ['self-hosted', 'linux', 'X64']],
    ['multi', 'arm64', ['self-hosted', 'linux', 'ARM64']],
    ['large', 'amd64', ['self-hosted', 'linux', 'X64', 'large']],
    ['large', 'arm64', ['self-hosted', 'linux', 'ARM64', 'large']],
    ['native', 'amd64', ['self-hosted', 'linux', 'X64']],
    ['native', 'arm64', ['self-hosted', 'linux', 'ARM64']],
  ])('%s on %s are those that a pool gives', async (type, arch, labels) => {
    const token = (await jobOf('build'))['runs-on'];
    if (token === undefined) throw new Error('no runs-on');
    expect(valueOf(token, { contexts: { inputs: { 'runner-type': type }, matrix: { arch } } })).toEqual(labels);
  });

  it.each(['push', 'manifest'])('%s are of an amd64 runner, a large one where only such are wanted', async (id) => {
    const token = (await jobOf(id))['runs-on'];
    if (token === undefined) throw new Error('no runs-on');
    const labelsFor = (type: string) => valueOf(token, { contexts: { inputs: { 'runner-type': type } } });
    expect(['multi', 'large', 'native'].map(labelsFor)).toEqual([
      ['self-hosted', 'linux', 'X64'],
      ['self-hosted', 'linux', 'X64', 'large'],
      ['self-hosted', 'linux', 'X64'],
    ]);
  });

  it.each([
    ['multi', 2],
    ['large', 4],
    ['native', 2],
  ])('%s: every workload once on every architecture, %i at a time', async (type, most) => {
    const { strategy } = await jobOf('build');
    if (strategy === undefined) throw new Error('no strategy');
    expect(valueOf(strategy, { contexts: { inputs: { 'runner-type': type } } })).toEqual({
      'fail-fast': false,
      'max-parallel': most,
      matrix: { workload: ['llama', 'federation'], arch: ['amd64', 'arm64'] },
    });
  });
});

describe('the manifest', () => {
  const cases: readonly (readonly [build: string, push: string, asked: boolean, isMade: boolean])[] = [
    ['success', 'skipped', false, true],
    ['success', 'success', true, true],
    ['success', 'failure', true, false],
    ['success', 'skipped', true, false],
    ['failure', 'skipped', false, false],
    ['skipped', 'skipped', false, false],
  ];
  it.each(cases)('after a build that is %s and a push that is %s (asked for: %s): made %s', async (...row) => {
    const [build, push, asked, isMade] = row;
    const { if: condition } = await jobOf('manifest');
    const contexts: Record<string, Value> = {
      inputs: { push: asked },
      needs: { build: { result: build }, push: { result: push } },
    };
    const status = { success: false, failure: false, cancelled: false, always: true };
    expect(evaluateCondition(condition.expression, { contexts, status })).toBe(isMade);
    const cancelled = { ...status, cancelled: true };
    expect(evaluateCondition(condition.expression, { contexts, status: cancelled })).toBe(false);
  });
});

describe('the rules for the workflow', () => {
  it('are kept', () => {
    expect(problemsOf({ workflow, scripts })).toEqual([]);
  });

  const pin = 'actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd';
  it.each([
    [
      'a choice that nobody can make',
      "type == 'large'",
      "type == 'big'",
      'runner-type is compared with big, which is no',
    ],
    [
      'a choice renamed',
      '[multi, large, native]',
      '[multi, big, native]',
      'is compared with large, which is no choice',
    ],
    ['an axis that never is so', "matrix.arch == 'arm64'", "matrix.arch == 'aarch64'", 'axis arch never is aarch64'],
    ['a variable that is not given', '  TAG_SUFFIX: ', '  SUFFIX: ', 'push.sh is not given TAG_SUFFIX'],
    [
      'an expression in a command',
      'github/build.sh',
      'github/build.sh ${{ inputs.push }}',
      'an expression in "ci/github/',
    ],
    ['a command that is no script', 'run: ci/github/build.sh', 'run: docker build .', '"docker build ." is no script'],
    ['images that are tried twice', 'run: ci/github/result.sh', 'run: ci/github/test.sh', 'test.sh is called 2 times'],
    ['an action by its tag', `${pin} # v6.0.2`, 'actions/checkout@v6', 'actions/checkout@v6 is not pinned'],
    ['a commit without its version', ' # v6.0.2', '', `${pin} is not pinned`],
    [
      'an input that is not declared',
      '  PUSH: ${{ inputs.push }}',
      '  PUSH: ${{ inputs.p }}',
      'input p is not declared',
    ],
    ['a job without a limit', '    timeout-minutes: 30\n', '', 'job push has no timeout-minutes'],
    ['permissions for all', 'permissions:\n  contents: read', 'permissions: write-all', 'may do more than read'],
    [
      'a job that may write, too',
      'minutes: 90',
      'minutes: 90\n    permissions: { packages: write }',
      'build: packages may',
    ],
    ['credentials that stay', 'persist-credentials: false', 'persist-credentials: true', 'leaves credentials'],
    ['no cleaning after a failure', 'if: always()', 'if: success()', 'job build does not always end with clean.sh'],
  ])('are broken by %s', (_, from, to, expected) => {
    const text = wrong(from, to);
    expect(problemsOf({ workflow: text, scripts }).join('\n')).toContain(expected);
  });

  it('say it of an input that is used nowhere', () => {
    const unused = wrong('      push:\n', '      dry-run:\n        type: boolean\n      push:\n');
    expect(problemsOf({ workflow: unused, scripts })).toEqual(['input dry-run is used nowhere']);
  });

  it('hold for the scripts, too', () => {
    const check = wrong('"$RUNNER_TYPE" = native', '"$RUNNER_TYPE" = bare', scripts['check.sh']);
    const manifest = wrong('multi large native', 'multi large', scripts['manifest.sh']);
    expect(problemsOf({ workflow, scripts: { ...scripts, 'check.sh': check, 'manifest.sh': manifest } })).toEqual([
      'runner-type is compared with bare, which is no choice',
      'manifest.sh allows RUNNER_TYPE multi large, and the choices are multi large native',
    ]);
  });
});

it('the federation is judged with every package that its criteria import', () => {
  const sources = ['criteria.ts', 'keys.ts', 'agents.ts', 'criteria', 'src/protocol', 'src/hub', 'src/program.ts'];
  const files = sources.flatMap((name) =>
    name.endsWith('.ts') ? [`ci/federation/${name}`] : filesUnder(`ci/federation/${name}`, '.ts'),
  );
  const imported = files.flatMap((file) =>
    [...read(file).matchAll(/from '([^.'][^']*)'/g)]
      .map(([, name = '']) => name)
      .filter((name) => !/^node:/.test(name)),
  );
  const installed =
    /IN\((.*?)\)/
      .exec(scripts['try-federation.sh'] ?? '')?.[1]
      ?.replaceAll('"', '')
      .split(', ') ?? [];
  expect(installed.toSorted()).toEqual([...new Set(imported)].filter((name) => name !== 'ws').toSorted());
});

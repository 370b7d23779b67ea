import { describe, expect, it } from 'vitest';
import { parsePipeline } from '../../../src/core/pipeline/pipeline-file.ts';
import { conditionOf, not, or } from '../../../src/core/migrate/gitlab-condition.ts';
import { delayOf, minutesOf, retryOf } from '../../../src/core/migrate/gitlab-values.ts';
import { safeScript } from '../../../src/core/migrate/github-script.ts';
import { migrate, type Source } from '../../../src/core/migrate/migrate.ts';

function migrated(text: string, from?: Source) {
  return migrate({ text, file: 'x.yml', target: '.hearth/x.yml', from });
}

function pipelineOf(text: string): string {
  const result = migrated(text);
  if (!result.ok) throw new Error(JSON.stringify(result.problem));
  const parsed = parsePipeline(result.value.pipeline, '.hearth/x.yml');
  expect(parsed.ok ? [] : parsed.problem).toEqual([]);
  return result.value.pipeline;
}

function problemsOf(text: string, from?: Source): readonly string[] {
  const result = migrated(text, from);
  return result.ok ? [] : result.problem.map(({ message }) => message);
}

describe('an uploaded artifact', () => {
  const upload = (path: string): string =>
    pipelineOf(
      `on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: make}, {uses: actions/upload-artifact@v4, with: {name: x, path: '${path}'}}]}}\n`,
    );

  it('lies where its path does, also when that is written from the workspace', () => {
    expect(upload('${{ github.workspace }}/tmp/shots')).toMatch(/paths: tmp\/shots\n/);
    expect(upload('dist/${{ matrix.os }}/*.js')).toMatch(/paths: dist\/\*\/\*\.js\n/);
    expect(upload('dist/${{ matrix.os }}/*.js')).not.toMatch(/# by hand/);
  });

  it('is left to a hand where its path is computed from something else, which may be anything', () => {
    const made = upload('${{ env.OUT_DIR }}/doc');
    expect(made).toMatch(/paths: "\*\/doc"\n/);
    expect(made.replace(/\n\s*#\s+/g, ' ')).toMatch(
      /by hand: .*What is computed in its paths became "\*": write what is meant/,
    );
  });
});

describe('what an image or a worker would have to be', () => {
  const job = (text: string): string => pipelineOf(`on: push\njobs: {a: ${text}}\n`).replace(/\n\s*#\s+/g, ' ');
  const java = (distribution: string): string =>
    job(
      `{runs-on: ubuntu-latest, strategy: {matrix: {dist: [temurin, zulu]}}, steps: [{uses: actions/setup-java@v4, with: {java-version: 21, distribution: '${distribution}'}}, {run: make}]}`,
    );

  it('is by hand where the image is another one than the workflow asks for', () => {
    expect(java('temurin')).not.toMatch(/by hand:/);
    expect(java('zulu')).toMatch(/by hand: .*It does not bring distribution: zulu:/);
    expect(java('${{ matrix.dist }}')).toMatch(/by hand: .*It does not bring distribution: \$\{\{ matrix\.dist \}\}:/);
    const php = job(
      `{runs-on: ubuntu-latest, steps: [{uses: shivammathur/setup-php@v2, with: {php-version: 8.3, extensions: intl, coverage: none}}, {run: make}]}`,
    );
    expect(php).toMatch(/by hand: .*It does not bring extensions: intl: do it/);
  });

  it('is by hand where a matrix chooses an ARM64 machine, and nothing runs elsewhere under its name', () => {
    const steps = 'steps: [{run: make}]';
    const included = job(
      `{runs-on: '\${{ matrix.os }}', strategy: {matrix: {include: [{os: ubuntu-24.04, t: x}, {os: ubuntu-24.04-arm, t: y}]}}, ${steps}}`,
    );
    expect(included).toMatch(/by hand: .*ubuntu-24\.04-arm.*A matrix does not choose the processor/);
    expect(included.split('by hand:')[0]).not.toMatch(/-arm/);
    const first = job(
      `{runs-on: '\${{ matrix.os }}', strategy: {matrix: {os: [ubuntu-24.04-arm, ubuntu-24.04]}}, ${steps}}`,
    );
    expect(first).toMatch(/os: \[ *ubuntu-24\.04 *\]/);
    expect(first).toMatch(/Left out of this axis: ubuntu-24\.04-arm/);
  });
});

describe('files that cannot be read', () => {
  it.each([
    ['too large', `# ${'x'.repeat(1024 * 1024)}\n`, /larger than 1 MiB/],
    ['an alias bomb', bomb(), /more than 50000 values/],
    ['an anchor in itself', 'a: &a\n  b: *a\njobs: {}\n', /contains itself/],
    ['no YAML', 'jobs: [\n', /Correct the YAML here/],
    ['a key that stands twice', 'on: push\non: push\njobs: {}\n', /twice|"on"/],
    ['a list', '- a\n', /no mapping of keys/],
    ['empty', '', /no mapping of keys/],
    ['something else', 'services: {web: {image: x}}\n', /neither a GitHub Actions workflow/],
    ['two documents', 'spec: {}\n---\nbuild: {script: x}\n', /./],
  ])('%s: problems with what to do', (_name, text, message) => {
    expect(problemsOf(text).join('\n')).toMatch(message);
  });

  it('references that grow tenfold with every level end in a problem, at once', () => {
    const level = (name: number) => `.l${name}:\n  script:\n${`    - !reference [.l${name + 1}, script]\n`.repeat(10)}`;
    const text = `${Array.from({ length: 9 }, (_value, index) => level(index)).join('')}.l9:\n  script: [x]\nbuild:\n  extends: .l0\n`;
    const started = performance.now();
    expect(problemsOf(text)).toEqual([
      expect.stringContaining('too large once "extends" and "!reference" are resolved'),
    ]);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('a file that is too large for us, once migrated, is a problem of the result, at once', () => {
    const jobs = Array.from({ length: 1_500 }, (_value, index) => `j${index}:\n  script: x\n  services: [a, b]\n`);
    const started = performance.now();
    expect(problemsOf(jobs.join('')).join()).toMatch(/has 1500 jobs, and a pipeline has at most 1000/);
    expect(performance.now() - started).toBeLessThan(8_000);
  });

  it('a file of which no job can be kept is a problem of the result', () => {
    expect(problemsOf('on: push\njobs: {}\n').join()).toMatch(/has no job/);
  });

  it('--from decides what cannot be told', () => {
    expect(problemsOf('build: {}\n')).toEqual([expect.stringContaining('--from')]);
    const result = migrated('build: {}\n', 'gitlab');
    expect(result.ok && result.value.pipeline).toContain('A job needs "script"');
  });
});

describe('what must not become green by being left out', () => {
  it('a job for another system keeps its name and fails', () => {
    const text = pipelineOf(
      'on: push\njobs: {mac: {runs-on: macos-14, steps: [{run: xcodebuild}]}, all: {needs: mac, runs-on: ubuntu-latest, steps: [{run: x}]}}\n',
    );
    expect(text).toMatch(/^ {2}mac:\n(?: {4}#.*\n)+ {4}run: echo .*; exit 1$/m);
    expect(text).toContain('needs: mac');
  });

  it('a step whose shell is not there goes as a whole, and does not run in another one', () => {
    const text = pipelineOf(
      'on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: a.ps1, shell: pwsh}, {run: make}]}}\n',
    );
    expect(text).not.toMatch(/^ +(?:- )?run: a\.ps1/m);
  });

  it('a job whose condition is not understood is off', () => {
    const text = pipelineOf(
      "on: push\njobs: {a: {if: secrets.X != '', runs-on: ubuntu-latest, steps: [{run: make}]}}\n",
    );
    expect(text).toMatch(/^ {4}if: false$/m);
  });

  it('every version of a matrix gets its own image, under the tag that the image has', () => {
    const text = pipelineOf(
      "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy: {matrix: {v: [18.x, '3.9', nightly]}}\n    steps:\n    - uses: actions/setup-node@v5\n      with: {node-version: '${{ matrix.v }}'}\n    - run: make\n      if: matrix.v == '18.x'\n",
    );
    expect(text).toContain('container: node:${{ matrix.v }}-bookworm');
    expect(text).toMatch(/v: \[\s*"18",\s*'3\.9',\s*nightly\s*\]/);
    expect(text).toContain("if: matrix.v == '18'");
    expect(text).toMatch(/by hand: Write a tag for nightly/);
  });

  it('a job that wants another image than most names it itself, and its condition stays', () => {
    const text = pipelineOf(
      'a: {image: "ruby:3.2", script: x}\nb: {image: "ruby:3.2", script: x}\nc: {image: "ruby:3.3", script: x, only: [main]}\n',
    );
    expect(text).toContain('image: ruby:3.2');
    expect(text).toMatch(/^ {2}c:\n {4}if: github.ref_name == 'main'\n {4}container: ruby:3.3$/m);
  });

  it('options of Docker that are not taken are said and do not stay', () => {
    const text = pipelineOf(
      'on: push\njobs: {a: {runs-on: ubuntu-latest, container: {image: "x:1", options: --cpus 1}, services: {db: {image: "y:1", options: "--cpus 2 --health-cmd \'pg_isready -U ${{ github.actor }}\'"}}, steps: [{run: x}]}}\n',
    );
    expect(text).not.toMatch(/^[^#]*--cpus/m);
    expect(text).toMatch(/options: .*--health-cmd .*pg_isready -U \$\{\{ github.actor \}\}/);
    expect(text).not.toContain('if: false');
  });

  it('a job that extends what is in another file is off', () => {
    const text = pipelineOf(
      '.own: {extends: .elsewhere}\na: {extends: .own, script: x}\nb: {extends: .own, script: x}\nc: {script: x}\n',
    );
    expect(text.match(/^ {4}if: false$/gm)).toHaveLength(2);
  });

  it('without any event that is known it is started by hand only, and not on every push', () => {
    expect(
      pipelineOf('on: {release: {types: [published]}}\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x}]}}\n'),
    ).toMatch(/^on: \{\}$/m);
    expect(pipelineOf('on: release\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x}]}}\n')).toMatch(/^on: \{\}$/m);
  });
});

describe('conditions of GitLab', () => {
  it.each([
    ['$CI_COMMIT_BRANCH == "main"', "github.ref == 'refs/heads/main'"],
    ["$CI_COMMIT_BRANCH != 'it''s'", undefined],
    ['$CI_COMMIT_TAG', "startsWith(github.ref, 'refs/tags/')"],
    ['$CI_COMMIT_TAG == null', "!startsWith(github.ref, 'refs/tags/')"],
    ['$CI_COMMIT_TAG =~ /^v1\\./', "startsWith(github.ref, 'refs/tags/v1.')"],
    ['$CI_COMMIT_TAG =~ /^v\\d+/', undefined],
    ['$CI_COMMIT_BRANCH =~ /-fix$/', "startsWith(github.ref, 'refs/heads/') && endsWith(github.ref, '-fix')"],
    [
      '$CI_PIPELINE_SOURCE == "merge_request_event" || $CI_COMMIT_TAG',
      "github.event_name == 'pull_request' || startsWith(github.ref, 'refs/tags/')",
    ],
    [
      '($CI_COMMIT_TAG || $CI_COMMIT_BRANCH) && $CI_PIPELINE_SOURCE == "push"',
      "(startsWith(github.ref, 'refs/tags/') || startsWith(github.ref, 'refs/heads/')) && github.event_name == 'push'",
    ],
    ['$DEPLOY == "yes"', undefined],
    ['$CI_COMMIT_BRANCH ==', undefined],
    ['(', undefined],
    ['$CI_COMMIT_BRANCH $CI_COMMIT_TAG', undefined],
  ])('%s', (text, expected) => {
    expect(conditionOf(text)).toBe(expected);
  });

  it('are turned round without losing a bracket', () => {
    expect(not("github.ref == 'x'")).toBe("github.ref != 'x'");
    expect(not(or('a', 'b'))).toBe('!(a || b)');
    expect(not('true')).toBe('false');
  });
});

describe('values of GitLab', () => {
  it('times', () => {
    expect(
      ['1h 30m', '90 minutes', '3 hours 30 minutes', '1 day', '3600', 'soon', '1h and a bit'].map(minutesOf),
    ).toEqual([90, 90, 210, 1440, 60, undefined, undefined]);
    expect(['30 minutes', '1 day', '90 seconds', '90 minutes'].map(delayOf)).toEqual(['30m', '24h', '90s', '90m']);
  });

  it('causes of another attempt', () => {
    expect(
      retryOf(
        new Map<string, never>([
          ['max', 2 as never],
          ['when', ['runner_system_failure', 'script_failure'] as never],
        ]),
      ),
    ).toEqual({ max: 2, when: ['infra', 'exit'] });
    expect(retryOf(1)).toBe(1);
  });
});

describe('what outsiders choose in a script', () => {
  const title = '${{ github.event.pull_request.title }}';
  it.each([
    [`echo ${title}`, 'echo "${PULL_REQUEST_TITLE}"'],
    [`echo "a ${title}"`, 'echo "a ${PULL_REQUEST_TITLE}"'],
    [`echo 'a ${title}'`, `echo 'a '"\${PULL_REQUEST_TITLE}"''`],
    [`# don't\necho ${title}`, `# don't\necho "\${PULL_REQUEST_TITLE}"`],
    [`echo \\" ${title}`, 'echo \\" "${PULL_REQUEST_TITLE}"'],
  ])('%s', (script, expected) => {
    expect(safeScript(script, () => false)).toMatchObject({ script: expected, isSure: true });
  });

  it('stays what it is when nobody chooses it', () => {
    const script = 'echo ${{ github.sha }} ${{ github.event.number }} ${{ matrix.a }}';
    expect(safeScript(script, () => false)).toEqual({ script, variables: [], isSure: true });
  });

  it('gets a name that is free', () => {
    expect(safeScript(`echo ${title}`, (name) => name === 'PULL_REQUEST_TITLE').variables).toEqual([
      { name: 'PULL_REQUEST_TITLE_2', expression: 'github.event.pull_request.title' },
    ]);
  });
});

function bomb(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 9; level++)
    lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`);
  return `${lines.join('\n')}\njobs: {}\n`;
}

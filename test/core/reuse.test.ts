import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { JobSpec } from '../../src/core/pipeline/pipeline.ts';
import type { Claim } from '../../src/core/ports.ts';
import {
  AUDIT_ONE_IN,
  inputFiles,
  isAudited,
  leavesResults,
  reuseKeyText,
  takesResults,
  type ReuseFacts,
} from '../../src/core/reuse.ts';
import type { EventName, TrustClass } from '../../src/core/run.ts';
import { makeContext, makeJob, makeRun, makeSpec, makeStep } from '../support/make.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const facts: ReuseFacts = {
  files: [{ path: 'src/a.ts', mode: '100644', objectId: 'aaa' }],
  imageId: 'sha256:1',
  platform: 'linux/amd64',
  serviceImageIds: [],
  layerKeys: ['k'],
};

function claimOf(spec: Partial<JobSpec> = {}, changes: Partial<Claim> = {}): Claim {
  return {
    job: makeJob('test', { spec: makeSpec('test', { inputs: ['src/**'], ...spec }), attempt: 1 }),
    run: makeRun(),
    context: makeContext(),
    needs: {},
    artifacts: [],
    stop: null,
    ...changes,
  };
}

const plain = reuseKeyText(claimOf(), facts);

describe('the key of a result', () => {
  it.each<[string, Partial<Claim>]>([
    ['another commit', { run: makeRun({ sha: 'b'.repeat(40) }) }],
    ['another run', { run: makeRun({ id: 77 }) }],
    ['another branch', { run: makeRun({ ref: 'refs/heads/dev' }) }],
    ['who pushed', { context: makeContext({ actor: 'other' }) }],
    ['the message of the commit', { context: makeContext({ event: { head_commit: { message: 'x' } } }) }],
  ])('is the same for %s, as long as no expression names it', (_what, changes) => {
    expect(reuseKeyText(claimOf({}, changes), facts)).toBe(plain);
  });

  it.each<[string, Partial<JobSpec>]>([
    ['its limit of time', { timeoutMs: 5 }],
    ['its order', { priority: 3, phase: 'late', needs: ['x'] }],
    ['its attempts', { retry: { max: 3, when: ['exit'] } }],
    ['its condition', { condition: "github.ref == 'refs/heads/main'" }],
  ])('is the same whatever %s', (_what, spec) => {
    expect(reuseKeyText(claimOf(spec), facts)).toBe(plain);
  });

  it.each<[string, Partial<JobSpec>]>([
    ['a command', { steps: [makeStep('false')] }],
    ['a variable', { env: { A: '1' } }],
    ['an axis', { axes: { node: 22 } }],
    ['an output', { outputs: { a: 'x' } }],
    ['an image of its own', { container: { image: 'x', readOnly: false } }],
    ['its name', { name: 'other' }],
    ['an allowed exit code', { allowedExitCodes: [5] }],
    ['a key that only a later version knows', { later: true } as Partial<JobSpec>],
  ])('is another one with %s', (_what, spec) => {
    expect(reuseKeyText(claimOf(spec), facts)).not.toBe(plain);
  });

  it.each<[string, Partial<ReuseFacts>]>([
    ['the content of a file', { files: [{ path: 'src/a.ts', mode: '100644', objectId: 'bbb' }] }],
    ['the mode of a file', { files: [{ path: 'src/a.ts', mode: '100755', objectId: 'aaa' }] }],
    ['the name of a file', { files: [{ path: 'src/b.ts', mode: '100644', objectId: 'aaa' }] }],
    ['the image', { imageId: 'sha256:2' }],
    ['the image of a service', { serviceImageIds: ['sha256:3'] }],
    ['the platform', { platform: 'linux/arm64' }],
    ['a dependency layer', { layerKeys: ['l'] }],
  ])('is another one with %s', (_what, changes) => {
    expect(reuseKeyText(claimOf(), { ...facts, ...changes })).not.toBe(plain);
  });

  it.each<[string, Partial<Claim>]>([
    ['vars of the file', { context: makeContext({ vars: { A: '1' } }) }],
    ['inputs of the run', { context: makeContext({ inputs: { A: '1' } }) }],
    ['an output of a job before it', { needs: { build: { result: 'success', outputs: { v: '2' } } } }],
    [
      'memory of the slot',
      { context: makeContext({ sidecar: { kind: 'image', image: 'x', shmBytes: 1, memoryBytes: 2 } }) },
    ],
    [
      'an artifact of a job before it',
      {
        artifacts: [
          { runId: 1, jobId: 2, attempt: 1, job: 'b', name: 'd', bytes: 1, files: 1, expiresAt: new Date(0) },
        ],
      },
    ],
    ['its pipeline', { run: makeRun({ pipeline: 'other' }) }],
  ])('is another one with %s', (_what, changes) => {
    expect(reuseKeyText(claimOf({}, changes), facts)).not.toBe(plain);
  });

  it.each<[string, string]>([
    ['how many combinations there are', '${{ strategy.job-total }}'],
    ['which of them it is', "${{ strategy['job-index'] }}"],
    ['how many may run at once', '${{ Strategy.max-parallel }}'],
    ['all of that', '${{ toJSON(strategy) }}'],
  ])('knows %s where an expression names it, and only there', (_what, expression) => {
    const small = { index: 0, total: 2, failFast: true, maxParallel: null };
    const large = { index: 1, total: 3, failFast: true, maxParallel: 1 };
    const keyOf = (run: string, group: JobSpec['group']) =>
      reuseKeyText(claimOf({ group, steps: [makeStep(run)] }), facts);
    expect(keyOf(`./part ${expression}`, small)).not.toBe(keyOf(`./part ${expression}`, large));
    expect(keyOf('./part', small)).toBe(keyOf('./part', large));
  });

  it('does not know what artifacts weigh or when they end', () => {
    const artifact = {
      runId: 1,
      jobId: 2,
      attempt: 1,
      job: 'b',
      name: 'd',
      bytes: 1,
      files: 1,
      expiresAt: new Date(0),
    };
    const later = { ...artifact, bytes: 5, expiresAt: new Date(9) };
    expect(reuseKeyText(claimOf({}, { artifacts: [artifact] }), facts)).toBe(
      reuseKeyText(claimOf({}, { artifacts: [later] }), facts),
    );
  });

  const other = { run: makeRun({ sha: 'b'.repeat(40), id: 2 }), context: makeContext({ event: { n: { Deep: 2 } } }) };
  it.each<[string, Partial<JobSpec>]>([
    ['a script', { steps: [makeStep('echo ${{ github.sha }}')] }],
    ['a variable, in other letters', { env: { A: "x ${{ format('{0}', GitHub.SHA) }}" } }],
    ['quotes', { env: { A: "${{ github['sha'] }}" } }],
    ['a condition of a step', { steps: [makeStep('x', { condition: "github.sha != ''" })] }],
    ['an output', { outputs: { a: '${{ github.run_id }}' } }],
    ['something computed', { env: { A: "${{ github[format('s{0}', 'ha')] }}" } }],
    ['the whole context', { env: { A: '${{ toJSON(github) }}' } }],
    ['something deep', { env: { A: '${{ github.event.n.deep }}' } }],
    ['a filter', { env: { A: '${{ github.event.n.* }}' } }],
  ])('knows what an expression in %s sees', (_what, spec) => {
    expect(reuseKeyText(claimOf(spec), facts)).not.toBe(reuseKeyText(claimOf(spec, other), facts));
    const same = { run: makeRun({ ref: 'refs/heads/dev' }), context: makeContext() };
    if (!JSON.stringify(spec).includes('toJSON') && !JSON.stringify(spec).includes('format('))
      expect(reuseKeyText(claimOf(spec), facts)).toBe(reuseKeyText(claimOf(spec, same), facts));
  });

  it('takes the word github outside of expressions for what it is', () => {
    const spec = { steps: [makeStep('curl https://api.github.com # github')] };
    expect(reuseKeyText(claimOf(spec), facts)).toBe(reuseKeyText(claimOf(spec, other), facts));
  });
});

describe('inputs', () => {
  const tree = ['a/b/c.ts', 'a/d.md', 'package.json', 'z.ts'].map((path) => ({ path, mode: '100644', objectId: path }));
  const pathsOf = (patterns: readonly string[]) => {
    const files = inputFiles(patterns, tree);
    return files.ok ? files.value.map(({ path }) => path) : files.problem;
  };

  it('are the files that match, in the order of the tree; the last pattern that matches wins', () => {
    expect(pathsOf(['**/*.ts', 'package.json'])).toEqual(['a/b/c.ts', 'package.json', 'z.ts']);
    expect(pathsOf(['a/**', '!a/*.md'])).toEqual(['a/b/c.ts']);
    expect(pathsOf(['a/**', '!a/**', 'a/d.md'])).toEqual(['a/d.md']);
  });

  it('that match nothing are an error that names each of them', () => {
    expect(pathsOf(['src/**', 'z.ts', 'lib/*'])).toBe(
      'inputs: no file of this commit matches "src/**", "lib/*"; correct the pattern or remove it',
    );
    expect(pathsOf(['z.ts', '!z.ts'])).toMatch(/leave no file/);
  });
});

it('only runs that a commit caused take results over, and none of a fork leaves any', () => {
  const classes: readonly TrustClass[] = ['T1', 'T2', 'T3', 'T4'];
  expect(classes.filter((trust) => leavesResults({ trust }))).toEqual(['T1', 'T2']);
  const events: readonly EventName[] = [
    'push',
    'pull_request',
    'merge_group',
    'workflow_dispatch',
    'schedule',
    'manual',
  ];
  const taking = events.filter((eventName) => takesResults({ trust: 'T2', eventName, rerunOf: null }));
  expect(taking).toEqual(['push', 'pull_request', 'merge_group']);
  expect(takesResults({ trust: 'T1', eventName: 'push', rerunOf: 4 })).toBe(false);
  expect(takesResults({ trust: 'T3', eventName: 'pull_request', rerunOf: null })).toBe(false);
});

it('about one in twenty results is run again all the same, and the same ones each time', () => {
  const jobs = Array.from({ length: 4000 }, (_, id) => makeJob('a', { id }));
  const audited = jobs.filter((job) => isAudited('key', job, sha256)).length;
  expect(audited / jobs.length).toBeGreaterThan(0.7 / AUDIT_ONE_IN);
  expect(audited / jobs.length).toBeLessThan(1.4 / AUDIT_ONE_IN);
  expect(jobs.filter((job) => isAudited('key', job, sha256)).length).toBe(audited);
});

/** Plain values of the core types for tests, with every field filled in. */
import type { Job } from '../../src/core/job.ts';
import type { JobSpec, JobTemplate, StepSpec } from '../../src/core/pipeline/pipeline.ts';
import type { Run, RunContext } from '../../src/core/run.ts';

const noTimings = { queuedAt: null, claimedAt: null, startedAt: null, finishedAt: null };

export function makeStep(run = 'true', changes: Partial<StepSpec> = {}): StepSpec {
  return {
    ...{ id: null, name: 'run', condition: null, run, env: {}, workingDirectory: '.', shell: null },
    ...{ timeoutMinutes: null, continueOnError: false },
    ...changes,
  };
}

export function makeSpec(name: string, changes: Partial<JobSpec> = {}): JobSpec {
  return {
    name,
    key: name,
    title: name,
    axes: {},
    group: null,
    condition: null,
    needs: undefined,
    optionalNeeds: [],
    phase: undefined,
    steps: [makeStep()],
    env: {},
    timeoutMs: 60_000,
    continueOnError: false,
    caches: [],
    allowedExitCodes: [],
    interruptible: true,
    startDelayMs: 0,
    priority: 0,
    resources: null,
    retry: null,
    concurrency: null,
    secrets: [],
    artifacts: [],
    shard: null,
    outputs: {},
    ...changes,
  };
}

export function makeTemplate(name: string, changes: Partial<JobTemplate> = {}): JobTemplate {
  const { key: _key, axes: _axes, group: _group, shard: _shard, timeoutMs: _ms, ...rest } = makeSpec(name);
  return { ...rest, parallel: null, timeoutMinutes: 1, strategy: null, position: { line: 1, column: 1 }, ...changes };
}

export function makeJob(name: string, changes: Partial<Job> = {}): Job {
  return {
    id: 1,
    runId: 1,
    name,
    spec: makeSpec(name),
    waitsFor: [],
    state: 'waiting',
    outcome: null,
    evidence: null,
    outputs: {},
    published: [],
    history: [],
    attempt: 0,
    worker: null,
    leaseUntil: null,
    ending: null,
    timings: noTimings,
    origin: null,
    ...changes,
  };
}

export function makeContext(changes: Partial<RunContext> = {}): RunContext {
  return {
    sidecar: { kind: 'image', image: 'x', shmBytes: 1 },
    caches: {},
    refName: 'main',
    headRef: null,
    baseRef: null,
    actor: 'mona',
    event: {},
    inputs: {},
    vars: {},
    ...changes,
  };
}

export function makeRun(changes: Partial<Run> = {}): Run {
  return {
    id: 1,
    repo: { id: 10, owner: 'octo', name: 'hello' },
    sha: 'a'.repeat(40),
    ref: 'refs/heads/main',
    line: '10:refs/heads/main',
    prNumber: null,
    eventName: 'push',
    trust: 'T1',
    pipeline: 'main',
    title: 'main',
    concurrency: null,
    state: 'queued',
    outcome: null,
    ending: null,
    config: null,
    approval: null,
    createdAt: new Date(0),
    finishedAt: null,
    rerunOf: null,
    ...changes,
  };
}

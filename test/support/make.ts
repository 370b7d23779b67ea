/** Plain values of the core types for tests, with every field filled in. */
import type { Job } from '../../src/core/job.ts';
import type { JobSpec } from '../../src/core/pipeline.ts';
import type { Run } from '../../src/core/run.ts';

const noTimings = { queuedAt: null, claimedAt: null, startedAt: null, finishedAt: null };

export function makeSpec(name: string, changes: Partial<JobSpec> = {}): JobSpec {
  return {
    name,
    title: name,
    needs: undefined,
    phase: undefined,
    steps: [{ name: 'run', run: 'true', env: {}, workingDirectory: '.' }],
    env: {},
    timeoutMs: 60_000,
    continueOnError: false,
    caches: [],
    ...changes,
  };
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
    attempt: 0,
    worker: null,
    leaseUntil: null,
    timings: noTimings,
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
    state: 'queued',
    outcome: null,
    ending: null,
    createdAt: new Date(0),
    finishedAt: null,
    ...changes,
  };
}

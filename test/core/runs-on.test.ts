import { describe, expect, it } from 'vitest';
import type { Job } from '../../src/core/job.ts';
import type { JobSpec } from '../../src/core/pipeline/pipeline.ts';
import { labelsOf, platformOf } from '../../src/core/runs-on.ts';
import { decide, type Snapshot } from '../../src/core/schedule/schedule.ts';
import { makeContext, makeJob, makeRun, makeSpec } from '../support/make.ts';

const now = new Date(1_000_000);
const later = new Date(now.getTime() + 60_000);
const timings = { queuedAt: now, claimedAt: null, startedAt: null, finishedAt: null };
const none = { cpus: null, memoryBytes: null, diskBytes: null, pids: null };

const amd: Snapshot['workers'][number] = { id: 'amd', slots: 4, leaseUntil: later, platform: 'linux/amd64' };
const arm = { ...amd, id: 'arm', slots: 2, platform: 'linux/arm64', labels: ['Graviton', 'gpu'] };

function job(spec: Partial<JobSpec>): Job {
  return makeJob('a', { state: 'queued', timings, spec: makeSpec('a', spec) });
}

/** The worker that the job goes to, why it never runs, or nothing while it waits. */
function fate(spec: Partial<JobSpec>, workers: Snapshot['workers']): string | undefined {
  const runs = [{ run: makeRun(), context: makeContext(), jobs: [job(spec)] }];
  const [decision] = decide({ runs, workers }, now, 60_000);
  if (decision?.action === 'claim') return decision.worker;
  return decision?.action === 'finish' ? decision.outcome.message : undefined;
}

describe('a job goes to a worker that', () => {
  it('has all of its labels, in any case, beside those that every worker has', () => {
    expect(fate({}, [amd, arm])).toBe('amd');
    expect(fate({ runsOn: ['graviton', 'GPU'] }, [amd, arm])).toBe('arm');
    expect(fate({ runsOn: ['self-hosted', 'Linux', 'ARM64'] }, [amd, arm])).toBe('arm');
    expect(fate({ runsOn: ['self-hosted', 'Linux', 'X64'] }, [amd, arm])).toBe('amd');
    expect(fate({ runsOn: ['gpu', 'x64'] }, [amd, { ...amd, id: 'two', slots: 1, labels: ['gpu'] }])).toBe('two');
  });

  it('is of its platform', () => {
    expect(fate({ platform: 'linux/arm64' }, [amd, arm])).toBe('arm');
    expect(fate({ platform: 'linux/arm64', runsOn: ['gpu'] }, [amd, arm])).toBe('arm');
  });

  it('has room for it, also when a larger one is of another kind', () => {
    const capacity = { cpus: 1, memoryBytes: 2 ** 30, diskBytes: 2 ** 40 };
    const wish = { platform: 'linux/arm64', resources: { ...none, cpus: 2 } };
    expect(
      fate(wish, [
        { ...amd, capacity: { ...capacity, cpus: 64 } },
        { ...arm, capacity },
      ]),
    ).toBe('resources.cpus: 2, the largest worker has 1; ask for less');
  });

  it('keeps room for what has waited long, on one of its kind', () => {
    const capacity = { cpus: 2, memoryBytes: 2 ** 30, diskBytes: 2 ** 40 };
    const long = { ...timings, queuedAt: new Date(now.getTime() - 120_000) };
    const busy = makeJob('busy', {
      ...{ id: 1, state: 'running', attempt: 1, worker: 'arm', leaseUntil: later },
      spec: makeSpec('busy', { resources: { ...none, cpus: 1 } }),
    });
    const big = makeJob('big', {
      ...{ id: 2, state: 'queued', timings: long },
      spec: makeSpec('big', { platform: 'linux/arm64', resources: { ...none, cpus: 2 } }),
    });
    const small = makeJob('small', {
      ...{ id: 3, state: 'queued', timings },
      spec: makeSpec('small', { resources: { ...none, cpus: 1 } }),
    });
    const runs = [{ run: makeRun(), context: makeContext(), jobs: [busy, big, small] }];
    const workers = [
      { ...amd, slots: 1, capacity },
      { ...arm, capacity },
    ];
    expect(decide({ runs, workers }, now, 60_000)).toMatchObject([{ job: 3, action: 'claim', worker: 'amd' }]);
  });
});

describe('a job that no worker can take', () => {
  it('is an error that says what there is and what to do', () => {
    expect(fate({ runsOn: ['ubuntu-latest'] }, [amd, arm])).toBe(
      'runs-on: ubuntu-latest: no worker offers that (self-hosted, linux, x64; self-hosted, linux, arm64, graviton, gpu). ' +
        'Correct it, or give a worker the label with HEARTH_LABELS',
    );
    expect(fate({ runsOn: ['gpu'], platform: 'linux/amd64' }, [amd, arm])).toMatch(
      /^platforms: linux\/amd64 and runs-on: gpu: no worker offers that/,
    );
  });

  it('waits while a worker that could is only away, and while none was ever seen', () => {
    const away = { ...arm, leaseUntil: new Date(0) };
    expect(fate({ runsOn: ['gpu'] }, [amd, away])).toBeUndefined();
    expect(fate({ runsOn: ['gpu'] }, [])).toBeUndefined();
    expect(fate({ runsOn: ['fpga'] }, [amd, away])).toMatch(/no worker offers that/);
  });
});

it('a worker whose platform is not known offers no processor', () => {
  expect([...labelsOf({ labels: ['Big'] })]).toEqual(['self-hosted', 'linux', 'big']);
});

it.each([
  ['arm64', 'linux/arm64'],
  ['linux/amd64', 'linux/amd64'],
  ['linux/riscv64', undefined],
])('%s is the platform %s', (text, platform) => {
  expect(platformOf(text)).toBe(platform);
});

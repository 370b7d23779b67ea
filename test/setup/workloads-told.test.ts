import { describe, expect, it } from 'vitest';
import type { JobRecord, RunRecord } from '../../provision/workloads/record.ts';
import { told } from '../../provision/workloads/told.ts';

const runOf = (outputs: JobRecord['outputs']): RunRecord => {
  const timings = { start_ms: 1, run_ms: 1 };
  return { pipeline: 'p', outcome: null, jobs: [{ name: 'image', outcome: null, timings, outputs, image: null }] };
};

describe('the end of a workload', () => {
  it('prints each criterion with what was observed, and what is told beside it', () => {
    const criteria = [
      { number: 1, name: 'all agents connect', target: '5', observed: '5 of 5', passed: true },
      { number: 2, name: 'iterations', target: '10', observed: '9', passed: false },
      { number: 3, name: 'episodes', target: '50', observed: '60' },
    ];
    const targets = [{ name: 'pull', target: '50 ms', observed: '60 ms', isMet: false }];
    const outputs = { criteria: JSON.stringify(criteria), targets: JSON.stringify(targets) };
    expect(told([runOf(outputs)]).split('\n')).toEqual([
      '✔ 1 all agents connect: 5 of 5; wanted: 5',
      '✘ 2 iterations: 9; wanted: 10',
      '✘ 3 episodes: 60; wanted: 50',
      '! pull: 60 ms; wanted: 50 ms (told, not judged)',
      '1 of 3 criteria passed',
    ]);
  });

  it('says what compiling took on each platform, and what the cache answered', () => {
    const outputs = { 'ccache-hit-rate-linux-arm64': '100', 'build-seconds-linux-arm64': '5', other: '1' };
    expect(told([runOf(outputs)])).toBe('image (linux/arm64): compiled in 5 s, ccache answered 100 %');
  });

  it('is silent about a run that told nothing', () => {
    expect(told([runOf({})])).toBe('');
  });
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { readRecords } from '../../provision/workloads/keep.ts';
import { workloadsPage } from '../../provision/workloads/page.ts';
import type { JobRecord, WorkloadRecord } from '../../provision/workloads/record.ts';
import { root } from '../support/repository.ts';

const job = (changes: Partial<JobRecord>): JobRecord => ({
  ...{ name: 'image', outcome: { result: 'success', message: '' }, timings: { start_ms: 12, run_ms: 61_000 } },
  ...{ outputs: {}, image: null },
  ...changes,
});

const record = (label: string, at: string, jobs: readonly JobRecord[]): WorkloadRecord => ({
  ...{ workload: 'llama', label, by: 'hearth run' as const, at, commit: 'a'.repeat(40), isClean: false },
  machine: { cores: 2, platform: 'linux/x64', memoryBytes: 24e9 },
  runs: [{ pipeline: 'llama', outcome: { result: 'failure', message: 'it broke' }, jobs }],
});

const onArm64 = (facts: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(facts).map(([name, value]) => [`${name}-linux-arm64`, value]));

describe('the page of workloads', () => {
  it('shows every run with its verdict, its jobs, and what images took', () => {
    const platform = { platform: 'linux/arm64', size_bytes: 140e6, build_ms: 366_000, steps: 9, cached_steps: 2 };
    const image = { digest: 'sha256:a', platforms: [{ ...platform, emulated: ['slow'], verified: [] }] };
    const outputs = onArm64({ 'ccache-hits': '190', 'ccache-misses': '3', 'build-seconds': '23' });
    const page = workloadsPage([
      record('warm', '2026-01-02T00:00:00Z', []),
      record('cold', '2026-01-01T00:00:00Z', [job({ image, outputs })]),
    ]);
    expect(page.indexOf('## llama, cold')).toBeLessThan(page.indexOf('## llama, warm'));
    expect(page).toContain(
      '2026-01-01, by `hearth run`, commit aaaaaaa with changes, 2 cores, linux/x64, 24 GB of memory.',
    );
    expect(page).toContain('**failure**: it broke');
    expect(page).toContain('| image | success | 12 ms | 61.0 s |');
    expect(page).toContain('| image | linux/arm64 | 140 MB | 366.0 s | 23 s | 190 of 193 | 2 of 9 | slow |');
  });

  it('says how much faster a warm compiler cache is than a cold one', () => {
    const platform = { platform: 'linux/arm64', size_bytes: 1, build_ms: 1, steps: 9, cached_steps: 2 };
    const image = { digest: 'sha256:a', platforms: [{ ...platform, emulated: [], verified: [] }] };
    const taking = (seconds: string): JobRecord => job({ image, outputs: onArm64({ 'build-seconds': seconds }) });
    const cold = record('cold', '2026-01-01T00:00:00Z', [taking('120')]);
    const page = workloadsPage([cold, record('warm', '2026-01-02T00:00:00Z', [taking('7')])]);
    expect(page.split('## llama, warm')[1]).toContain(
      'Compiling was, against `cold`: image (linux/arm64) 17 times as fast.',
    );
    expect(page.match(/against `cold`/g)).toHaveLength(1);
    expect(workloadsPage([cold])).not.toContain('times as fast');
  });

  it('shows criteria with what was observed, and how many of them passed', () => {
    const criteria = [
      { number: 1, name: 'all agents connect', target: '5', observed: '4 | of 5', passed: false },
      { number: 2, name: 'iterations', target: '10', observed: '12', passed: true },
    ];
    const targets = [{ name: 'pull', target: '50 ms', observed: '60 ms', isMet: false }];
    const outputs = { criteria: JSON.stringify(criteria), targets: JSON.stringify(targets) };
    const page = workloadsPage([record('first', '2026-01-01T00:00:00Z', [job({ outputs })])]);
    expect(page).toContain('1 of 2 criteria passed.');
    expect(page).toContain('| 1 | all agents connect | 5 | 4 \\| of 5 | **fail** |');
    expect(page).toContain('| pull | 50 ms | 60 ms | missed |');
  });

  it('in docs is what the records beside it give', async () => {
    const file = join(root, 'docs/workloads.md');
    expect(existsSync(file)).toBe(true);
    const records = readRecords();
    expect(records.length).toBeGreaterThan(0);
    const page = await format(workloadsPage(records), { parser: 'markdown', printWidth: 120 });
    expect(readFileSync(file, 'utf8')).toBe(page);
  });
});

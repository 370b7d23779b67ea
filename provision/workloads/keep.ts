// Keeps the record of a run in docs/workloads/, and writes docs/workloads.md anew from all that lie there.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { format } from 'prettier';
import { mustRun } from '../setup/command.ts';
import { workloadsPage } from './page.ts';
import type { JobRecord, RunRecord, WorkloadRecord } from './record.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'docs/workloads');

interface Kept {
  readonly name: string;
  /** The label. */
  readonly keep: string;
  readonly byPush: boolean;
}

/** A record of the same workload and label is replaced. */
export async function keepRecord({ name: workload, keep: label, byPush }: Kept, file: string): Promise<void> {
  const git = async (...args: readonly string[]): Promise<string> =>
    (await mustRun('git', ['-C', ROOT, ...args])).stdout.trim();
  const record: WorkloadRecord = {
    ...{ workload, label, by: byPush ? 'a signed push' : 'hearth run', at: new Date().toISOString() },
    ...{ commit: await git('rev-parse', 'HEAD'), isClean: (await git('status', '--porcelain')) === '' },
    machine: { cores: availableParallelism(), platform: `linux/${arch()}`, memoryBytes: totalmem() },
    runs: readRuns(file).map(shown),
  };
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, `${workload}-${label}.json`), await tidy(JSON.stringify(record), 'json'));
  writeFileSync(join(ROOT, 'docs/workloads.md'), await tidy(workloadsPage(readRecords()), 'markdown'));
}

/** What `hearth run --record` wrote. */
export function readRuns(file: string): readonly RunRecord[] {
  return JSON.parse(readFileSync(file, 'utf8')) as readonly RunRecord[];
}

export function readRecords(): readonly WorkloadRecord[] {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  return names.map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as WorkloadRecord);
}

/** Paths of this machine, and keys that were made for one run, are nobody's business. */
function shown({ pipeline, outcome, jobs }: RunRecord): RunRecord {
  return {
    ...{ pipeline, outcome },
    jobs: jobs.map(({ name, outcome: end, timings, outputs, image }): JobRecord => ({
      ...{ name, outcome: end, timings, image },
      outputs: name === 'keys' ? {} : outputs,
    })),
  };
}

function tidy(text: string, parser: 'json' | 'markdown'): Promise<string> {
  return format(text, { parser, printWidth: 120 });
}

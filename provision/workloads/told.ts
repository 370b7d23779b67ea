// What runs of a workload told beyond their verdict, for the terminal. Decides only; the task prints.
import type { JobRecord, RunRecord } from './record.ts';

export interface Told {
  readonly number?: number;
  readonly name: string;
  readonly target: string;
  readonly observed: string;
  readonly passed?: boolean;
  readonly isMet?: boolean;
}

/** Of a job that tells criteria as an output; of any other none. */
export function toldBy({ outputs }: JobRecord): {
  readonly criteria: readonly Told[];
  readonly targets: readonly Told[];
} {
  if (outputs['criteria'] === undefined) return { criteria: [], targets: [] };
  return {
    criteria: JSON.parse(outputs['criteria']) as readonly Told[],
    targets: JSON.parse(outputs['targets'] ?? '[]') as readonly Told[],
  };
}

/** A line for each criterion with what was observed, and for each compiler cache; ends without a line end. */
export function told(runs: readonly RunRecord[]): string {
  return runs.flatMap(({ jobs }) => jobs.flatMap((job) => [...cacheLines(job), ...criteriaLines(job)])).join('\n');
}

function cacheLines({ name, outputs }: JobRecord): readonly string[] {
  return Object.entries(outputs).flatMap(([key, rate]) => {
    const [, platform] = /^ccache-hit-rate-(.+)$/.exec(key) ?? [];
    if (platform === undefined) return [];
    const seconds = outputs[`build-seconds-${platform}`] ?? '?';
    return [`${name} (${platform.replaceAll('-', '/')}): compiled in ${seconds} s, ccache answered ${rate} %`];
  });
}

function criteriaLines(job: JobRecord): readonly string[] {
  const { criteria, targets } = toldBy(job);
  if (criteria.length === 0) return [];
  const passed = criteria.filter((one) => one.passed === true).length;
  return [
    ...criteria.map((one) => `${one.passed === true ? '✔' : '✘'} ${one.number ?? ''} ${line(one)}`),
    ...targets.map((one) => `${one.isMet === true ? '·' : '!'} ${line(one)} (told, not judged)`),
    `${passed} of ${criteria.length} criteria passed`,
  ];
}

function line({ name, observed, target }: Told): string {
  return `${name}: ${observed}; wanted: ${target}`;
}

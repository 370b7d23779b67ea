// docs/workloads.md from the records of runs. Decides only; the task writes.
import { toldBy } from './told.ts';
import type { JobRecord, RunRecord, WorkloadRecord } from './record.ts';

/** The same records give the same page. */
export function workloadsPage(records: readonly WorkloadRecord[]): string {
  const parts = records
    .toSorted((a, b) => a.workload.localeCompare(b.workload) || a.at.localeCompare(b.at))
    .map((record) => {
      const cold = records.find(({ workload, label }) => workload === record.workload && label === 'cold');
      const runs = [...record.runs.map(runPart), ...speedUps(record, cold)];
      return `## ${record.workload}, ${record.label}\n\n${heading(record)}\n\n${runs.join('\n\n')}`;
    });
  return `${[INTRODUCTION, ...parts].join('\n\n')}\n`;
}

const INTRODUCTION = `# Workloads

Hearth builds llama.cpp and a small federation on both architectures with pipelines of its own (\`ci/pipelines/\`). This page is generated
from the records of runs in \`docs/workloads/\`: \`npm run workloads -- llama --keep cold\` makes one and writes the page
anew; with \`--push\` a signed push to a daemon asks for the run, instead of \`hearth run\`.

*Start* is from when a job could start to when it did, *run* is the job itself. *Cached steps* are those of the Dockerfile that the builder had the result of; *emulated*
names the targets whose \`RUN\` went through an emulator.`;

function heading({ at, by, commit, isClean, machine }: WorkloadRecord): string {
  const { cores, platform, memoryBytes } = machine;
  const tree = isClean ? '' : ' with changes';
  return `${at.slice(0, 10)}, by ${by.replace('hearth run', '`hearth run`')}, commit ${commit.slice(0, 7)}${tree}, ${cores} cores, ${platform}, ${gigabytes(memoryBytes)} of memory.`;
}

function runPart(run: RunRecord): string {
  const verdict = `**${run.outcome?.result ?? 'no outcome'}**: ${run.outcome?.message ?? ''}`;
  return [verdict, jobTable(run.jobs), ...imageTable(run.jobs), ...run.jobs.flatMap(criteriaOf)].join('\n\n');
}

function jobTable(jobs: readonly JobRecord[]): string {
  return table(
    ['job', 'result', 'start', 'run'],
    jobs.map(({ name, outcome, timings }) => [
      name,
      outcome?.result ?? '',
      time(timings.start_ms),
      time(timings.run_ms),
    ]),
  );
}

/** What compiling took against the record `cold` of the same workload. */
function speedUps(record: WorkloadRecord, cold: WorkloadRecord | undefined): readonly string[] {
  if (cold === undefined || cold === record) return [];
  const before = compileSeconds(cold);
  const factors = [...compileSeconds(record)].flatMap(([image, seconds]) => {
    const once = before.get(image);
    return once === undefined ? [] : [`${image} ${Math.floor(once / seconds)} times as fast`];
  });
  return factors.length === 0 ? [] : [`Compiling was, against \`cold\`: ${factors.join(', ')}.`];
}

/** By job and platform; whole seconds, and what took less than one took one. */
function compileSeconds({ runs }: WorkloadRecord): ReadonlyMap<string, number> {
  return new Map(
    runs.flatMap(({ jobs }) =>
      jobs.flatMap(({ name, image, outputs }) =>
        (image?.platforms ?? []).flatMap(({ platform }): [string, number][] => {
          const seconds = factOf(outputs, 'build-seconds', platform);
          return seconds === '' ? [] : [[`${name} (${platform})`, Math.max(1, Number(seconds))]];
        }),
      ),
    ),
  );
}

function factOf(outputs: JobRecord['outputs'], key: string, platform: string): string {
  return outputs[`${key}-${platform.replaceAll('/', '-')}`] ?? '';
}

function imageTable(jobs: readonly JobRecord[]): readonly string[] {
  const rows = jobs.flatMap(({ name, image, outputs }) =>
    (image?.platforms ?? []).map((one) => {
      const fact = (key: string): string => factOf(outputs, key, one.platform);
      const ccache =
        fact('ccache-hits') === ''
          ? '–'
          : `${fact('ccache-hits')} of ${Number(fact('ccache-hits')) + Number(fact('ccache-misses'))}`;
      const compiled = fact('build-seconds') === '' ? '–' : `${fact('build-seconds')} s`;
      const emulated = one.emulated.length === 0 ? 'nothing' : one.emulated.join(', ');
      return [
        name,
        one.platform,
        megabytes(one.size_bytes),
        time(one.build_ms),
        compiled,
        ccache,
        `${one.cached_steps} of ${one.steps}`,
        emulated,
      ];
    }),
  );
  if (rows.length === 0) return [];
  return [table(['image', 'platform', 'size', 'build', 'compiling', 'ccache hits', 'cached steps', 'emulated'], rows)];
}

/** Of a job that tells criteria as an output. */
function criteriaOf(job: JobRecord): readonly string[] {
  const { criteria, targets } = toldBy(job);
  if (criteria.length === 0) return [];
  const word = (is: boolean | undefined, yes: string, no: string): string => (is === undefined ? '–' : is ? yes : no);
  return [
    `${criteria.filter(({ passed }) => passed === true).length} of ${criteria.length} criteria passed.`,
    table(
      ['', 'criterion', 'target', 'observed', ''],
      criteria.map((one) => [
        String(one.number ?? ''),
        one.name,
        one.target,
        one.observed,
        word(one.passed, 'pass', '**fail**'),
      ]),
    ),
    table(
      ['told, not judged', 'target', 'observed', ''],
      targets.map((one) => [one.name, one.target, one.observed, word(one.isMet, 'met', 'missed')]),
    ),
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function time(ms: number | null): string {
  if (ms === null) return '–';
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

function gigabytes(bytes: number): string {
  return `${Math.round(bytes / 1e9)} GB`;
}

/** Shows runs on a terminal while they go on: each job as it starts and ends, its output when it failed. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageRecord } from '../core/image/image-spec.ts';
import type { LaneRecord } from '../core/lane/lane-spec.ts';
import type { Job } from '../core/job.ts';
import type { TestReport } from '../core/junit.ts';
import type { JobLogs, RunResults, RunWithJobs, Store } from '../core/ports.ts';
import { megabytesText } from '../core/size.ts';
import { evidenceJson, imageJson, testsJson, timingsJson, workflowJson } from '../http/api-shapes.ts';
import type { VerbContext } from './exit.ts';
import { duration } from './text.ts';

export interface WatchParts {
  readonly store: Pick<Store, 'findRun' | 'resultsOf'>;
  readonly logs: Pick<JobLogs, 'size' | 'read'>;
  readonly ids: readonly number[];
  /** Where the logs lie, when whoever watches may read them there. */
  readonly logFolder?: string;
  readonly context: Pick<VerbContext, 'json' | 'write'>;
  /** Where what `-o json` prints is written as well, when all runs have ended. */
  readonly recordFile?: string | undefined;
}

/** Short enough that a person sees no lag; each look is an indexed read. */
const LOOK_EVERY_MS = 25;

/** Resolves when all runs have ended. With `-o json` prints only the result, as one value. */
export async function watchRuns(parts: WatchParts): Promise<readonly RunWithJobs[]> {
  const { store, logs, ids, context, logFolder, recordFile } = parts;
  const seen: Seen = { states: new Map(), read: new Map() };
  const isOne = ids.length === 1;
  for (;;) {
    const runs: RunWithJobs[] = [];
    for (const id of ids) {
      const found = await store.findRun(id);
      if (found !== undefined) runs.push(found);
    }
    if (!context.json) for (const run of runs) await showChanges(run, isOne, seen, { store, logs, context });
    if (runs.every(({ run }) => run.state === 'finished')) {
      const pathOf = (run: number, job?: Job): string | null =>
        logFolder === undefined
          ? null
          : join(logFolder, String(run), job === undefined ? '' : `${job.id}.${job.attempt}.log`);
      const summaries = runs.map(async (one) => summary(one, await store.resultsOf(one.run.id), pathOf));
      const told = await Promise.all(summaries);
      if (recordFile !== undefined) await writeFile(recordFile, `${JSON.stringify(told, null, 2)}\n`);
      if (context.json) context.write(`${JSON.stringify(told)}\n`);
      else context.write(runs.map((one) => verdict(one, pathOf(one.run.id))).join(''));
      return runs;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

interface Seen {
  readonly states: Map<number, Job['state']>;
  /** Bytes of the log of a job that is being prepared, by job and attempt. */
  readonly read: Map<string, number>;
}

async function showChanges(
  { run, jobs }: RunWithJobs,
  isOne: boolean,
  { states, read }: Seen,
  { store, logs, context }: Pick<WatchParts, 'store' | 'logs' | 'context'>,
): Promise<void> {
  for (const job of jobs) {
    const name = isOne ? job.name : `${run.pipeline} / ${job.name}`;
    const before = states.get(job.id);
    states.set(job.id, job.state);
    if (job.state === 'running' && before !== undefined && before !== job.state) context.write(`  ▸ ${name}\n`);
    if (job.state === 'running' && job.timings.startedAt === null)
      await showPreparation(logs, run.id, job, read, context);
    if (job.state !== 'finished' || before === job.state) continue;
    context.write(`  ${mark(job)} ${name}  ${took(job)}${job.outcome?.result === 'success' ? '' : `  ${note(job)}`}\n`);
    const failed = job.outcome?.result === 'failure' || job.outcome?.result === 'error';
    if (failed && job.attempt > 0) await indented(logs, run.id, job, context);
    // Below the log, because it is what a person looks for first.
    const { tests, images } = await store.resultsOf(run.id);
    const [report, image] = [tests.get(job.name), images.get(job.name)];
    if (report !== undefined) context.write(toldTests(report));
    if (image !== undefined) context.write(toldImage(image));
  }
}

/** What may take minutes, and looks as if nothing happened. */
const SLOW = /^(?:building the sidecar|pulling image|cache \S+: miss) .*\n/gm;

async function showPreparation(
  logs: WatchParts['logs'],
  runId: number,
  job: Job,
  read: Map<string, number>,
  context: WatchParts['context'],
): Promise<void> {
  const key = `${job.id}.${job.attempt}`;
  const from = read.get(key) ?? 0;
  const size = (await logs.size(runId, job.id, job.attempt)) ?? 0;
  if (size <= from) return;
  const bytes = await bytesOf(logs, runId, job, from, size);
  // The last line may not be whole yet.
  const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
  read.set(key, from + whole.length);
  for (const [line] of whole.toString('utf8').matchAll(SLOW)) context.write(`    … ${line}`);
}

function toldImage({ digest, pushed, images }: ImageRecord): string {
  const lines = [
    ...images.map(({ platform, layers, sizeBytes, emulated }) => {
      const how = emulated.length === 0 ? '' : `, emulated for RUN of ${emulated.join(', ')}`;
      return `${platform}: ${megabytesText(sizeBytes)}, ${layers.cached} of ${layers.total} steps from the cache${how}`;
    }),
    ...(pushed.length === 0 ? [digest] : pushed.map((name) => `pushed ${name}`)),
  ];
  return lines.map((line) => `    ${line}\n`).join('');
}

const SHOWN_FAILURES = 20;

function toldTests({ total, failed, skipped, failures }: TestReport): string {
  const shown = failures.slice(0, SHOWN_FAILURES).map(({ name, file, line, message }) => {
    const place = file === null ? '' : ` (${file}${line === null ? '' : `:${line}`})`;
    return `    ✘ ${name}${place}${message === '' ? '' : `: ${message}`}\n`;
  });
  const more = failed > shown.length ? [`    and ${failed - shown.length} more\n`] : [];
  const counts = [`${total - failed - skipped} passed`, `${failed} failed`, `${skipped} skipped`];
  return `    tests: ${counts.join(', ')}\n${[...shown, ...more].join('')}`;
}

const SHOWN_BYTES = 32 * 1024;

async function indented(
  logs: WatchParts['logs'],
  runId: number,
  job: Job,
  context: WatchParts['context'],
): Promise<void> {
  const size = (await logs.size(runId, job.id, job.attempt)) ?? 0;
  const from = Math.max(0, size - SHOWN_BYTES);
  const tail = (await bytesOf(logs, runId, job, from, size)).toString('utf8');
  const text = (
    from === 0 ? tail : `(${from} bytes before this are in the log)\n${tail.slice(tail.indexOf('\n') + 1)}`
  ).trimEnd();
  context.write(
    `${text
      .split('\n')
      .map((line) => `    │ ${line}`)
      .join('\n')}\n`,
  );
}

async function bytesOf(logs: WatchParts['logs'], runId: number, job: Job, from: number, to: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of logs.read(runId, job.id, job.attempt, from, to)) parts.push(part);
  return Buffer.concat(parts);
}

function verdict({ run, jobs }: RunWithJobs, logs: string | null): string {
  const ran = jobs.filter(({ timings }) => timings.startedAt !== null).length;
  const end = run.finishedAt?.getTime() ?? run.createdAt.getTime();
  return `${run.outcome?.result === 'success' ? '✔' : '✘'} ${run.pipeline}: ${run.outcome?.message ?? ''} (${ran} of ${jobs.length} jobs ran, ${duration(end - run.createdAt.getTime())})\n${logs === null ? '' : `  logs: ${logs}\n`}`;
}

/** As the API shows runs, with what a person at the machine may want besides. */
function summary(
  { run, jobs }: RunWithJobs,
  { tests, flaky, images, workflows }: RunResults,
  pathOf: (run: number, job: Job) => string | null,
): unknown {
  return {
    id: run.id,
    pipeline: run.pipeline,
    sha: run.sha,
    outcome: run.outcome,
    jobs: jobs.map((job) => ({
      name: job.name,
      outcome: job.outcome,
      allowed: job.outcome?.result === 'failure' && job.spec.continueOnError,
      evidence: job.evidence === null ? null : evidenceJson(job.evidence),
      tests: optionalTests(tests.get(job.name), flaky),
      image: optionalImage(images.get(job.name)),
      workflow: optionalWorkflow(workflows.get(job.name)),
      outputs: job.outputs,
      timings: timingsJson(job),
      log: job.attempt === 0 ? null : pathOf(run.id, job),
    })),
  };
}

function optionalTests(report: TestReport | undefined, flaky: RunResults['flaky']): unknown {
  return report === undefined ? null : testsJson(report, flaky);
}

function optionalImage(image: ImageRecord | undefined): unknown {
  return image === undefined ? null : imageJson(image);
}

function optionalWorkflow(record: LaneRecord | undefined): unknown {
  return record === undefined ? null : workflowJson(record);
}

function note({ outcome, spec }: Job): string {
  return `${outcome?.result === 'failure' && spec.continueOnError ? '(allowed) ' : ''}${outcome?.message ?? ''}`;
}

function mark({ outcome }: Job): string {
  switch (outcome?.result) {
    case 'success':
      return '✔';
    case 'skipped':
      return '–';
    case 'failure':
    case 'error':
    case 'cancelled':
    case undefined:
      return '✘';
  }
}

function took({ timings }: Job): string {
  const { startedAt, finishedAt } = timings;
  return startedAt === null || finishedAt === null ? '' : duration(finishedAt.getTime() - startedAt.getTime());
}

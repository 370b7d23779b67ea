/** Job logs as one plain text: composed of pieces, so that a range of it is read without the rest. */
import { originOf, type Job } from '../core/job.ts';
import type { JobLogs, RunWithJobs, Store } from '../core/ports.ts';
import type { Run } from '../core/run.ts';

export interface LogParts {
  readonly logs: Pick<JobLogs, 'size' | 'read'>;
  readonly store: Pick<Store, 'findRun'>;
  /** Resolves after `ms`, or early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A job whose log is asked for, with its run. */
export interface LogOf {
  readonly run: Run;
  readonly job: Job;
}

/** The jobs of these runs in the order of their files; only those of that name when one is given. */
export function selectJobs(runs: readonly RunWithJobs[], name: string | null): readonly LogOf[] {
  return runs.flatMap(({ run, jobs }) =>
    jobs.filter((job) => name === null || job.name === name).map((job) => ({ run, job })),
  );
}

type Piece =
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  | { readonly kind: 'log'; readonly of: LogOf; readonly bytes: number };

export interface LogText {
  readonly bytes: number;
  /** From `start` up to but excluding `end`. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

/** What is there now. One job alone is its log and nothing else, so that offsets are those of the file. */
export async function composeLog(parts: LogParts, selected: readonly LogOf[]): Promise<LogText> {
  const isAlone = selected.length === 1;
  const pieces: Piece[] = [];
  for (const of of selected) {
    const { runId, jobId, attempt } = originOf(of.job);
    const size = attempt === 0 ? undefined : await parts.logs.size(runId, jobId, attempt);
    if (!isAlone) pieces.push(text(heading(of)));
    if (size !== undefined && size > 0) pieces.push({ kind: 'log', of, bytes: size });
    if (!isAlone || size === undefined || size === 0) pieces.push(text(ending(of.job)));
  }
  const total = pieces.reduce((sum, piece) => sum + sizeOf(piece), 0);
  return { bytes: total, read: (start, end) => readPieces(parts.logs, pieces, start, end) };
}

async function* readPieces(
  logs: LogParts['logs'],
  pieces: readonly Piece[],
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const piece of pieces) {
    const from = Math.max(start - at, 0);
    const to = Math.min(end - at, sizeOf(piece));
    if (from < to) {
      if (piece.kind === 'text') yield piece.bytes.subarray(from, to);
      else {
        const { runId, jobId, attempt } = originOf(piece.of.job);
        yield* logs.read(runId, jobId, attempt, from, to);
      }
    }
    at += sizeOf(piece);
  }
}

function sizeOf(piece: Piece): number {
  return piece.kind === 'text' ? piece.bytes.length : piece.bytes;
}

/** Below what a person notices; one `stat` and one indexed read each. */
const FOLLOW_EVERY_MS = 100;

/** The same text while it grows, until the last of the jobs has ended. One job after another, in their order. */
export async function* followLog(
  parts: LogParts,
  selected: readonly LogOf[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const of of selected) {
    if (selected.length > 1) yield encode(heading(of));
    let job = of.job;
    let attempt = 0;
    let at = 0;
    while (!signal.aborted) {
      job = (await parts.store.findRun(of.run.id))?.jobs.find(({ id }) => id === job.id) ?? job;
      if (job.attempt !== attempt) {
        if (attempt > 0) yield encode(`\n--- attempt ${job.attempt} ---\n`);
        attempt = job.attempt;
        at = 0;
      }
      // The state was read before the size, so what a finished job wrote is all there.
      const { runId, jobId } = originOf(job);
      const size = attempt === 0 ? 0 : ((await parts.logs.size(runId, jobId, attempt)) ?? 0);
      if (size > at) yield* parts.logs.read(runId, jobId, attempt, at, size);
      at = Math.max(at, size);
      if (job.state === 'finished') break;
      await parts.sleep(FOLLOW_EVERY_MS, signal);
    }
    if (signal.aborted) return;
    if (selected.length > 1 || at === 0) yield encode(ending(job));
  }
}

function heading({ run, job }: LogOf): string {
  return `==> ${run.pipeline}/${job.name} <==\n`;
}

function ending(job: Job): string {
  if (job.outcome === null) return `--- ${job.name}: ${job.state} ---\n\n`;
  return `--- ${job.name}: ${job.outcome.result} (${job.outcome.reason}): ${job.outcome.message} ---\n\n`;
}

function text(content: string): Piece {
  return { kind: 'text', bytes: encode(content) };
}

function encode(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

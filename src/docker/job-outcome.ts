/** From what the supervisor and the kernel observed to the outcome of a job. Pure. */
import { error, type Outcome } from '../core/outcome.ts';
import type { StepSpec } from '../core/pipeline.ts';
import { unreachable } from '../core/result.ts';
import type { JobEnd, StepEnd } from './slot-files.ts';

export interface Observed {
  /** The kernel killed a process of the job for want of memory. */
  readonly killed: boolean;
  /** Set when we asked the job to stop. */
  readonly stopped: Outcome | null;
  readonly timeoutMs: number;
}

export interface JobVerdict {
  readonly outcome: Outcome;
  /** null when no exit code was observed. */
  readonly exitCode: number | null;
  /** What is put at the end of the log. Depends on nothing but the arguments, so that it can be written twice alike. */
  readonly trailer: string;
}

const ENOSPC = 28;
const EDQUOT = 122;

export function jobOutcome(
  last: { readonly end: StepEnd; readonly step: StepSpec },
  end: JobEnd,
  seen: Observed,
): JobVerdict {
  const exitCode = exitCodeOf(last.end);
  const dropped = end.writtenBytes - end.keptBytes;
  const notes = [
    ...(dropped > 0 ? [`${dropped} bytes of output were dropped past the cap of ${end.keptBytes} bytes`] : []),
    ...(end.logErrno !== 0 ? ['the log is incomplete: it could not be written'] : []),
  ];
  const outcome = decide(last.end, last.step, end, seen);
  if (outcome.result !== 'success') notes.push(outcome.message);
  return { outcome, exitCode, trailer: notes.map((note) => `\nhearth: ${note}\n`).join('') };
}

function decide(end: StepEnd, step: StepSpec, job: JobEnd, seen: Observed): Outcome {
  if (seen.stopped !== null) return seen.stopped;
  if (job.logErrno === ENOSPC || job.logErrno === EDQUOT)
    return error('disk', 'the disk became full; free some space and run the job again');
  if (job.logErrno !== 0)
    return error('disk', `the log could not be written (error ${job.logErrno}); check the disk and run the job again`);
  if (seen.killed)
    return { result: 'failure', reason: 'oom', message: 'out of memory: the kernel killed a process of this job' };
  switch (end.kind) {
    case 'exit':
      if (end.code === 0) return { result: 'success', reason: 'exit', message: 'passed' };
      return { result: 'failure', reason: 'exit', message: `${step.name}: exit ${end.code}`, exitCode: end.code };
    case 'signal':
      return {
        result: 'failure',
        reason: 'exit',
        message: `${step.name}: killed by signal ${end.signal}`,
        exitCode: 128 + end.signal,
      };
    case 'timeout':
      return { result: 'failure', reason: 'timeout', message: `timed out after ${minutes(seen.timeoutMs)}` };
    case 'stopped':
      return error('lost_slot', 'the job was stopped without a reason on record');
    case 'bad':
    case 'nofork':
      return error('lost_slot', `the slot could not start ${step.name}`);
    default:
      return unreachable(end);
  }
}

function exitCodeOf(end: StepEnd): number | null {
  if (end.kind === 'exit') return end.code;
  return end.kind === 'signal' ? 128 + end.signal : null;
}

function minutes(ms: number): string {
  return ms >= 60_000 ? `${Number((ms / 60_000).toFixed(1))} min` : `${Number((ms / 1000).toFixed(1))} s`;
}

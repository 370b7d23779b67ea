/** From what the supervisor and the kernel observed to the outcome of a job. Pure. */
import { minutes } from '../core/minutes.ts';
import { error, type Outcome } from '../core/outcome.ts';
import { unreachable } from '../core/result.ts';
import { failedSteps } from '../core/steps.ts';
import { describe, type RanStep } from './job-steps.ts';
import type { JobEnd } from './slot-files.ts';

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

/** `ran` are the steps that ran, at least one. */
export function jobOutcome(ran: readonly RanStep[], end: JobEnd, seen: Observed): JobVerdict {
  const dropped = end.writtenBytes - end.keptBytes;
  const notes = [
    ...(dropped > 0 ? [`${dropped} bytes of output were dropped past the cap of ${end.keptBytes} bytes`] : []),
    ...(end.logErrno !== 0 ? ['the log is incomplete: it could not be written'] : []),
  ];
  const outcome = decide(ran, end, seen);
  if (outcome.result !== 'success') notes.push(outcome.message);
  return { outcome, exitCode: exitCodeOf(ran), trailer: notes.map((note) => `\nhearth: ${note}\n`).join('') };
}

function decide(ran: readonly RanStep[], job: JobEnd, seen: Observed): Outcome {
  if (seen.stopped !== null) return seen.stopped;
  if (job.logErrno === ENOSPC || job.logErrno === EDQUOT)
    return error('disk', 'the disk became full; free some space and run the job again');
  if (job.logErrno !== 0)
    return error('disk', `the log could not be written (error ${job.logErrno}); check the disk and run the job again`);
  if (seen.killed)
    return { result: 'failure', reason: 'oom', message: 'out of memory: the kernel killed a process of this job' };
  // A step that ended the job, tolerated or not, is the last one; otherwise the first failure tells why.
  const last = ran.at(-1);
  const ending = last !== undefined && endsJob(last) ? last : undefined;
  const [cause] = ending === undefined ? failedSteps(ran) : [ending];
  if (cause !== undefined) return outcomeOf(cause, seen);
  const allowed = ran.filter(({ result }) => result === 'failure').map(({ name }) => name);
  const codes = ran.filter(({ result, end }) => result === 'success' && end.kind === 'exit' && end.code !== 0);
  const message = [
    'passed',
    ...(allowed.length === 0 ? [] : [`failed (allowed): ${allowed.join(', ')}`]),
    ...codes.map(({ name, end }) => `${name}: ${describe(end)} (allowed)`),
  ].join(', ');
  return { result: 'success', reason: 'exit', message };
}

function endsJob({ end, timeoutMs }: RanStep): boolean {
  return end.kind !== 'exit' && end.kind !== 'signal' && timeoutMs === null;
}

function outcomeOf({ end, name, timeoutMs, fault }: RanStep, seen: Observed): Outcome {
  if (fault !== undefined) return fault;
  switch (end.kind) {
    case 'exit':
      return { result: 'failure', reason: 'exit', message: `${name}: exit ${end.code}`, exitCode: end.code };
    case 'signal':
      return {
        result: 'failure',
        reason: 'exit',
        message: `${name}: killed by signal ${end.signal}`,
        exitCode: 128 + end.signal,
      };
    case 'timeout': {
      const what = timeoutMs === null ? 'timed out' : `${name}: timed out`;
      return { result: 'failure', reason: 'timeout', message: `${what} after ${minutes(timeoutMs ?? seen.timeoutMs)}` };
    }
    case 'stopped':
      return error('lost_slot', 'the job was stopped without a reason on record');
    case 'bad':
    case 'nofork':
      return error('lost_slot', `the slot could not start ${name}`);
    default:
      return unreachable(end);
  }
}

/** Of the step that decided: the first failure that counts, else the last that passed, else the last of all. */
function exitCodeOf(ran: readonly RanStep[]): number | null {
  const decisive = failedSteps(ran)[0] ?? ran.findLast(({ result }) => result === 'success') ?? ran.at(-1);
  if (decisive?.end.kind === 'exit') return decisive.end.code;
  // The supervisor saw it end, and the job passed all the same: what `timeout` makes of that.
  if (decisive?.end.kind === 'timeout' && decisive.isTolerated && decisive.timeoutMs !== null) return 124;
  return decisive?.end.kind === 'signal' ? 128 + decisive.end.signal : null;
}

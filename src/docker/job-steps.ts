/**
 * The steps of one attempt as they go: what the next one is, and what the ones before it came to. It is told everything
 * again after a re-attach, and then says the same.
 */
import { shellCommand } from '../core/shell.ts';
import type { StepSpec } from '../core/pipeline.ts';
import {
  NO_FILES,
  decideStep,
  jobOutputs,
  type PastStep,
  type ReadyStep,
  type StepFiles,
  type StepsOf,
} from '../core/steps.ts';
import type { StepEnd, StepRequest } from './slot-files.ts';

/** A step that ran, with what was seen of its end. */
export interface RanStep extends PastStep {
  readonly end: StepEnd;
  /** Its own limit, when that is what ended it. */
  readonly timeoutMs: number | null;
}

export interface JobSteps {
  /** The request of the next step, or undefined when it is left out. Throws ExpressionFailure. Call once per step, in order. */
  next(step: StepSpec, k: number, leftMs: number): StepRequest | undefined;
  /** What the step that `next` gave came to; false when none may follow. */
  ended(end: StepEnd, files: StepFiles, leftMs: number): boolean;
  readonly ran: readonly RanStep[];
  /** Steps that were left out since the last one that ran, as lines for the log. */
  leftOut(): string;
  outputs(): Readonly<Record<string, string>>;
}

type Limits = Pick<StepRequest, 'graceMs' | 'logBytes' | 'uid' | 'gid' | 'handOver'>;

export function jobSteps(of: StepsOf, limits: Limits): JobSteps {
  const past: PastStep[] = [];
  const ran: RanStep[] = [];
  let current: ReadyStep | undefined;
  let lines = '';
  return {
    ran,
    next(step, k, leftMs) {
      const decision = decideStep(of, step, past);
      if (decision.action === 'skip') {
        const { id, name, why } = decision;
        past.push({ id, name, result: 'skipped', isTolerated: false, files: NO_FILES });
        lines += `▸ ${name} (left out: ${why})\n`;
        return undefined;
      }
      current = decision.step;
      const banner = `${lines}▸ ${current.name}\n`;
      lines = '';
      return {
        ...limits,
        timeoutMs: Math.min(leftMs, current.timeoutMs ?? Infinity),
        workingDirectory: inWorkspace(current.workingDirectory),
        banner,
        script: current.script,
        command: shellCommand(current.shell, `/.hearth/job/step-${k}`),
        env: current.env,
      };
    },
    ended(end, files, leftMs) {
      if (current === undefined) throw new Error('Internal error: a step ended that was not begun');
      const { id, name, isTolerated } = current;
      const isOwnTimeout = end.kind === 'timeout' && current.timeoutMs !== null && leftMs > 0;
      const isAllowed = end.kind === 'exit' && of.job.spec.allowedExitCodes.includes(end.code);
      const result = isAllowed || (end.kind === 'exit' && end.code === 0) ? 'success' : 'failure';
      if (isAllowed) lines += `hearth: ${name}: ${describe(end)}, which is allowed\n`;
      const one: RanStep = {
        id,
        name,
        result,
        isTolerated,
        files,
        end,
        timeoutMs: isOwnTimeout ? current.timeoutMs : null,
      };
      past.push(one);
      ran.push(one);
      if (result === 'failure' && isTolerated) lines += `hearth: ${name} failed, which is allowed (${describe(end)})\n`;
      return end.kind === 'exit' || end.kind === 'signal' || isOwnTimeout;
    },
    leftOut: () => lines,
    outputs: () => jobOutputs(of, past),
  };
}

function inWorkspace(folder: string): string {
  return folder.startsWith('/') ? folder : `/work/${folder}`;
}

/** `exit 3`, `killed by signal 9`, or the other way it ended. */
export function describe(end: StepEnd): string {
  switch (end.kind) {
    case 'exit':
      return `exit ${end.code}`;
    case 'signal':
      return `killed by signal ${end.signal}`;
    default:
      return end.kind;
  }
}

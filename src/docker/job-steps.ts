/**
 * The steps of one attempt as they go: what the next one is, and what the ones before it came to. It is told everything
 * again after a re-attach, and then says the same.
 */
import type { Publication } from '../core/artifact.ts';
import { secretFiles } from '../core/job-env.ts';
import type { Outcome } from '../core/outcome.ts';
import { shellCommand } from '../core/shell.ts';
import type { StepSpec } from '../core/pipeline/pipeline.ts';
import {
  NO_FILES,
  decideStep,
  jobOutputs,
  leftOut,
  type PastStep,
  type ReadyStep,
  type StepDecision,
  type StepFiles,
  type StepsOf,
} from '../core/steps.ts';
import type { Published } from './publish.ts';
import type { StepEnd, StepRequest } from './slot-files.ts';

/** A step that ran, with what was seen of its end. */
export interface RanStep extends PastStep {
  readonly end: StepEnd;
  /** Its own limit, when that is what ended it. */
  readonly timeoutMs: number | null;
  /** Why it failed though its commands did not; absent = it did not. */
  readonly fault?: Outcome;
}

export interface JobSteps {
  /**
   * The request of the next step, or undefined when it is left out. Rejects with ExpressionFailure. Call once per step, in
   * order. `before` is what an earlier process decided: files may have changed since, so that stands.
   */
  next(step: StepSpec, k: number, leftMs: number, before?: 'run' | 'left-out'): Promise<StepRequest | undefined>;
  /** What the step that `next` gave came to; false when none may follow. */
  ended(end: StepEnd, files: StepFiles, leftMs: number): boolean;
  /** Whether the step that ended last succeeded. */
  hasPassed(): boolean;
  /** What became of what the step that ended last publishes; a fault makes a failure of it that nothing tolerates. */
  published(published: Published): void;
  readonly ran: readonly RanStep[];
  /** What was published so far. */
  readonly publications: readonly Publication[];
  /** Steps that were left out since the last one that ran, as lines for the log. */
  leftOut(): string;
  outputs(): Readonly<Record<string, string>>;
}

type Limits = Pick<StepRequest, 'graceMs' | 'logBytes' | 'uid' | 'gid' | 'handOver'>;

/** `hashFiles` reads the workspace as it is when the step's turn comes. */
export function jobSteps(
  of: StepsOf,
  limits: Limits,
  hashFiles: (patterns: readonly string[]) => Promise<string>,
): JobSteps {
  const past: PastStep[] = [];
  const ran: RanStep[] = [];
  const publications: Publication[] = [];
  let current: ReadyStep | undefined;
  let lines = '';
  return {
    ran,
    publications,
    hasPassed: () => ran.at(-1)?.result === 'success',
    published({ names, artifacts, notes, fault }) {
      publications.push({ names, artifacts });
      lines += notes;
      const last = ran.at(-1);
      if (fault === null || last === undefined) return;
      const failed: RanStep = { ...last, result: 'failure', isTolerated: false, fault };
      ran[ran.length - 1] = failed;
      past[past.length - 1] = failed;
    },
    async next(step, k, leftMs, before) {
      const asked = before === 'run' ? { ...step, condition: 'always()' } : step;
      const decision = before === 'left-out' ? leftOut(step) : await decide(of, asked, past, hashFiles);
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
        files: secretFiles(of.job.spec.secrets, of.secrets),
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

/** A decision is pure; what it wants to know of the workspace is fetched, and then it is made again. */
async function decide(
  of: StepsOf,
  step: StepSpec,
  past: readonly PastStep[],
  hashFiles: (patterns: readonly string[]) => Promise<string>,
): Promise<StepDecision> {
  const known = new Map<string, string>();
  for (;;) {
    const missing: (readonly string[])[] = [];
    const lookUp = (patterns: readonly string[]): string => {
      const hash = known.get(JSON.stringify(patterns));
      if (hash === undefined) missing.push(patterns);
      return hash ?? '';
    };
    const decision = attempt(() => decideStep(of, step, past, lookUp));
    if (missing.length === 0) return decision();
    for (const patterns of missing) known.set(JSON.stringify(patterns), await hashFiles(patterns));
  }
}

/** Without its hashes an expression may fail that is right with them. */
function attempt<T>(evaluate: () => T): () => T {
  try {
    const value = evaluate();
    return () => value;
  } catch (cause) {
    return () => {
      throw cause;
    };
  }
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

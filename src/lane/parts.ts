/** What the files of this folder are given, and what they share: waiting, and writing down until it is written. */
import type { WorkflowForge } from '../core/lane/lane-port.ts';
import type { Pace } from '../core/lane/next-step.ts';
import type { Claim, Clock, ExecutionSignals, JobLogs, Store } from '../core/ports.ts';
import type { LaneLog } from './lane-log.ts';

export interface LaneParts {
  readonly store: LaneStore;
  readonly forge: WorkflowForge;
  readonly logs: JobLogs;
  readonly clock: Clock;
  /** Replaces what no log may show. */
  readonly mask: (text: string) => string;
  readonly times?: Partial<LaneTimes>;
  /** Something could not be written or read, and is tried again. */
  readonly onError: (error: unknown) => void;
}

export type LaneStore = Pick<
  Store,
  'dispatchOf' | 'askDispatch' | 'dispatchAnswered' | 'takenRuns' | 'workflowRun' | 'recordWorkflowNews'
>;

export interface LaneTimes extends Pace {
  /** A run that was begun is listed by then. */
  readonly settleMs: number;
}

export const TIMES: LaneTimes = {
  lookMs: 2_000,
  askMs: 30_000,
  urgentMs: 5_000,
  cancelMs: 5 * 60_000,
  settleMs: 60_000,
};

/** One attempt under way. */
export interface LaneJob extends LaneParts {
  readonly claim: Claim;
  readonly signals: ExecutionSignals;
  readonly log: LaneLog;
  readonly pace: LaneTimes;
  readonly bell: Bell;
}

/** Lets whoever waits look again early. */
export interface Bell {
  ring(): void;
  /** Resolves after so long, when it rings, or when one of the signals aborts; those that have aborted count for nothing. */
  wait(ms: number, signals: readonly AbortSignal[]): Promise<void>;
}

export function createBell(): Bell {
  const waiting = new Set<() => void>();
  return {
    ring() {
      for (const wake of waiting) wake();
    },
    async wait(ms, signals) {
      const open = signals.filter(({ aborted }) => !aborted);
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const wake = (): void => {
        resolve(undefined);
      };
      const timer = setTimeout(wake, ms);
      waiting.add(wake);
      for (const signal of open) signal.addEventListener('abort', wake);
      await promise;
      clearTimeout(timer);
      waiting.delete(wake);
      for (const signal of open) signal.removeEventListener('abort', wake);
    },
  };
}

/** Until the store takes it: what has happened at the forge must not be forgotten. Rejects only when `detach` aborts. */
export async function persist<T>({ signals, bell, pace, onError }: LaneJob, write: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      onError(error);
    }
    signals.detach.throwIfAborted();
    await bell.wait(pace.lookMs, [signals.detach]);
    signals.detach.throwIfAborted();
  }
}

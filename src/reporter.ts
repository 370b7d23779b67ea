/** The reporter: sends what commits should show and do not yet. One writer, within GitHub's write budget. */
import type { Clock, Forge, ForgeTrouble, OutgoingStatus, Random, Store } from './core/ports.ts';
import { unreachable } from './core/result.ts';
import { freshBudget, planWrite, recordAnswer, recordFailure, recordWrite } from './core/write-budget.ts';

export interface ReporterParts {
  readonly store: Pick<Store, 'unsentStatuses' | 'statusSent' | 'statusFailed'>;
  readonly forge: Forge;
  readonly clock: Clock;
  readonly random: Random;
  /** Where the status leads; null without a public URL. */
  readonly targetUrl: (status: OutgoingStatus) => string | null;
  /** Resolves after `ms`, or early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A status was not taken. For the log and `/health`; it is recorded in the store, too. */
  readonly onTrouble: (trouble: ForgeTrouble, status: OutgoingStatus) => void;
}

/** So many are looked at per decision; they come by rank, so the one to send is among them. */
const LOOK_AT = 100;
/** A longer wait ends the tick, so that a nudge with something more urgent is seen; the loop's timer comes back. */
const LONGEST_WAIT_IN_TICK_MS = 2000;
/** More than the gap between two writes. */
const ASIDE_MS = 2000;
const LONGEST_ASIDE_MS = 600_000;

/**
 * The body of the reporter's loop; make it once per process, since it remembers the budget. The wall clock only says
 * which statuses are due; all waits are measured on the monotonic one.
 */
export function createReporter(parts: ReporterParts): (signal: AbortSignal) => Promise<void> {
  const { store, forge, clock, random } = parts;
  let budget = freshBudget;
  /** A credential comes with the settings, so only with a new process. */
  let isConfigured = true;

  return async function report(signal) {
    while (isConfigured && !signal.aborted) {
      const unsent = await store.unsentStatuses(clock.now(), LOOK_AT);
      const plan = planWrite(budget, unsent, clock.monotonicMs());
      if (plan.action === 'idle') return;
      if (plan.action === 'wait') {
        if (plan.ms > LONGEST_WAIT_IN_TICK_MS) return;
        await parts.sleep(plan.ms, signal);
        continue;
      }
      const { status } = plan;
      budget = recordWrite(budget, clock.monotonicMs());
      const sent = await forge.setStatus(status, parts.targetUrl(status), signal);
      if (sent.ok) {
        budget = recordAnswer(budget);
        await store.statusSent(status.id, status.version, clock.now());
        continue;
      }
      // The next process sends it again; it failed only because this one leaves.
      if (isAborted(signal)) return;
      await settle(status, sent.problem);
    }
  };

  async function settle(status: OutgoingStatus, trouble: ForgeTrouble): Promise<void> {
    parts.onTrouble(trouble, status);
    switch (trouble.kind) {
      case 'unconfigured':
        isConfigured = false;
        return;
      case 'refused':
        budget = recordAnswer(budget);
        await store.statusFailed(status.id, status.version, trouble.message, 'never');
        return;
      case 'retry': {
        const now = clock.now().getTime();
        const askedMs = trouble.retryAt === undefined ? 0 : trouble.retryAt.getTime() - now;
        budget = recordFailure(budget, clock.monotonicMs(), random.fraction(), askedMs);
        // Aside for a moment longer than the pause, so that another status has its turn first. When the forge took the
        // one before, the trouble may be with this status alone; then it waits longer each time and blocks nobody.
        const pauseMs = budget.pausedUntil - clock.monotonicMs();
        const isAlone = budget.failures === 1;
        const asideMs = isAlone ? Math.min(ASIDE_MS * 2 ** Math.min(status.failures, 20), LONGEST_ASIDE_MS) : ASIDE_MS;
        await store.statusFailed(status.id, status.version, trouble.message, new Date(now + pauseMs + asideMs));
        return;
      }
      default:
        return unreachable(trouble.kind);
    }
  }
}

/** Read through a function: the compiler would otherwise remember what the loop's condition said. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

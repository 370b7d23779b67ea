/** The one loop helper: planner, scheduler, reporter and worker are each a tick that this file calls. */

export interface LoopOptions {
  /** Time from the end of one tick to the start of the next when nobody wakes the loop, in ms. */
  readonly intervalMs: number;
  /** Longest wait after failed ticks, in ms. It starts at `intervalMs` and doubles with each failure in a row. */
  readonly maxBackoffMs?: number;
  /** Called with what a tick threw. The loop goes on; log it here. */
  readonly onError: (error: unknown) => void;
}

export interface Loop extends AsyncDisposable {
  /**
   * Asks for a tick now. During a tick it causes exactly one more afterwards, however often it was called; after a
   * failed tick it is remembered until the back-off is over. Harmless after the loop was disposed.
   */
  wake(): void;
}

const MAX_BACKOFF_MS = 60_000;

/**
 * Ticks at once and from then on whenever it is woken or its timer runs out, never twice at the same time. Disposing
 * aborts the signal of the running tick and waits for its end; what that tick throws is then no longer reported.
 */
export function startLoop(tick: (signal: AbortSignal) => Promise<void>, options: LoopOptions): Loop {
  const { intervalMs, onError, maxBackoffMs = MAX_BACKOFF_MS } = options;
  const stop = new AbortController();
  const wakeUp = createWakeUp();

  async function run(): Promise<void> {
    let failures = 0;
    // Not before the caller has the loop in hand, since a tick may want to wake it.
    await Promise.resolve();
    while (!stop.signal.aborted) {
      wakeUp.clear();
      try {
        await tick(stop.signal);
        failures = 0;
      } catch (error) {
        if (isAborted(stop.signal)) return;
        failures += 1;
        onError(error);
      }
      const backoffMs = Math.min(intervalMs * 2 ** (failures - 1), maxBackoffMs);
      await wakeUp.wait(failures === 0 ? intervalMs : backoffMs, { early: failures === 0 });
    }
  }

  const done = run();
  return {
    wake: () => {
      wakeUp.set();
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the loop was asked to stop'));
      wakeUp.end();
      await done;
    },
  };
}

/** Read through a function: the compiler would otherwise remember what the loop's condition said. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** A flag that can be waited for. */
function createWakeUp() {
  let isSet = false;
  let isOver = false;
  let notify: (() => void) | undefined;
  return {
    set(): void {
      isSet = true;
      notify?.();
    },
    clear(): void {
      isSet = false;
    },
    /** From now on nobody waits. */
    end(): void {
      isOver = true;
      notify?.();
    },
    /** Resolves after `ms`, at the end, or — when `early` — as soon as the flag is set. */
    async wait(ms: number, { early }: { readonly early: boolean }): Promise<void> {
      const isDue = () => isOver || (early && isSet);
      if (isDue()) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        notify = () => {
          if (!isDue()) return;
          clearTimeout(timer);
          resolve();
        };
      });
      notify = undefined;
    },
  };
}

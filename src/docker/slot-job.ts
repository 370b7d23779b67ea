/** One job in one slot: its steps in order, the limits on waiting, and the proof at the end that nothing is left. */
import type { StepSpec } from '../core/pipeline.ts';
import {
  hasRequest,
  readCommandFile,
  readStepEnd,
  writeRequest,
  type JobEnd,
  type StepEnd,
  type StepRequest,
} from './slot-files.ts';
import { SlotLost, type Slot } from './slot.ts';

export interface StepsRequest {
  readonly slot: Slot;
  readonly n: number;
  readonly steps: readonly StepSpec[];
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly monotonicMs: () => number;
  /** The request of a step, given what the earlier ones wrote and what is left of the job's time. */
  readonly requestOf: (step: StepSpec, earlier: readonly StepFiles[], leftMs: number) => StepRequest;
  /** Its first process was seen. */
  readonly started: () => void;
  /** Aborting asks the job to stop. */
  readonly stop: AbortSignal;
  /** Aborting makes the wait reject with the signal's reason and leaves the job as it is. */
  readonly detach: AbortSignal;
}

export interface StepFiles {
  readonly env: string;
  readonly path: string;
}

/** Over the job's own deadline the host waits this long for the supervisor before it gives the slot up. */
const PATIENCE_MS = 15_000;

/**
 * Runs the steps that have not run yet, each at most once, until one does not exit 0. Resolves with the last one's end and
 * its place. Rejects with SlotLost when the supervisor is gone or does not answer in time.
 */
export async function runSteps(request: StepsRequest): Promise<{ readonly end: StepEnd; readonly step: StepSpec }> {
  const { slot, n, steps, detach } = request;
  const began = request.monotonicMs();
  const earlier: StepFiles[] = [];
  let last: { readonly end: StepEnd; readonly step: StepSpec } | undefined;
  for (const [index, step] of steps.entries()) {
    const k = index + 1;
    let end = await readStepEnd(slot.directory, n, k);
    if (end === undefined) {
      const leftMs = Math.max(1, request.timeoutMs - (request.monotonicMs() - began));
      if (!(await hasRequest(slot.directory, n, k))) {
        await writeRequest(slot.directory, n, k, request.requestOf(step, earlier, leftMs));
      }
      slot.runStep(n, k);
      end = await waitForStep(request, n, k, leftMs, k === 1 ? request.started : () => undefined);
    } else if (k === 1) request.started();
    detach.throwIfAborted();
    last = { end, step };
    if (end.kind !== 'exit' || end.code !== 0) break;
    earlier.push({
      env: await readCommandFile(slot.directory, n, k, 'env'),
      path: await readCommandFile(slot.directory, n, k, 'path'),
    });
  }
  if (last === undefined) throw new Error('Internal error: a job without steps');
  return last;
}

async function waitForStep(
  request: StepsRequest,
  n: number,
  k: number,
  leftMs: number,
  started: () => void,
): Promise<StepEnd> {
  const { slot, stop, detach, graceMs } = request;
  const deadline = new Deadline(leftMs + graceMs + PATIENCE_MS, detach);
  const askToStop = (): void => {
    slot.stop(n, graceMs);
    deadline.shorten(graceMs + PATIENCE_MS);
  };
  try {
    // A stop before the start is an order like any other: the supervisor then ends the step without running it.
    if (stop.aborted) askToStop();
    else stop.addEventListener('abort', askToStop, { once: true });
    const over = slot.stepEnd(n, k, deadline.signal);
    const seen = slot.started(n, k, deadline.signal).then(started);
    const [end] = await Promise.all([over, seen]);
    return end;
  } finally {
    stop.removeEventListener('abort', askToStop);
    deadline.clear();
  }
}

/** Kills what is left and resolves when the supervisor has seen that nothing is. */
export async function endJob(slot: Slot, n: number, detach: AbortSignal): Promise<JobEnd> {
  const deadline = new Deadline(PATIENCE_MS, detach);
  try {
    slot.end(n);
    return await slot.ended(n, deadline.signal);
  } finally {
    deadline.clear();
  }
}

/** Aborts its signal when the time is up or when `also` is aborted; first cause wins. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #also: AbortSignal;
  #timer: NodeJS.Timeout;

  constructor(ms: number, also: AbortSignal) {
    this.#also = also;
    this.#timer = this.#start(ms);
    if (also.aborted) this.#forward();
    else also.addEventListener('abort', this.#forward, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  shorten(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start(ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#also.removeEventListener('abort', this.#forward);
  }

  readonly #forward = (): void => {
    this.#controller.abort(this.#also.reason);
  };

  #start(ms: number): NodeJS.Timeout {
    // setTimeout cannot count further than 2^31 ms.
    return setTimeout(
      () => {
        this.#controller.abort(new SlotLost('its supervisor did not answer in time'));
      },
      Math.min(ms, 2 ** 31 - 1),
    );
  }
}

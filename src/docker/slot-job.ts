/** One job in one slot: its steps in order, the limits on waiting, and the proof at the end that nothing is left. */
import type { StepSpec } from '../core/pipeline/pipeline.ts';
import {
  hasRequest,
  readCommandFile,
  readStepEnd,
  removeRequest,
  stepStarted,
  wasLeftOut,
  writeLeftOut,
  writeRequest,
  type JobEnd,
  type StepEnd,
} from './slot-files.ts';
import type { JobSteps } from './job-steps.ts';
import type { Published } from './publish.ts';
import { SlotLost, type Slot } from './slot.ts';

export interface StepsRequest {
  readonly slot: Slot;
  readonly n: number;
  readonly specs: readonly StepSpec[];
  readonly steps: Pick<JobSteps, 'next' | 'ended' | 'hasPassed' | 'published'>;
  /** Publishes what a step that succeeded says, also once more after a re-attach. Absent = nothing ever. */
  readonly publish?: (spec: StepSpec, k: number) => Promise<Published>;
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly monotonicMs: () => number;
  /** Puts a process of the job under its limits, before it does anything; absent = it has none. */
  readonly enter?: (pid: number) => Promise<void>;
  /** The first process of the job was seen. */
  readonly started: () => void;
  /** Aborting asks the job to stop. */
  readonly stop: AbortSignal;
  /** Aborting makes the wait reject with the signal's reason and leaves the job as it is. */
  readonly detach: AbortSignal;
}

/** Over the job's own deadline the host waits this long for the supervisor before it gives the slot up. */
const PATIENCE_MS = 15_000;

/**
 * Runs the steps that have not run yet, each at most once, until all are over or none may follow. Rejects with SlotLost
 * when the supervisor is gone or does not answer in time, and with what `next` throws.
 */
export async function runSteps(request: StepsRequest): Promise<void> {
  const { slot, n, steps, detach } = request;
  const began = request.monotonicMs();
  const leftMs = (): number => request.timeoutMs - (request.monotonicMs() - began);
  let hasRun = false;
  for (const [index, spec] of request.specs.entries()) {
    const k = index + 1;
    if (hasRun && request.stop.aborted) return;
    const left = Math.max(1, leftMs());
    const wanted = await steps.next(spec, k, left, await decidedBefore(slot.directory, n, k));
    if (wanted === undefined) {
      await writeLeftOut(slot.directory, n, k);
      continue;
    }
    let end = await readStepEnd(slot.directory, n, k);
    const started = hasRun ? () => undefined : request.started;
    hasRun = true;
    if (end === undefined) {
      if (!(await wasOrdered(slot.directory, n, k))) await writeRequest(slot.directory, n, k, wanted);
      if (request.enter === undefined) slot.runStep(n, k);
      else slot.holdStep(n, k);
      end = await waitForStep(request, n, k, left, started);
    } else started();
    detach.throwIfAborted();
    const [env, path, output] = await Promise.all(
      (['env', 'path', 'output'] as const).map((name) => readCommandFile(slot.directory, n, k, name)),
    );
    const goesOn = steps.ended(end, { env: env ?? '', path: path ?? '', output: output ?? '' }, leftMs());
    if (!goesOn) return;
    if (spec.publish !== undefined && steps.hasPassed() && request.publish !== undefined)
      steps.published(await request.publish(spec, k));
  }
}

async function decidedBefore(directory: string, n: number, k: number): Promise<'run' | 'left-out' | undefined> {
  if (await wasLeftOut(directory, n, k)) return 'left-out';
  return (await wasOrdered(directory, n, k)) ? 'run' : undefined;
}

/** The request goes away when the step has started. */
async function wasOrdered(directory: string, n: number, k: number): Promise<boolean> {
  return (await hasRequest(directory, n, k)) || (await stepStarted(directory, n, k));
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
    const seen = slot.started(n, k, deadline.signal).then(() => {
      started();
      return removeRequest(slot.directory, n, k);
    });
    const [end] = await Promise.all([over, seen, letIn(request, n, k, deadline.signal)]);
    return end;
  } finally {
    stop.removeEventListener('abort', askToStop);
    deadline.clear();
  }
}

async function letIn({ slot, enter }: StepsRequest, n: number, k: number, signal: AbortSignal): Promise<void> {
  if (enter === undefined) return;
  const pid = await slot.held(n, k, signal);
  if (pid === null) return;
  await enter(pid);
  slot.go(n, k);
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

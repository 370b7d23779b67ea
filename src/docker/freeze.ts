/** Stops every process of a slot for a moment, with the kernel's freezer, so that its workspace can be read unchanged. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from './engine.ts';
import { SlotLost, type Slot } from './slot.ts';

export interface FreezeParts {
  readonly engine: Engine;
  /** How long an engine that does not answer is asked to let a slot go on, in ms; default half a minute: a restart of it. */
  readonly thawMs?: number;
}

const THAW_MS = 30_000;
const ASK_AGAIN_MS = 250;

/**
 * Does the work while no process of the slot can run, its supervisor included. A process that dies in between leaves the
 * slot frozen: `thaw` it. Rejects with SlotLost when it cannot be thawed.
 */
export async function whileFrozen<T>(parts: FreezeParts, slot: Slot, work: () => Promise<T>): Promise<T> {
  try {
    await said(parts.engine, ['pause', slot.record.containerId], /is already paused/);
  } catch (cause) {
    // The answer may be what was lost, and not the order.
    await thaw(parts, slot);
    throw cause;
  }
  try {
    return await work();
  } finally {
    await thaw(parts, slot);
  }
}

/** One that is not frozen stays as it is. Rejects with SlotLost when its container is gone, or nobody could thaw it in time. */
export async function thaw({ engine, thawMs = THAW_MS }: FreezeParts, slot: Slot): Promise<void> {
  const deadline = performance.now() + thawMs;
  for (;;) {
    try {
      await said(engine, ['unpause', slot.record.containerId], /is not paused/);
      return;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      if (performance.now() >= deadline || /No such container/.test(why))
        throw new SlotLost(`it could not be let go on after an artifact was published: ${why}`);
    }
    await sleep(ASK_AGAIN_MS);
  }
}

async function said(engine: Engine, args: readonly string[], harmless: RegExp): Promise<void> {
  await engine.command(args).catch((error: unknown) => {
    if (!(error instanceof Error && harmless.test(error.message))) throw error;
  });
}

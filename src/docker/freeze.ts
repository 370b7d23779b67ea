/** Stops every process of a slot for a moment, with the kernel's freezer, so that its workspace can be read unchanged. */
import type { Engine } from './engine.ts';
import { SlotLost, type Slot } from './slot.ts';

/**
 * Does the work while no process of the slot can run, its supervisor included. A process that dies in between leaves the
 * slot frozen: `thaw` it. Rejects with SlotLost when it cannot be thawed.
 */
export async function whileFrozen<T>(engine: Engine, slot: Slot, work: () => Promise<T>): Promise<T> {
  try {
    await said(engine, ['pause', slot.record.containerId], /is already paused/);
  } catch (cause) {
    // The answer may be what was lost, and not the order. Where nothing was frozen the reason is told, not this one.
    await thaw(engine, slot).catch(() => undefined);
    throw cause;
  }
  try {
    return await work();
  } finally {
    await thaw(engine, slot);
  }
}

/** One that is not frozen stays as it is. Rejects with SlotLost. */
export async function thaw(engine: Engine, slot: Slot): Promise<void> {
  try {
    await said(engine, ['unpause', slot.record.containerId], /is not paused/);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SlotLost(`it could not be let go on after an artifact was published: ${why}`);
  }
}

async function said(engine: Engine, args: readonly string[], harmless: RegExp): Promise<void> {
  await engine.command(args).catch((error: unknown) => {
    if (!(error instanceof Error && harmless.test(error.message))) throw error;
  });
}

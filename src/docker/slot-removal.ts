/** What is left of a slot: its container and its folder, taken away in an order that may be broken off and repeated. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../core/errno.ts';
import { giveBackArgs } from './slot-container.ts';
import { readRecord, type SlotParts } from './slot.ts';

/** Removes the container and then everything of the slot on disk. May be repeated. */
export async function removeSlot(parts: SlotParts, directory: string, containerId: string): Promise<void> {
  await parts.engine.remove([containerId]);
  await removeSlotFolder(parts, directory);
}

/** For a slot whose container is gone. May be repeated. */
export async function removeSlotFolder(parts: SlotParts, directory: string): Promise<void> {
  const record = await readRecord(directory);
  const workspace = join(directory, 'work');
  try {
    // Before the record, which a repetition needs.
    await rm(workspace, { recursive: true, force: true });
  } catch (error) {
    if (record?.spec.copies !== true || !isErrno(error, 'EACCES', 'EPERM')) throw error;
    // A job that was killed with its slot leaves files of its own user, which only the engine's root can hand over.
    await parts.engine.runToEnd(giveBackArgs(parts, directory, record.spec.imageId));
    await rm(workspace, { recursive: true, force: true });
  }
  await rm(directory, { recursive: true, force: true });
}

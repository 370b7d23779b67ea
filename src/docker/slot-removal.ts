/** What is left of a slot: its container and its folder, taken away in an order that may be broken off and repeated. */
import { join } from 'node:path';
import { removeTree } from './remove-tree.ts';
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
    await removeTree(workspace);
  } catch (error) {
    if (record?.spec.copies !== true) throw error;
    // A job that was killed with its slot leaves files of its own user, which only the engine's root can hand over.
    await parts.engine.runToEnd(giveBackArgs(parts, directory, record.spec.imageId));
    await removeTree(workspace);
  }
  await removeTree(directory);
}

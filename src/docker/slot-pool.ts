/** The slots of this worker: which are warm and idle, which are held, and when one is started, kept or removed. */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../core/ports.ts';
import { jobNumbers } from './slot-files.ts';
import { removeSlot, removeSlotFolder } from './slot-removal.ts';
import { readRecord, reattachSlot, startSlot, type Slot, type SlotParts, type SlotSpec } from './slot.ts';

export interface SlotPool {
  /** A slot of this spec, warm if there is one. Rejects with the engine's words when none can be started. */
  acquire(spec: SlotSpec): Promise<Slot>;
  /** The slot that an earlier process gave to a job, or undefined when it is gone. */
  adopted(slotId: string): Slot | undefined;
  /** Back to the idle ones. */
  giveBack(slot: Slot): void;
  /** Removes a slot: after a single use, or because something in it could not be ended. May be repeated. */
  remove(slot: Slot): Promise<void>;
  /**
   * Removes the container of a slot and keeps its folder, which proves what was run there until the outcome is on disk;
   * `remove` then takes the folder away. May be repeated.
   */
  condemn(slot: Slot): Promise<void>;
  /** Takes away the folder that `takeOver` left of a needed slot whose container was gone. May be repeated. */
  forget(slotId: string): Promise<void>;
  /** Starts a replacement in the background, so that the next job of this spec finds a warm one. */
  warmUp(spec: SlotSpec): void;
  /**
   * Takes over the slots on disk: `needed` ones are held for the jobs in them, clean ones under today's network rules are idle again, and all others
   * are removed, as is every container of ours without a slot. Of a needed slot whose container is gone the folder stays:
   * it proves that the job was begun. Call before the first `acquire`; may be repeated until it succeeds.
   */
  takeOver(needed: ReadonlySet<string>): Promise<void>;
  counts(): { readonly idle: number; readonly held: number; readonly starting: number };
  /** Ids of the slots that are idle or held. */
  ids(): readonly string[];
  /** Lets go of all slots; containers stay. */
  close(): Promise<void>;
}

export interface SlotPoolOptions extends SlotParts {
  readonly random: Random;
  /** Most idle slots that are kept, over all specs; the least recently used goes first. */
  readonly maxIdle: number;
  /** Called when work in the background fails; the pool goes on without that slot. */
  readonly onError: (error: unknown) => void;
}

export function openSlotPool(options: SlotPoolOptions): SlotPool {
  const idle: Slot[] = []; // least recently used first
  const held = new Map<string, Slot>();
  const starting = new Set<Promise<unknown>>();
  const removing = new Map<string, Promise<void>>();

  const keyOf = (spec: SlotSpec): string => JSON.stringify(spec);

  async function start(spec: SlotSpec): Promise<Slot> {
    const started = startSlot(options, options.random.hex(6), spec);
    starting.add(started);
    try {
      return await started;
    } finally {
      starting.delete(started);
    }
  }

  function remove(slot: Slot): Promise<void> {
    held.delete(slot.id);
    const known = removing.get(slot.id);
    if (known !== undefined) return known;
    slot.detach();
    const work = removeSlot(options, slot.directory, slot.record.containerId).finally(() => removing.delete(slot.id));
    removing.set(slot.id, work);
    return work;
  }

  function inBackground(work: Promise<unknown>): void {
    work.catch(options.onError);
  }

  function trim(): void {
    while (idle.length > options.maxIdle) {
      const oldest = idle.shift();
      if (oldest !== undefined) inBackground(remove(oldest));
    }
  }

  return {
    async acquire(spec) {
      const key = keyOf(spec);
      for (let index = idle.length - 1; index >= 0; index--) {
        const slot = idle[index];
        if (slot === undefined || keyOf(slot.record.spec) !== key) continue;
        idle.splice(index, 1);
        if (slot.isAlive()) {
          held.set(slot.id, slot);
          return slot;
        }
        inBackground(remove(slot));
      }
      const slot = await start(spec);
      held.set(slot.id, slot);
      return slot;
    },
    adopted: (slotId) => held.get(slotId),
    giveBack(slot) {
      if (!held.delete(slot.id)) return;
      idle.push(slot);
      trim();
    },
    remove,
    async condemn(slot) {
      slot.detach();
      await options.engine.remove([slot.record.containerId]);
    },
    forget: (slotId) => removeSlotFolder(options, join(options.root, slotId)),
    warmUp(spec) {
      const key = keyOf(spec);
      if (idle.some((slot) => keyOf(slot.record.spec) === key)) return;
      inBackground(
        start(spec).then((slot) => {
          idle.push(slot);
          trim();
        }),
      );
    },
    async takeOver(needed) {
      await mkdir(options.root, { recursive: true, mode: 0o700 });
      for (const id of await readdir(options.root)) {
        // A repetition after a failure half-way finds some of them taken over already.
        if (held.has(id) || idle.some((slot) => slot.id === id)) continue;
        const directory = join(options.root, id);
        const slot = await reattachSlot(directory);
        if (slot === undefined) {
          const record = await readRecord(directory);
          await options.engine.remove(record === undefined ? [`hearth-${id}`] : [record.containerId]);
          if (!needed.has(id)) await removeSlotFolder(options, directory);
        } else if (needed.has(id)) {
          held.set(slot.id, slot);
        } else if (
          (await jobNumbers(directory)).length === 0 &&
          slot.record.spec.egress === options.egress.fingerprint
        ) {
          idle.push(slot);
        } else {
          await remove(slot);
        }
      }
      const ours = new Set([...held.values(), ...idle].map((slot) => slot.record.containerId));
      await options.engine.remove((await options.engine.list(options.label)).filter((id) => !ours.has(id)));
      trim();
    },
    ids: () => [...idle.map((slot) => slot.id), ...held.keys()],
    counts: () => ({ idle: idle.length, held: held.size, starting: starting.size }),
    async close() {
      await Promise.allSettled([...starting, ...removing.values()]);
      for (const slot of [...idle, ...held.values()]) slot.detach();
    },
  };
}

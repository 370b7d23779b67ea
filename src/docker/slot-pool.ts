/** The slots of this worker: which are warm and idle, which are held, and when one is started, kept or removed. */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../core/ports.ts';
import { slotsToStart, type SlotCounts, type WantedSlots } from '../core/schedule/warm-slots.ts';
import { jobNumbers } from './slot-files.ts';
import { removeSlot, removeSlotFolder } from './slot-removal.ts';
import { readRecord, reattachSlot, startSlot, type Slot, type SlotParts, type SlotSpec } from './slot.ts';
import type { SlotStart } from './warmth.ts';

export interface SlotPool {
  /**
   * A slot of this spec: one that is warm, else one that is being started in advance, else a new one. Rejects with the
   * engine's words when none can be started.
   */
  acquire(spec: SlotSpec): Promise<{ readonly slot: Slot; readonly start: SlotStart }>;
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
   * What jobs that cannot start yet will need, the most urgent first, in the place of what was said before: slots of these
   * kinds are started in the background, few at a time. One that nothing wants for a while and that no job has used is
   * removed. A kind whose slots cannot be started is left alone for a minute.
   */
  expect(wanted: readonly ExpectedSlots[]): void;
  /**
   * Takes over the slots on disk: `needed` ones are held for the jobs in them, clean ones under today's network rules are idle again, and all others
   * are removed, as is every container of ours without a slot. Of a needed slot whose container is gone the folder stays:
   * it proves that the job was begun. Call before the first `acquire`; may be repeated until it succeeds.
   */
  takeOver(needed: ReadonlySet<string>): Promise<void>;
  counts(): PoolCounts;
  /** Ids of the slots that are idle or held. */
  ids(): readonly string[];
  /** Lets go of all slots; containers stay. */
  close(): Promise<void>;
}

export interface ExpectedSlots extends Omit<WantedSlots, 'key'> {
  readonly spec: SlotSpec;
}

export interface PoolCounts {
  readonly idle: number;
  readonly held: number;
  readonly starting: number;
  /** The idle ones by what they are for. */
  readonly kinds: readonly { readonly repoId: number; readonly trust: string; readonly image: string; idle: number }[];
}

export interface SlotPoolOptions extends SlotParts {
  readonly random: Random;
  readonly monotonicMs: () => number;
  /** Most idle slots that are kept, over all specs; the least recently used goes first. */
  readonly maxIdle: number;
  /** Called when work in the background fails; the pool goes on without that slot. */
  readonly onError: (error: unknown) => void;
  /** Called when a slot could not be started in advance. */
  readonly onUnready: (error: unknown) => void;
  /** How long a slot that was started in advance stays when nothing wants it any more, in ms; default 5 minutes. */
  readonly keepUnwantedMs?: number;
}

/** A slot under way that was begun before anybody asked for it. */
interface Arrival {
  readonly key: string;
  readonly slot: Promise<Slot>;
  /** Somebody waits for it: it is not going to be idle. */
  isTaken: boolean;
}

const KEEP_UNWANTED_MS = 5 * 60_000;
const RETRY_MS = 60_000;
/** A start takes most of a core for a moment, which the jobs that run would miss. */
const STARTS_AT_ONCE = 2;

export function openSlotPool(options: SlotPoolOptions): SlotPool {
  const idle: Slot[] = []; // least recently used first
  const held = new Map<string, Slot>();
  const starting = new Set<Promise<unknown>>();
  const removing = new Map<string, Promise<void>>();
  const arriving = new Set<Arrival>();
  let wanted: readonly ExpectedSlots[] = [];
  /** Slots that were started in advance and not used yet, with the time at which something wanted them last. */
  const unused = new Map<string, number>();
  const notBefore = new Map<string, number>();
  let isClosed = false;

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

  function startAhead(spec: SlotSpec, onFailure: (cause: unknown) => void): void {
    const slot = start(spec);
    const arrival: Arrival = { key: keyOf(spec), slot, isTaken: false };
    arriving.add(arrival);
    slot
      .then((ready) => {
        if (arrival.isTaken) return;
        idle.push(ready);
        unused.set(ready.id, options.monotonicMs());
        trim();
      })
      // Whoever waits for it starts one of its own.
      .catch(onFailure)
      .finally(() => arriving.delete(arrival))
      .then(fill, options.onError);
  }

  function countsByKey(): ReadonlyMap<string, SlotCounts> {
    const counts = new Map<string, { idle: number; arriving: number; held: number }>();
    const add = (key: string, what: keyof SlotCounts): void => {
      const known = counts.get(key) ?? { idle: 0, arriving: 0, held: 0 };
      known[what] += 1;
      counts.set(key, known);
    };
    for (const slot of idle) add(keyOf(slot.record.spec), 'idle');
    for (const slot of held.values()) add(keyOf(slot.record.spec), 'held');
    for (const { key, isTaken } of arriving) add(key, isTaken ? 'held' : 'arriving');
    return counts;
  }

  /** Starts what is wanted and not there. */
  function fill(): void {
    if (isClosed) return;
    const now = options.monotonicMs();
    const byKey = new Map(wanted.map((one) => [keyOf(one.spec), one]));
    const asked = [...byKey]
      .map(([key, one]) => ({ ...one, key }))
      .filter(({ key }) => (notBefore.get(key) ?? 0) <= now);
    const limits = { maxIdle: options.maxIdle, starts: STARTS_AT_ONCE - arriving.size };
    for (const key of slotsToStart(asked, countsByKey(), limits)) {
      const spec = byKey.get(key)?.spec;
      if (spec === undefined) continue;
      startAhead(spec, (cause) => {
        notBefore.set(key, options.monotonicMs() + RETRY_MS);
        options.onUnready(cause);
      });
    }
  }

  /** Of the slots that were never used, those that nothing has wanted for long. */
  function dropUnwanted(): void {
    const now = options.monotonicMs();
    const left = new Map(wanted.map(({ spec, count }) => [keyOf(spec), count]));
    for (const slot of idle.slice()) {
      const since = unused.get(slot.id);
      if (since === undefined) continue;
      const key = keyOf(slot.record.spec);
      const count = left.get(key) ?? 0;
      left.set(key, count - 1);
      if (count > 0) unused.set(slot.id, now);
      else if (now - since >= (options.keepUnwantedMs ?? KEEP_UNWANTED_MS)) {
        idle.splice(idle.indexOf(slot), 1);
        inBackground(remove(slot));
      }
    }
    for (const [key, until] of notBefore) if (until <= now) notBefore.delete(key);
  }

  function remove(slot: Slot): Promise<void> {
    held.delete(slot.id);
    unused.delete(slot.id);
    const known = removing.get(slot.id);
    if (known !== undefined) return known;
    slot.detach();
    const work = removeSlot(options, slot.directory, slot.record.containerId).finally(() => removing.delete(slot.id));
    removing.set(slot.id, work);
    return work;
  }

  function hold(slot: Slot): Slot {
    unused.delete(slot.id);
    held.set(slot.id, slot);
    return slot;
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
      // One that was wanted has come; whether another one is, the next `expect` says.
      wanted = wanted.map((one) => (keyOf(one.spec) === key ? { ...one, count: one.count - 1 } : one));
      for (let index = idle.length - 1; index >= 0; index--) {
        const slot = idle[index];
        if (slot === undefined || keyOf(slot.record.spec) !== key) continue;
        idle.splice(index, 1);
        if (slot.isAlive()) return { slot: hold(slot), start: { kind: 'warm', ms: 0 } };
        inBackground(remove(slot));
      }
      const began = options.monotonicMs();
      const waited = (): number => options.monotonicMs() - began;
      const arrival = [...arriving].find((one) => one.key === key && !one.isTaken);
      if (arrival !== undefined) {
        arrival.isTaken = true;
        const [came] = await Promise.allSettled([arrival.slot]);
        if (came.status === 'fulfilled') return { slot: hold(came.value), start: { kind: 'ahead', ms: waited() } };
      }
      const slot = await start(spec);
      return { slot: hold(slot), start: { kind: 'cold', ms: waited() } };
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
      const { idle: ready, arriving: coming } = countsByKey().get(keyOf(spec)) ?? { idle: 0, arriving: 0 };
      if (ready + coming === 0) startAhead(spec, options.onError);
    },
    expect(now) {
      wanted = now;
      dropUnwanted();
      fill();
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
    counts() {
      const kinds = new Map<string, PoolCounts['kinds'][number]>();
      for (const { record } of idle) {
        const { repoId, trust, imageId } = record.spec;
        const key = JSON.stringify([repoId, trust, imageId]);
        const kind = kinds.get(key) ?? { repoId, trust, image: imageId.replace(/^sha256:/, '').slice(0, 12), idle: 0 };
        kind.idle += 1;
        kinds.set(key, kind);
      }
      return { idle: idle.length, held: held.size, starting: starting.size, kinds: [...kinds.values()] };
    },
    async close() {
      isClosed = true;
      await Promise.allSettled([...starting, ...removing.values()]);
      for (const slot of [...idle, ...held.values()]) slot.detach();
    },
  };
}

/**
 * The Preparations port over Docker: images, checkouts, dependency layers and slots that jobs to come will find. What it
 * holds it holds only while it works on it; what it leaves are layers and idle slots like any others.
 */
import type { Claim, Preparations } from '../core/ports.ts';
import type { Wish } from '../core/schedule/prewarm.ts';
import { rightsOf } from '../core/trust.ts';
import { buildAhead, type DependencyLayerParts } from './dependency-layers.ts';
import { filesOf, resolveSlot, type PreparationParts, type Prepared } from './preparation.ts';
import type { ExpectedSlots } from './slot-pool.ts';
import { unlessStopped } from './unless-stopped.ts';

export interface PrewarmParts extends DependencyLayerParts, PreparationParts {
  /** Something could not be prepared; the job will find out for itself. */
  readonly onUnready: (cause: unknown, wish: Wish) => void;
}

export interface OpenPreparations extends Preparations, AsyncDisposable {
  /** Resolves when nothing is being prepared. For tests. */
  settled(): Promise<void>;
}

/** What is known and under way for one wish. */
interface Entry {
  wish: Wish;
  readonly stop: AbortController;
  /** What its slot is made of, once that is known. */
  prepared: Omit<Prepared, 'checkout'> | undefined;
  /** Its layers were built, or are being, or could not be: it is done once. */
  isBuilt: boolean;
  isBuilding: boolean;
  work: Promise<void>;
}

/** Disposing stops what is under way and waits for it, but not for an image that is being pulled. */
export function openPreparations(parts: PrewarmParts): OpenPreparations {
  const entries = new Map<string, Entry>();
  const leaving = new Set<Promise<void>>();
  const detach = new AbortController();

  function begin(wish: Wish): void {
    const entry: Entry = {
      ...{ wish, stop: new AbortController(), prepared: undefined },
      ...{ isBuilt: false, isBuilding: false, work: Promise.resolve() },
    };
    entries.set(wish.id, entry);
    parts.warmth.prepared.begun += 1;
    entry.work = guarded(entry, () => resolve(entry)).then(() => {
      next(entry);
    });
  }

  async function resolve(entry: Entry): Promise<void> {
    const { wish, stop } = entry;
    const isPlanned = wish.kind === 'planned';
    const hint = isPlanned ? 'make' : 'find';
    const sidecars = {
      ...parts.sidecars,
      resolve: (request: Parameters<typeof parts.sidecars.resolve>[0]) => parts.sidecars.resolve({ ...request, hint }),
    };
    const claim = claimOf(wish);
    const work = resolveSlot({ ...parts, sidecars }, claim, () => undefined);
    entry.prepared = await unlessStopped(work, signalsOf(stop), claim.job.spec.timeoutMs, () => undefined);
    expectSlots();
    if (isPlanned) (await filesOf(parts, wish)).release();
  }

  /** When more is wished of it by now. */
  function next(entry: Entry): void {
    const { wish, prepared, stop } = entry;
    if (!wish.build || entry.isBuilt || prepared === undefined || prepared.wanted.length === 0 || isOver(stop)) return;
    entry.isBuilt = true;
    entry.isBuilding = true;
    entry.work = guarded(entry, async () => {
      const checkout = await filesOf(parts, wish);
      try {
        await buildAhead(parts, claimOf(wish), { ...prepared, checkout }, signalsOf(stop));
      } finally {
        checkout.release();
        entry.isBuilding = false;
        // An install may have used up a slot that was meant for the job.
        expectSlots();
      }
    });
  }

  async function guarded(entry: Entry, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      if (isOver(entry.stop)) return;
      parts.warmth.prepared.failed += 1;
      parts.onUnready(cause, entry.wish);
    }
  }

  const isOver = (stop: AbortController): boolean => stop.signal.aborted || detach.signal.aborted;
  const signalsOf = (stop: AbortController) => ({
    ...{ stop: stop.signal, detach: detach.signal },
    started: () => undefined,
    published: () => Promise.reject(new Error('an install publishes nothing')),
  });

  /** Of each kind as many as jobs want it, in order of the first that does. */
  function expectSlots(): void {
    if (detach.signal.aborted) return;
    const kinds = new Map<string, ExpectedSlots>();
    for (const { wish, prepared } of entries.values()) {
      if (!wish.slot || prepared === undefined) continue;
      const { spec } = prepared;
      const key = JSON.stringify(spec);
      const { count, comesBack } = kinds.get(key) ?? { count: 0, comesBack: true };
      // What is planned waits for jobs that run, and takes their slots over; a push that comes does not wait for them.
      const takesOver = wish.kind === 'planned' && rightsOf(wish.run.trust).keepsSlots;
      kinds.set(key, { spec, count: count + 1, comesBack: comesBack && takesOver });
    }
    parts.slots.expect([...kinds.values()]);
  }

  return {
    prepare(wishes) {
      if (detach.signal.aborted) return;
      const wished = new Map(wishes.map((wish) => [wish.id, wish]));
      for (const [id, entry] of entries) {
        if (wished.has(id)) continue;
        entries.delete(id);
        entry.stop.abort({ result: 'cancelled', reason: 'cancelled_by', message: 'nothing wants it any more' });
        const { work } = entry;
        leaving.add(work);
        void work.finally(() => leaving.delete(work));
      }
      for (const wish of wishes) {
        const known = entries.get(wish.id);
        if (known === undefined) begin(wish);
        else {
          known.wish = wish;
          next(known);
        }
      }
      expectSlots();
    },
    building: () => new Set([...entries].flatMap(([id, { isBuilding }]) => (isBuilding ? [id] : []))),
    async settled() {
      for (let works = all(); works.length > 0; works = all()) {
        await Promise.all(works);
        if (all().every((work) => works.includes(work))) return;
      }
    },
    async [Symbol.asyncDispose]() {
      detach.abort(new Error('this process lets go of what it prepares'));
      await Promise.all(all());
    },
  };

  function all(): readonly Promise<void>[] {
    return [...leaving, ...[...entries.values()].map(({ work }) => work)];
  }
}

/** As if it were claimed now. */
function claimOf({ run, context, job, needs }: Wish): Claim {
  return { run, context, job: { ...job, attempt: job.attempt + 1 }, needs, artifacts: [], stop: null };
}

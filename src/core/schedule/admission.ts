/** Which worker a job goes to, and what is kept free for one that is too big for the moment. Pure but for its own counting. */
import type { Job, WorkerId } from '../job.ts';
import { labelsOf, offers, whyNoWorker } from '../runs-on.ts';
import {
  NOTHING,
  amountsOf,
  asksForNothing,
  fits,
  minus,
  neverFits,
  plus,
  type Amounts,
  type Capacity,
} from '../resources.ts';

/** A worker as the store knows it. */
export interface WorkerState {
  readonly id: WorkerId;
  readonly slots: number;
  readonly leaseUntil: Date;
  /** Where its jobs run: `linux/amd64`. */
  readonly platform?: string;
  /** HEARTH_LABELS. */
  readonly labels?: readonly string[];
  /** Absent = not measured: any job is taken to fit. */
  readonly capacity?: Capacity;
  /** What runners of pools hold of it; absent = nothing. */
  readonly lent?: Amounts;
}

export interface Admission {
  /** Slots of all workers that answer. */
  readonly slots: number;
  readonly platforms: ReadonlySet<string>;
  /** Why no worker that answers could ever run the job; undefined also when none answers. */
  refusal(job: Job): string | undefined;
  hasFreeSlot(): boolean;
  /** The worker that looks after jobs which run elsewhere; they take nothing of it. undefined when none answers. */
  attendant(): WorkerId | undefined;
  /** Takes a slot and what the job asks for, on the worker with most free slots; undefined when it fits nowhere now. */
  take(job: Job): WorkerId | undefined;
  /** From here on nothing else that asks for resources is let onto the worker that will be this job's. */
  reserve(job: Job): void;
}

interface Place {
  readonly worker: WorkerState;
  readonly labels: ReadonlySet<string>;
  readonly isIdle: boolean;
  slots: number;
  free: typeof NOTHING | null;
  isReserved: boolean;
}

export function openAdmission(workers: readonly WorkerState[], running: readonly Job[], now: Date): Admission {
  const byWorker = Map.groupBy(running, (job) => job.worker);
  const places = workers
    .filter(({ leaseUntil }) => leaseUntil >= now)
    .map((worker): Place => {
      const jobs = byWorker.get(worker.id) ?? [];
      const used = jobs.map(({ spec }) => amountsOf(spec.resources)).reduce(plus, NOTHING);
      const free = worker.capacity === undefined ? null : minus(worker.capacity, plus(used, worker.lent ?? NOTHING));
      const slots = worker.slots - jobs.filter(takesSlot).length;
      return {
        worker,
        labels: labelsOf(worker),
        isIdle: jobs.length === 0 && worker.lent === undefined,
        slots,
        free,
        isReserved: false,
      };
    });
  return {
    slots: places.reduce((sum, { worker }) => sum + worker.slots, 0),
    platforms: new Set(places.flatMap(({ worker }) => worker.platform ?? [])),
    refusal({ spec }) {
      if (spec.resources === null && !isChoosy(spec)) return undefined;
      const suited = places.filter((place) => suits(place, spec));
      if (suited.length === 0) {
        // One that is only away may come back, and what it offers is known.
        const mayCome = workers.length === 0 || workers.some((worker) => offers(worker, labelsOf(worker), spec));
        return mayCome ? undefined : whyNoWorker(workers, spec);
      }
      if (spec.resources === null) return undefined;
      const boxes = suited.flatMap(({ worker: { capacity }, isIdle }) =>
        capacity === undefined ? [] : [{ capacity, isIdle }],
      );
      return boxes.length < suited.length ? undefined : neverFits(spec.resources, boxes);
    },
    attendant: () => places[0]?.worker.id,
    hasFreeSlot: () => places.some(({ slots }) => slots > 0),
    take({ spec }) {
      const wanted = amountsOf(spec.resources);
      const isFree = asksForNothing(wanted);
      let best: Place | undefined;
      for (const place of places) {
        if (place.slots <= 0 || (best !== undefined && place.slots <= best.slots) || !suits(place, spec)) continue;
        if (isFree || (!place.isReserved && (place.free === null || fits(wanted, place.free)))) best = place;
      }
      if (best === undefined) return undefined;
      best.slots -= 1;
      if (best.free !== null) best.free = minus(best.free, wanted);
      return best.worker.id;
    },
    reserve({ spec }) {
      const { resources } = spec;
      if (resources === null) return;
      // The first that could hold it, and so the same one every time: one that changed would never become free.
      const found = places.find((place) => {
        const { slots, capacity } = place.worker;
        if (place.isReserved || slots === 0 || !suits(place, spec)) return false;
        return capacity === undefined || neverFits(resources, [{ capacity, isIdle: place.isIdle }]) === undefined;
      });
      if (found !== undefined) found.isReserved = true;
    },
  };
}

/** A job that runs as a workflow of GitHub costs nothing here. */
export function takesSlot({ spec }: Pick<Job, 'spec'>): boolean {
  return spec.lane === undefined;
}

function isChoosy({ runsOn, platform }: Job['spec']): boolean {
  return runsOn !== undefined || platform !== undefined;
}

/** Most jobs go anywhere. */
function suits({ worker, labels }: Pick<Place, 'worker' | 'labels'>, spec: Job['spec']): boolean {
  return !isChoosy(spec) || offers(worker, labels, spec);
}

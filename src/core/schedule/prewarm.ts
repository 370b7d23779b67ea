/**
 * What is worth preparing before a job is claimed, so that its claim finds everything there. All of it is a hint: nothing
 * that is decided here makes a job start, end or wait. Pure. docs/adr/0017 gives the reasons.
 */
import { takesSlot } from './admission.ts';
import { heldBack } from './concurrency.ts';
import { needsContext } from '../contexts.ts';
import type { Value } from '../expression/expression.ts';
import type { Intake } from '../intake.ts';
import type { Job, WorkerId } from '../job.ts';
import { layerAccess } from '../layer-access.ts';
import { lets } from '../outcome.ts';
import type { Run, RunContext } from '../run.ts';
import type { Snapshot, UnfinishedRun } from './schedule.ts';
import { labelsOf, offers } from '../runs-on.ts';
import { rightsOf } from '../trust.ts';

/** A job that something may be prepared for. */
export interface Wish {
  /** Equal from one look to the next as long as the same thing is wished. */
  readonly id: string;
  readonly run: Run;
  readonly context: RunContext;
  readonly job: Job;
  readonly needs: Value;
  /**
   * `planned`: the job is in the store and will run unless something happens. `likely`: an earlier run says that a push
   * which is not planned yet will want it; for that nothing is pulled, built or checked out.
   */
  readonly kind: 'planned' | 'likely';
  /** A slot of its kind should be ready. */
  readonly slot: boolean;
  /** Dependency layers that are missing may be built now. */
  readonly build: boolean;
}

/** Runs as they were planned before, with what they were made of. */
export type PastRun = Pick<UnfinishedRun, 'run' | 'context' | 'jobs'>;

export interface Outlook {
  readonly snapshot: Snapshot;
  /** What was received and is not planned yet. */
  readonly coming: readonly Intake[];
  /** The newest runs of the repositories of `coming`, one for each pipeline and class. */
  readonly past: readonly PastRun[];
  /** Whose work it is. */
  readonly worker: WorkerId;
  /** Ids of the wishes for which a layer is being built. */
  readonly building: ReadonlySet<string>;
  readonly now: Date;
}

/** What can start at once is claimed within this time, and then prepares itself: a hint would only get in its way. */
const CLAIMED_WITHIN_MS = 1_000;
/** `start-delay`: how long before its end a job counts as one that starts soon. */
const AHEAD_MS = 5_000;

/** In order of need: jobs that wait for a slot, jobs that wait for ones that run, pushes that are being planned, all others. */
export function whatToPrepare(outlook: Outlook): readonly Wish[] {
  const { snapshot, worker, building } = outlook;
  const own = snapshot.workers.find(({ id, leaseUntil }) => id === worker && leaseUntil >= outlook.now);
  if (own === undefined || own.slots === 0) return [];
  const jobs = snapshot.runs.flatMap((one) => one.jobs);
  const here = jobs.filter(takesSlot);
  const claims = here.filter(({ state, worker: by }) => state === 'running' && by === worker).length;
  const queued = here.filter(({ state }) => state === 'queued').length;
  const free = Math.max(0, own.slots - claims);
  const labels = labelsOf(own);
  const isOurs = ({ spec }: Job): boolean => offers(own, labels, spec);
  const { soon, next, later, underWay } = planned(outlook, free, isOurs);
  const likely = likelyJobs(outlook).filter(({ job }) => isOurs(job));

  const budget = { slots: own.slots, likely: free, builds: Math.max(0, free - queued - building.size) };
  const inMatrix = new Map<string, number>();
  const withSlot = (one: Found): boolean => {
    if (budget.slots <= 0 || !wantsSlot(one, inMatrix)) return false;
    budget.slots -= 1;
    return true;
  };
  const withBuild = (one: Found): boolean => {
    if (budget.builds <= 0 || !mayBuild(one)) return false;
    budget.builds -= 1;
    return true;
  };
  return [
    ...underWay.map((one): Wish => ({
      ...one,
      kind: 'planned',
      slot: one.job.state !== 'running' && withSlot(one),
      build: true,
    })),
    ...soon.map((one): Wish => ({ ...one, kind: 'planned', slot: withSlot(one), build: false })),
    ...next.map((one): Wish => ({ ...one, kind: 'planned', slot: withSlot(one), build: withBuild(one) })),
    ...likely
      .filter((one) => budget.likely-- > 0 && withSlot(one))
      .map((one): Wish => ({ ...one, kind: 'likely', slot: true, build: false })),
    ...later.map((one): Wish => ({ ...one, kind: 'planned', slot: false, build: false })),
  ];
}

type Found = Pick<Wish, 'id' | 'run' | 'context' | 'job' | 'needs'>;

interface Planned {
  /** They wait for nothing but a slot. */
  readonly soon: readonly Found[];
  /** They wait for jobs of which each is over or runs. */
  readonly next: readonly Found[];
  /** Of the rest one for each image. */
  readonly later: readonly Found[];
  /** A layer is being built for them. They may have been claimed since, and then wait for it. */
  readonly underWay: readonly Found[];
}

function planned({ snapshot, building, now }: Outlook, free: number, isOurs: (job: Job) => boolean): Planned {
  const back = heldBack(snapshot.runs.map(({ run }) => run));
  const [soon, next, later, underWay]: [Found[], Found[], Found[], Found[]] = [[], [], [], []];
  let room = free;
  for (const one of snapshot.runs) {
    const { run, context, jobs } = one;
    if (!rightsOf(run.trust).runs || run.ending !== null || back.has(run.id)) continue;
    const byName = new Map(jobs.map((job) => [job.name, job]));
    const images = new Set<string>();
    const rest: Job[] = [];
    const found = (job: Job): Found => {
      images.add(imageOf(job));
      return { id: idOf(job), run, context, job, needs: needsContext(job, jobs) };
    };
    for (const job of jobs) {
      if (job.ending !== null || !takesSlot(job) || !isOurs(job)) continue;
      if (building.has(idOf(job)) && job.state !== 'finished') {
        underWay.push(found(job));
        continue;
      }
      if (job.spec.image !== undefined) {
        // It is built beside the slots, and needs nothing of what is prepared here.
        if (job.state === 'queued') room = Math.max(0, room - 1);
        continue;
      }
      if (job.state === 'queued') {
        const waitsMs = now.getTime() - (job.timings.queuedAt?.getTime() ?? 0) - job.spec.startDelayMs;
        if (waitsMs < -AHEAD_MS) rest.push(job);
        else if (room > 0 && waitsMs >= 0 && waitsMs < CLAIMED_WITHIN_MS) room -= 1;
        else soon.push(found(job));
      } else if (job.state === 'waiting' && !asksForNeeds(job)) {
        if (waitsForTheLast(job, byName)) next.push(found(job));
        else rest.push(job);
      }
    }
    for (const job of rest) if (!images.has(imageOf(job)) && !asksForNeeds(job)) later.push(found(job));
  }
  return { soon, next, later, underWay };
}

/** The claim of a job counts its attempts up, and what is prepared for that attempt stays the same. */
function idOf({ id, attempt, state }: Job): string {
  return `job ${id}.${state === 'running' ? attempt - 1 : attempt}`;
}

/** All that it waits for runs or went well, and something is still to end. */
function waitsForTheLast({ waitsFor }: Job, byName: ReadonlyMap<string, Job>): boolean {
  return waitsFor.every((name) => {
    const need = byName.get(name);
    if (need?.state === 'running') return true;
    return need?.state === 'finished' && need.outcome !== null && lets(need.outcome, need.spec.continueOnError);
  });
}

function imageOf({ spec }: Job): string {
  return spec.container === undefined ? '' : JSON.stringify(spec.container);
}

/** Its image may be told by a job that is not over. */
function asksForNeeds({ spec }: Job): boolean {
  return spec.container?.image.includes('needs') === true;
}

/** A job that may turn out not to run in a slot, or not now, gets none in advance. */
function wantsSlot({ run, job }: Found, inMatrix: Map<string, number>): boolean {
  const { spec } = job;
  if (spec.inputs !== undefined || spec.concurrency !== null || (job.state === 'waiting' && spec.condition !== null))
    return false;
  const most = spec.group?.maxParallel ?? null;
  if (most === null) return true;
  const key = `${run.id} ${spec.key}`;
  const count = (inMatrix.get(key) ?? 0) + 1;
  inMatrix.set(key, count);
  return count <= most;
}

/** Only what is certain to be used: by a job without a condition, and where others may use it too. */
function mayBuild({ run, context, job }: Found): boolean {
  const { spec } = job;
  if (spec.condition !== null || spec.inputs !== undefined || spec.concurrency !== null) return false;
  if (layerAccess(run.trust, job).isPrivate) return false;
  return spec.caches.some((name) => context.caches[name]?.kind === 'layer');
}

/** The first jobs of what a push will probably become: what its repository ran last, in the class of the push. */
function likelyJobs({ coming, past }: Outlook): readonly Found[] {
  const seen = new Set<string>();
  return coming.flatMap((intake): Found[] => {
    if (intake.kind !== 'head' || !rightsOf(intake.trust).runs) return [];
    const { repo, sha, trust } = intake;
    const key = `${repo.id} ${trust} ${sha}`;
    // The push and the pull request of one commit become one run.
    if (seen.has(key)) return [];
    seen.add(key);
    const usable = past.filter(({ run }) => run.repo.id === repo.id && isTrustedFor(run, trust));
    return usable
      .filter(({ run }) => usable.every((other) => other.run.pipeline !== run.pipeline || other.run.id <= run.id))
      .flatMap(({ run, context, jobs }) =>
        jobs
          .filter((job) => job.waitsFor.length === 0 && job.spec.condition === null && !asksForNeeds(job))
          .filter((job) => job.spec.image === undefined && takesSlot(job))
          .map((job) => ({
            id: `intake ${intake.id} ${run.pipeline} ${job.name}`,
            ...{ run: { ...run, trust }, context, job: { ...job, state: 'queued' as const }, needs: {} },
          })),
      );
  });
}

/** What is trusted less does not say what is started for a class that is trusted more. */
function isTrustedFor({ trust }: Run, wanted: Run['trust']): boolean {
  return trust <= wanted;
}

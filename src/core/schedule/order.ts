/** Which of the jobs that could start do so, and in which order; docs/adr/0011 gives the reasons. Pure. */
import { takesSlot, type Admission } from './admission.ts';
import { expectedDurations, remainingPaths, type RecordedDuration } from './critical-path.ts';
import type { Job, JobId, WorkerId } from '../job.ts';
import type { Run } from '../run.ts';

/** A run with jobs that could start now. */
export interface ReadyRun {
  readonly run: Run;
  readonly jobs: readonly Job[];
  /** In the order of the file. */
  readonly ready: readonly Job[];
  readonly durations: readonly RecordedDuration[];
}

export interface OrderParts {
  /** Oldest first. */
  readonly runs: readonly ReadyRun[];
  readonly admission: Admission;
  /** Jobs that run, by id of the repository. */
  readonly running: ReadonlyMap<number, number>;
  /** `max-parallel`; asked when the job's turn has come, with all that were started before it in this round. */
  readonly mayStart: (run: Run, job: Job, started: ReadonlySet<JobId>) => boolean;
  readonly now: Date;
}

export interface Start {
  readonly run: Run;
  readonly job: Job;
  readonly worker: WorkerId;
}

/** A job with `resources` that has waited so long goes first, and when it does not fit, room is kept for it. */
export const PATIENCE_MS = 60_000;
/** Paths that differ by less than this share of the run's longest count as equal: durations are no more exact than that. */
const TOLERANCE = 0.05;

/**
 * A repository that has its fair share of the slots waits while another one has not. Then what has waited too long for
 * room. Inside a run the longest remaining path goes first, then `priority`; between runs the priority of what each would
 * start next, then the repository with the fewest running jobs, then age.
 */
export function startsInOrder(parts: OrderParts): readonly Start[] {
  const { runs, admission, mayStart } = parts;
  if (!admission.hasFreeSlot()) return [];
  const queues = runs.map((one) => queueOf(one, parts));
  const running = new Map(parts.running);
  const repositories = new Set([...running.keys(), ...runs.map(({ run }) => run.repo.id)]);
  const share = admission.slots / repositories.size;
  const burdenOf = (repository: number): number => {
    const count = running.get(repository) ?? 0;
    return count + 1 > share ? count + 1 : 0;
  };
  const starts: Start[] = [];
  const started = new Set<JobId>();
  while (admission.hasFreeSlot()) {
    const queue = next(queues, burdenOf, running);
    const found = queue?.pop();
    if (queue === undefined || found === undefined) break;
    const { job } = found;
    if (!mayStart(queue.run, job, started)) continue;
    const worker = admission.take(job);
    if (worker !== undefined) {
      starts.push({ run: queue.run, job, worker });
      started.add(job.id);
      running.set(queue.run.repo.id, (running.get(queue.run.repo.id) ?? 0) + 1);
    } else if (found.waitingSince !== Infinity) admission.reserve(job);
  }
  return starts;
}

/** Jobs that run as workflows of GitHub wait for nobody's slot. */
export function startsElsewhere(
  runs: readonly ReadyRun[],
  admission: Admission,
  mayStart: OrderParts['mayStart'],
): readonly Start[] {
  const worker = admission.attendant();
  if (worker === undefined) return [];
  const started = new Set<JobId>();
  return runs.flatMap(({ run, ready }) =>
    ready.flatMap((job): readonly Start[] => {
      if (takesSlot(job) || !mayStart(run, job, started)) return [];
      started.add(job.id);
      return [{ run, job, worker }];
    }),
  );
}

/** The jobs of one run that could start. Put in order only once that matters: of most runs no job has its turn now. */
interface Queue {
  readonly run: Run;
  /** The one that goes next; undefined when none is left. */
  peek(): Pick<Next, 'priority' | 'waitingSince'> | undefined;
  pop(): Next | undefined;
}

interface Next {
  readonly job: Job;
  readonly priority: number;
  /** When it has waited too long for room: since when; else Infinity. */
  readonly waitingSince: number;
}

function queueOf(one: ReadyRun, parts: OrderParts): Queue {
  const entries = one.ready.map((job): Next => {
    const since = waitingSince(job, parts.now);
    return { job, priority: job.spec.priority, waitingSince: since };
  });
  const [any] = entries;
  const areAlike = entries.every(
    ({ priority, waitingSince: since }) => priority === any?.priority && since === Infinity,
  );
  let sorted: Next[] | undefined;
  const queue = (): Next[] => (sorted ??= inOrder(one, entries, parts));
  return {
    run: one.run,
    peek: () => (areAlike && sorted === undefined ? any : queue().at(-1)),
    pop: () => queue().pop(),
  };
}

/** The next one last. */
function inOrder({ jobs, durations }: ReadyRun, entries: readonly Next[], { admission, now }: OrderParts): Next[] {
  if (entries.length === 1) return [...entries];
  const paths = remainingPaths(jobs, expectedDurations(durations, admission.platforms), now);
  const longest = Math.max(1, ...entries.map(({ job }) => paths.get(job.id) ?? 0));
  const rank = ({ job }: Next): number => Math.floor((paths.get(job.id) ?? 0) / (longest * TOLERANCE));
  return entries
    .map((entry, place) => ({ entry, place, rank: rank(entry) }))
    .sort(
      (a, b) =>
        (a.entry.waitingSince < b.entry.waitingSince ? 1 : a.entry.waitingSince > b.entry.waitingSince ? -1 : 0) ||
        a.rank - b.rank ||
        a.entry.priority - b.entry.priority ||
        b.place - a.place,
    )
    .map(({ entry }) => entry);
}

/** Only of a job that asks for room, and only once that is too long ago. */
function waitingSince({ spec, timings }: Job, now: Date): number {
  if (spec.resources === null || timings.queuedAt === null) return Infinity;
  const since = timings.queuedAt.getTime() + spec.startDelayMs;
  return now.getTime() - since >= PATIENCE_MS ? since : Infinity;
}

/** The queue whose next job comes first. */
function next(
  queues: readonly Queue[],
  burdenOf: (repository: number) => number,
  running: ReadonlyMap<number, number>,
): Queue | undefined {
  let best: { readonly queue: Queue; readonly rank: readonly number[] } | undefined;
  for (const queue of queues) {
    const one = queue.peek();
    if (one === undefined) continue;
    const repository = queue.run.repo.id;
    const rank = [burdenOf(repository), one.waitingSince, -one.priority, running.get(repository) ?? 0];
    // Of equal ones the first stays, which is the oldest.
    if (best === undefined || isBefore(rank, best.rank)) best = { queue, rank };
  }
  return best?.queue;
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  const place = a.findIndex((value, index) => value !== b[index]);
  return place !== -1 && (a[place] ?? 0) < (b[place] ?? 0);
}

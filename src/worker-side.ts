/** The part of the daemon that does the work: planner, scheduler, reporter and worker over one store. Opens no port. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowForge } from './core/lane/lane-port.ts';
import { createMasker, maskText } from './core/secrets/mask.ts';
import { needlesOf } from './core/secrets/needles.ts';
import type {
  Clock,
  Forge,
  Git,
  JobLogs,
  JobSecrets,
  OutgoingStatus,
  People,
  Random,
  Store,
  WorkerInfo,
} from './core/ports.ts';
import { isErrno } from './core/errno.ts';
import { layerOf } from './docker/artifacts.ts';
import type { RepoRef } from './core/run.ts';
import { measureCapacity, platform } from './docker/capacity.ts';
import type { EgressWish } from './docker/egress.ts';
import type { KeptLimits } from './core/kept.ts';
import { openExecutor, type OpenExecutor } from './docker/open-executor.ts';
import { byLane } from './lane/by-lane.ts';
import { githubLane } from './lane/executor.ts';
import type { Log } from './log.ts';
import { startLoop } from './loop.ts';
import { createPlanner } from './planner.ts';
import { startPoolSide, type PoolSettings } from './pool-side.ts';
import { prewarmOnce } from './prewarmer.ts';
import { createReporter } from './reporter.ts';
import { scheduleOnce } from './scheduler.ts';
import { createTimetable } from './timetable.ts';
import { createWorker } from './worker.ts';

export interface WorkerSideParts {
  readonly store: Store;
  readonly git: Git;
  readonly forge: Forge;
  /** For jobs with `lane: github`; null = they are left out. */
  readonly workflows: WorkflowForge | null;
  readonly logs: JobLogs;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly dataDirectory: string;
  readonly slots: number;
  /** What it offers to `runs-on` beside what every worker does. */
  readonly labels: readonly string[];
  readonly logBytes: number;
  /** For workspaces of failed jobs; null = none is kept. */
  readonly kept: KeptLimits | null;
  readonly dockerHost: string | undefined;
  /** The daemon's own texts that must not appear in a job log. */
  readonly ownSecrets: readonly string[];
  readonly secrets: JobSecrets;
  readonly egress: EgressWish;
  readonly targetUrl: (status: OutgoingStatus) => string | null;
  /** For runner pools; null = none is kept here. */
  readonly pools: PoolSettings | null;
  /** Makes runs of intakes and of times that come; null where the caller makes them itself. */
  readonly plans: { readonly isAllowed: (repo: RepoRef) => boolean; readonly people: People } | null;
}

export interface WorkerSide extends AsyncDisposable {
  /** A delivery came in, or somebody asked for a change. */
  wake(): void;
}

/** A worker that was not heard of for so long has lost its jobs. */
const LEASE_MS = 60_000;
const EXPIRE_EVERY_MS = 10 * 60_000;
const PRUNE_EVERY_MS = 60_000;
/** Longest wait for what a lost nudge would have told. */
const POLL_MS = 2_000;

/** Resolves when what an earlier process left has been taken over. Disposing leaves running jobs to the next process. */
export async function startWorkerSide(parts: WorkerSideParts): Promise<WorkerSide> {
  const { store, clock, log } = parts;
  const ownNeedles = parts.ownSecrets.flatMap(needlesOf);
  const onError = (error: unknown): void => {
    log.error({ err: error }, 'a task failed');
  };
  const open = await openExecutor({
    dataDirectory: parts.dataDirectory,
    git: parts.git,
    logs: parts.logs,
    clock,
    random: parts.random,
    masker: (texts) => createMasker([...ownNeedles, ...texts.flatMap(needlesOf)]),
    secrets: parts.secrets,
    results: store,
    logBytes: parts.logBytes,
    ...(parts.kept === null ? {} : { kept: parts.kept }),
    slots: parts.slots,
    ...(parts.dockerHost === undefined ? {} : { dockerHost: parts.dockerHost }),
    isRoot: process.geteuid?.() === 0,
    egress: parts.egress,
    onError,
    onUnready: (cause) => {
      log.warn({ err: cause }, 'something could not be prepared in advance');
    },
  });
  if (open.egress.isDegraded) log.warn({ reason: open.egress.reason }, 'the network of jobs is not restricted');
  const mask = (text: string): string => maskText(createMasker(ownNeedles), text);
  const { workflows } = parts;
  const github = workflows && githubLane({ store, forge: workflows, logs: parts.logs, clock, mask, onError });
  const id = await workerId(parts.dataDirectory, parts.random);
  const docker = watchDocker(open, clock);
  await docker.look();
  let capacity = await measureCapacity(parts.dataDirectory);
  const info = (): WorkerInfo => ({
    id,
    // Without an engine nothing can be started, so nothing may be claimed.
    slots: docker.isUp() ? parts.slots : 0,
    platform: platform(),
    labels: parts.labels,
    capacity,
    details: {
      ...{ docker: docker.finding(), workspaces: workspaceFinding(open, clock), pool: open.pool.counts() },
      warmth: open.warmth,
      ...{ egress: egressFinding(open, clock), kept: open.kept.counts() },
    },
  });
  const wake = (): void => {
    for (const loop of loops) loop.wake();
    poolSide?.wake();
    github?.wake();
  };
  const worker = createWorker({
    store,
    executor: byLane({ here: open.executor, github }),
    clock,
    leaseMs: LEASE_MS,
    info,
    onChange: wake,
    onBegin: ({ run, job }) => {
      const isAgain = job.timings.startedAt !== null;
      log.info({ run: run.id, job: job.name, attempt: job.attempt }, isAgain ? 'a job is found again' : 'a job begins');
    },
    onEnd: ({ run, job }, { result, reason, message }) => {
      log.info({ run: run.id, job: job.name, attempt: job.attempt, result, reason, message }, 'a job ended');
    },
    onError: (error, claim) => {
      log.error({ err: error, run: claim.run.id, job: claim.job.name }, 'a job could not be handled');
    },
  });
  const leader = { isOne: false };
  const renew = async (): Promise<void> => {
    const now = clock.now();
    await docker.look();
    capacity = await measureCapacity(parts.dataDirectory);
    await worker.renew();
    leader.isOne = await store.holdRole('leader', id, new Date(now.getTime() + LEASE_MS), now);
  };
  // Before the scheduler's first look, or it would take the claims of an earlier process for lost.
  await renew();
  if (docker.isUp()) await worker.recover();
  const recovered = { isDone: docker.isUp() };

  const report = createReporter({
    store,
    forge: parts.forge,
    clock,
    random: parts.random,
    targetUrl: parts.targetUrl,
    sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(ignoreAbort),
    onTrouble: (trouble, status) => {
      log.warn(
        { kind: trouble.kind, reason: trouble.message, sha: status.sha, context: status.context },
        'a status was not taken',
      );
    },
  });
  const planWith = ({ people }: NonNullable<WorkerSideParts['plans']>) =>
    createPlanner({ store, git: parts.git, people, clock, log, onChange: wake });
  const keepTimes = ({ isAllowed }: NonNullable<WorkerSideParts['plans']>) =>
    createTimetable({ store, clock, isAllowed, onChange: wake, log });
  const asLeader = (tick: (signal: AbortSignal) => Promise<void>) => async (signal: AbortSignal) => {
    if (leader.isOne) await tick(signal);
  };
  const loop = (name: string, tick: (signal: AbortSignal) => Promise<void>, intervalMs = POLL_MS) =>
    startLoop(tick, {
      intervalMs,
      onError: (error) => {
        log.error({ err: error, loop: name }, 'a loop failed and goes on');
      },
    });
  const loops = [
    ...(parts.plans === null
      ? []
      : [loop('planner', asLeader(planWith(parts.plans))), loop('timetable', asLeader(keepTimes(parts.plans)))]),
    loop(
      'scheduler',
      asLeader((signal) => scheduleOnce({ store, clock, leaseMs: LEASE_MS, onChange: wake }, signal)),
    ),
    loop('reporter', asLeader(report)),
    loop('worker', async (signal) => {
      if (!recovered.isDone && docker.isUp()) {
        await worker.recover();
        recovered.isDone = true;
      }
      if (recovered.isDone) await worker.tick(signal);
    }),
    loop('prewarmer', async () => {
      if (recovered.isDone && docker.isUp())
        await prewarmOnce({ store, clock, preparations: open.preparations, worker: id });
    }),
  ];
  const expire = async (): Promise<void> => {
    for (const artifact of await store.expiredArtifacts(clock.now(), 100))
      if (await open.artifacts.remove(layerOf(artifact.run, artifact))) await store.artifactsRemoved([artifact]);
  };
  const expiring = loop('artifacts', asLeader(expire), EXPIRE_EVERY_MS);
  const pruning = loop('kept', () => open.kept.prune(), PRUNE_EVERY_MS);
  const renewing = loop('lease', renew, LEASE_MS / 6);

  const poolSide =
    parts.pools === null
      ? undefined
      : await startPoolSide({
          ...{ ...parts.pools, store, clock, log, random: parts.random, worker: id, installation: shortOf(id) },
          ...{ containers: open.runners, capacity: () => measureCapacity(parts.dataDirectory) },
        });

  return {
    wake,
    async [Symbol.asyncDispose]() {
      await poolSide?.[Symbol.asyncDispose]();
      await Promise.all([...loops, expiring, pruning, renewing].map((each) => each[Symbol.asyncDispose]()));
      await worker[Symbol.asyncDispose]();
      await open[Symbol.asyncDispose]();
    },
  };
}

/** The engine is asked now and then, so that claims stop while it is away and `/health` tells since when. */
function watchDocker(open: OpenExecutor, clock: Clock) {
  let finding = { status: 'down', reason: 'not asked yet', at: clock.now() };
  return {
    async look(): Promise<void> {
      try {
        finding = { status: 'ok', reason: `engine ${await open.engine.version(5_000)}`, at: clock.now() };
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        finding = { status: 'down', reason: `the Docker engine does not answer (${why}); start it`, at: clock.now() };
      }
    },
    isUp: () => finding.status === 'ok',
    finding: () => finding,
  };
}

function workspaceFinding({ workspaces }: OpenExecutor, clock: Clock) {
  const { strategy, reason } = workspaces;
  const status = strategy === 'overlay' ? 'ok' : 'degraded';
  return { status, reason: `${strategy}: ${reason}`, at: clock.now() };
}

function egressFinding({ egress: { isDegraded, reason } }: OpenExecutor, clock: Clock) {
  return { status: isDegraded ? 'degraded' : 'ok', reason, at: clock.now() };
}

/** Survives restarts, so that a worker finds its own claims again. */
async function workerId(dataDirectory: string, random: Random): Promise<string> {
  const path = join(dataDirectory, 'worker-id');
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  const id = `${hostname()}-${random.hex(4)}`;
  await writeFile(path, `${id}\n`, { mode: 0o600, flag: 'wx' });
  return id;
}

/** What GitHub shows of it as a label. */
function shortOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 8);
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
}

/** What `/health` looks at, each found out anew when it is asked. */
import { statfs } from 'node:fs/promises';
import type { Clock, Store, StoreCounts } from '../core/ports.ts';
import { keptText, prewarmText, slotsText } from './worker-text.ts';

export interface Finding {
  readonly status: 'ok' | 'degraded' | 'stale' | 'down';
  /** One sentence; what to do next unless all is well. */
  readonly reason: string;
  readonly at: Date;
}

export interface Probe {
  readonly name: string;
  check(): Promise<Finding>;
}

export interface ProbeOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly dataDirectory: string;
  readonly hasCredential: boolean;
  /** Without a success for so long the service is stale, in ms. */
  readonly staleAfterMs: number;
}

/** Below this share of free space, or this many bytes, new work should stop before the disk is full. */
const MIN_FREE_SHARE = 0.05;
const MIN_FREE_BYTES = 2 * 1024 ** 3;
/** A job that waits longer than this for a slot is worth a look. */
const OLD_QUEUE_MS = 60 * 60_000;

export function createProbes(options: ProbeOptions): readonly Probe[] {
  const { store, clock, dataDirectory } = options;
  const finding = (status: Finding['status'], reason: string): Finding => ({ status, reason, at: clock.now() });
  const counted = (name: string, judge: (counts: StoreCounts) => Finding): Probe => ({
    name,
    check: async () => judge(await store.counts()),
  });
  return [
    {
      name: 'store',
      // A row is written, for a store that can only be read cannot take a delivery.
      async check() {
        await store.holdRole('health', 'probe', clock.now(), clock.now());
        return finding('ok', 'a commit went through');
      },
    },
    counted('worker', (counts) => {
      const live = counts.workers.filter(({ leaseUntil }) => leaseUntil >= clock.now());
      if (live.length === 0) return finding('down', 'no worker has reported; start `hearth worker` or look at its log');
      return finding('ok', live.map(({ id, slots }) => `${id} with ${slots} slots`).join(', '));
    }),
    counted('docker', (counts) => judgeDetails(counts, 'docker', finding)),
    counted('workspaces', (counts) => judgeDetails(counts, 'workspaces', finding)),
    counted('egress', (counts) => judgeDetails(counts, 'egress', finding)),
    counted('slots', ({ workers }) => finding('ok', slotsText(workers))),
    counted('prewarm', ({ workers }) => finding('ok', prewarmText(workers))),
    counted('kept', ({ workers }) => finding('ok', keptText(workers))),
    {
      name: 'disk',
      async check() {
        const { bsize, blocks, bavail, files, ffree } = await statfs(dataDirectory);
        const free = bavail * bsize;
        const text = `${(free / 1024 ** 3).toFixed(1)} GiB of ${((blocks * bsize) / 1024 ** 3).toFixed(1)} GiB free`;
        if (free < MIN_FREE_BYTES || bavail / blocks < MIN_FREE_SHARE)
          return finding('degraded', `${text}; free some space`);
        if (files > 0 && ffree / files < MIN_FREE_SHARE)
          return finding('degraded', 'few inodes are free; remove many small files');
        return finding('ok', text);
      },
    },
    counted('github', (counts) => {
      if (!options.hasCredential)
        return finding('degraded', 'no GitHub credential: statuses are recorded and not sent; set GITHUB_TOKEN');
      if (counts.deadStatuses > 0)
        return finding('degraded', `GitHub refused ${counts.deadStatuses} statuses; look for them in the log`);
      return finding('ok', `${counts.unsentStatuses} statuses to send`);
    }),
    counted('queue', (counts) => {
      const age = counts.oldestQueuedAt === null ? 0 : clock.now().getTime() - counts.oldestQueuedAt.getTime();
      const text = `${counts.activeRuns} runs active, ${counts.queuedJobs} jobs queued, ${counts.unplanned} pushes to plan`;
      return age > OLD_QUEUE_MS
        ? finding('degraded', `${text}; the oldest job has waited ${Math.round(age / 60_000)} minutes`)
        : finding('ok', text);
    }),
    counted('last_success', (counts) => {
      const since = counts.lastSuccessAt ?? counts.firstRunAt;
      const text =
        counts.lastSuccessAt === null
          ? 'no run has succeeded yet'
          : `last success ${counts.lastSuccessAt.toISOString()}`;
      const isStale = since !== null && clock.now().getTime() - since.getTime() > options.staleAfterMs;
      return isStale ? finding('stale', `${text}; find out why nothing has been green since`) : finding('ok', text);
    }),
  ];
}

/** What a worker says about itself: `{status, reason, at}`. The worst of all workers counts. */
function judgeDetails(
  counts: StoreCounts,
  name: string,
  finding: (status: Finding['status'], reason: string) => Finding,
): Finding {
  const said = counts.workers.map(({ details }) => details[name]).filter(isFinding);
  const worst =
    said.find(({ status }) => status === 'down') ?? said.find(({ status }) => status === 'degraded') ?? said[0];
  return worst === undefined
    ? finding('down', 'no worker has reported; start `hearth worker` or look at its log')
    : { ...worst, at: new Date(worst.at) };
}

function isFinding(value: unknown): value is Finding {
  return typeof value === 'object' && value !== null && 'status' in value && 'reason' in value && 'at' in value;
}

/**
 * `concurrency`: runs, or jobs, of one group go one after the other. Whoever came first holds the group until it is over, of
 * those that wait only the newest stays, and with `cancel-in-progress` the newest ends the holder. Pure.
 */
import type { Job } from '../job.ts';
import { waitsAnew } from '../needs.ts';
import type { Outcome } from '../outcome.ts';
import type { Concurrency } from '../pipeline/pipeline.ts';
import type { Run } from '../run.ts';

/**
 * What a group is told by: its name within a repository and a trust class. What a fork or a branch writes into its file may
 * neither hold back nor end what is trusted more. Names are compared without regard to case, as on GitHub.
 */
export function concurrencyKey({ repo, trust }: Pick<Run, 'repo' | 'trust'>, { group }: Concurrency): string {
  return `${repo.id} ${trust} ${group.toLowerCase()}`;
}

export type GroupVerdict = { readonly kind: 'go' | 'wait' } | { readonly kind: 'end'; readonly outcome: Outcome };

/** A member of a group that is not over; `order` grows in order of arrival. */
export interface Member {
  readonly order: number;
  readonly isRunning: boolean;
  readonly cancelInProgress: boolean;
  /** For people: what ended the others. */
  readonly label: string;
}

/** What becomes of one member among all of its group, itself included. */
export function judgeMember(member: Member, all: readonly Member[], group: string): GroupVerdict {
  const inOrder = all.toSorted((a, b) => a.order - b.order);
  const holder = inOrder.find(({ isRunning }) => isRunning) ?? inOrder[0];
  const newest = inOrder.at(-1);
  if (newest !== undefined && newest.order > member.order) {
    const isHolder = holder?.order === member.order;
    if (!isHolder || newest.cancelInProgress) return { kind: 'end', outcome: replacedBy(newest, group) };
  }
  return { kind: holder?.order === member.order ? 'go' : 'wait' };
}

export function replacedBy({ label }: Pick<Member, 'label'>, group: string): Outcome {
  return { result: 'cancelled', reason: 'superseded', message: `superseded by ${label} of the group ${group}` };
}

/** Runs that an older unfinished one of their group holds back. `runs` are all unfinished ones, oldest first. */
export function heldBack(runs: readonly Run[]): ReadonlySet<Run['id']> {
  const held = new Set<string>();
  const back = new Set<Run['id']>();
  for (const run of runs) {
    if (run.concurrency === null) continue;
    const key = concurrencyKey(run, run.concurrency);
    if (held.has(key)) back.add(run.id);
    held.add(key);
  }
  return back;
}

/** Jobs that could run or do, by group. */
export function jobGroups(
  runs: readonly { readonly run: Run; readonly jobs: readonly Job[] }[],
): ReadonlyMap<string, readonly Member[]> {
  const groups = new Map<string, Member[]>();
  for (const { run, jobs } of runs) {
    const byName = new Map(jobs.map((job) => [job.name, job]));
    for (const job of jobs) {
      const { concurrency } = job.spec;
      if (concurrency === null || run.ending !== null || (job.state !== 'queued' && job.state !== 'running')) continue;
      if (waitsAnew(job, byName)) continue;
      const key = concurrencyKey(run, concurrency);
      const members = groups.get(key) ?? [];
      members.push(memberOf(run, job, concurrency));
      groups.set(key, members);
    }
  }
  return groups;
}

export function memberOf(run: Run, job: Job, { cancelInProgress }: Concurrency): Member {
  return { order: job.id, isRunning: job.state === 'running', cancelInProgress, label: `${job.name} of run ${run.id}` };
}

/** A planner over a real store and real git; the clock stands still until it is moved. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { IntakeRequest } from '../../src/core/intake.ts';
import type { Clock, Git, People, RunWithJobs, Store } from '../../src/core/ports.ts';
import { success } from '../../src/core/result.ts';
import { openGit } from '../../src/git/open-git.ts';
import { createPlanner } from '../../src/planner.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { makeUpstreams, type Upstream } from '../support/git-repo.ts';

type HeadRequest = IntakeRequest & { readonly kind: 'head' };

export interface PlannerRig extends AsyncDisposable {
  readonly store: Store;
  readonly upstream: Upstream;
  readonly warnings: readonly string[];
  /** How often somebody was told of a change. */
  changes(): number;
  other(name: string, id: number): Upstream;
  pass(ms: number): void;
  /** A push of a branch to this sha was received. */
  push(branch: string, sha: string, from?: Upstream, more?: Partial<Pick<HeadRequest, 'event'>>): Promise<void>;
  pullRequest(number: number, branch: string, sha: string, headRepoId?: number | null, action?: string): Promise<void>;
  closed(number: number, branch: string, headRepoId?: number): Promise<void>;
  deleted(branch: string): Promise<void>;
  receive(request: IntakeRequest): Promise<void>;
  tick(): Promise<void>;
  /** All runs, oldest first. */
  runs(): Promise<readonly RunWithJobs[]>;
  /** `pipeline state` or `pipeline result: message` of all runs, oldest first. */
  told(): Promise<readonly string[]>;
  /** `context state: description` of all unsent statuses, sorted. */
  statuses(): Promise<readonly string[]>;
}

export async function makePlannerRig(
  wrap: {
    readonly git?: (git: Git) => Git;
    readonly store?: (store: Store) => Store;
    /** Absent = nobody may approve. */
    readonly people?: People;
  } = {},
): Promise<PlannerRig> {
  const root = makeUpstreams();
  const upstream = root.upstream();
  const real = await openSqliteStore(':memory:');
  const store = wrap.store?.(real) ?? real;
  const git = openGit({ directory: join(root.root, 'mirrors'), cloneUrl: root.template, environment: process.env });
  let time = Date.parse('2030-01-01T00:00:00Z');
  let changes = 0;
  const clock: Clock = { now: () => new Date(time), monotonicMs: () => time };
  const warnings: string[] = [];
  const tick = createPlanner({
    store,
    git: wrap.git?.(git) ?? git,
    people: wrap.people ?? { permissionOf: () => Promise.resolve(success({ mayWrite: false, personId: null })) },
    clock,
    onChange: () => {
      changes += 1;
    },
    log: {
      info: () => undefined,
      warn: (fields, message) => warnings.push(`${message}: ${'reason' in fields ? String(fields.reason) : ''}`),
    },
  });
  const common = { defaultBranch: 'main', actor: 'mona', repo: upstream.repo };
  const rig: PlannerRig = {
    store,
    upstream,
    warnings,
    changes: () => changes,
    other: (name, id) => root.upstream(name, id),
    pass: (ms) => {
      time += ms;
    },
    push: (branch, sha, from = upstream, more = {}) =>
      rig.receive({
        ...common,
        repo: from.repo,
        kind: 'head',
        eventName: 'push',
        sha,
        trust: branch === 'main' ? 'T1' : 'T2',
        event: {},
        headRef: branch.startsWith('refs/') ? branch : `refs/heads/${branch}`,
        headRepoId: from.repo.id,
        prNumber: null,
        baseRef: null,
        ...more,
      }),
    pullRequest: (prNumber, branch, sha, headRepoId = upstream.repo.id, action) =>
      rig.receive({
        ...common,
        kind: 'head',
        eventName: 'pull_request',
        sha,
        trust: headRepoId === upstream.repo.id ? 'T2' : 'T4',
        event: action === undefined ? {} : { action },
        headRef: `refs/heads/${branch}`,
        headRepoId,
        prNumber,
        baseRef: 'main',
      }),
    closed: (prNumber, branch, headRepoId = upstream.repo.id) =>
      rig.receive({
        ...common,
        kind: 'gone',
        eventName: 'pull_request',
        because: `pull request #${prNumber} was closed`,
        headRef: `refs/heads/${branch}`,
        headRepoId,
        prNumber,
        baseRef: 'main',
      }),
    deleted: (branch) =>
      rig.receive({
        ...common,
        kind: 'gone',
        eventName: 'push',
        because: `${branch} was deleted`,
        headRef: `refs/heads/${branch}`,
        headRepoId: upstream.repo.id,
        prNumber: null,
        baseRef: null,
      }),
    receive: async (request) => {
      const id = randomUUID();
      await store.recordDelivery(
        {
          id,
          event: request.eventName,
          body: new Uint8Array(),
          receivedAt: clock.now(),
          verdict: 'accepted',
          note: null,
        },
        request,
      );
    },
    tick: () => tick(new AbortController().signal),
    runs: async () => (await store.listRuns({}, 100, null)).runs.toReversed(),
    told: async () =>
      (await rig.runs()).map(
        ({ run }) =>
          `${run.pipeline} ${run.outcome === null ? (run.ending ? `ending: ${run.ending.message}` : run.state) : `${run.outcome.result}/${run.outcome.reason}: ${run.outcome.message}`}`,
      ),
    statuses: async () =>
      (await store.unsentStatuses(clock.now(), 100))
        .map((status) => `${status.context} ${status.state}: ${status.description}`)
        .toSorted(),
    [Symbol.asyncDispose]: async () => {
      await store.close();
      root[Symbol.dispose]();
    },
  };
  return rig;
}

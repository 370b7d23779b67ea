/** The executor of jobs with `lane: github` over a real store, real logs and GitHub's API, with a GitHub that does what the test says. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGithubApi } from '../../src/github/api.ts';
import { createWorkflowForge } from '../../src/github/workflows.ts';
import { readPayload } from '../../src/github/payload.ts';
import { Secret } from '../../src/core/secrets/secret.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import type { Claim, Finish, PlannedRun, Store } from '../../src/core/ports.ts';
import type { JobSpec } from '../../src/core/pipeline/pipeline.ts';
import { githubLane, type LaneExecutor } from '../../src/lane/executor.ts';
import type { LaneTimes } from '../../src/lane/parts.ts';
import { openJobLogs } from '../../src/store/job-logs.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { systemClock } from '../../src/system.ts';
import { claimIn, planned, repo, runIn, shaA } from '../store/support.ts';
import { startGithubWorkflows, type GithubWorkflows } from './github-workflows.ts';
import { makeContext, makeSpec } from './make.ts';

export interface LaneRig extends AsyncDisposable {
  readonly store: Store;
  readonly github: GithubWorkflows;
  /** Makes a run with such a job and claims it. */
  claim(spec?: Partial<JobSpec>, run?: Partial<PlannedRun>): Promise<Claim>;
  /** One process that executes the claim. */
  begin(claim: Claim, times?: Partial<LaneTimes>): Attempt;
  /** The same for several in one process. */
  beginAll(claims: readonly Claim[]): readonly Attempt[];
  log(claim: Claim): Promise<string>;
  readonly errors: readonly unknown[];
}

export interface Attempt {
  readonly finish: Promise<Finish | undefined>;
  stop(outcome: Outcome): void;
  /** As the end of the process: it does nothing more. */
  leave(): Promise<void>;
  /** When it counted as started. */
  readonly started: readonly Date[];
}

/** Webhooks do what is to be seen; the forge is asked only where a test is about that. */
const QUICK: LaneTimes = { lookMs: 10, askMs: 60_000, urgentMs: 10, cancelMs: 60_000, settleMs: 60_000 };

export async function makeLaneRig({ token = 't' }: { readonly token?: string | null } = {}): Promise<LaneRig> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-lane-'));
  const store = await openSqliteStore(':memory:');
  const logs = openJobLogs(folder);
  const errors: unknown[] = [];
  const executors = new Set<LaneExecutor>();
  const github = await startGithubWorkflows({
    repo,
    async deliver(event, payload) {
      const read = readPayload(event, payload);
      if (!read.ok || read.value.news === null) throw new Error(read.ok ? 'no news' : read.problem);
      await store.recordWorkflowNews([read.value.news], systemClock.now());
      for (const executor of executors) executor.wake();
    },
  });
  github.heads.set('topic', shaA);
  const leaving = new Set<AbortController>();

  function newExecutor(times: Partial<LaneTimes>): LaneExecutor {
    const api = createGithubApi({
      apiUrl: github.url,
      credential: token === null ? null : { kind: 'token', token: new Secret(token) },
      clock: systemClock,
      onWarning: () => undefined,
      timeoutMs: 2_000,
    });
    const executor = githubLane({
      ...{ store, logs, clock: systemClock, mask: (text: string) => text.replaceAll('hidden', '***') },
      forge: createWorkflowForge(api, { apiUrl: github.url, clock: systemClock }),
      times: { ...QUICK, ...times },
      onError: (error) => errors.push(error),
    });
    executors.add(executor);
    return executor;
  }

  function beginIn(executor: LaneExecutor, claim: Claim): Attempt {
    const [stop, detach] = [new AbortController(), new AbortController()];
    leaving.add(detach);
    const started: Date[] = [];
    const finish = executor.execute(claim, {
      ...{ stop: stop.signal, detach: detach.signal },
      started: (at) => void started.push(at),
      published: () => Promise.resolve(),
    });
    return {
      finish,
      started,
      stop: (outcome) => {
        stop.abort(outcome);
      },
      async leave() {
        detach.abort(new Error('the process ends'));
        await finish;
      },
    };
  }

  return {
    store,
    github,
    errors,
    async claim(spec = {}, more = {}) {
      const lane = { kind: 'github' as const, workflow: 'build.yml', inputs: {} };
      const job = makeSpec('remote', { steps: [], lane, ...spec });
      const context = makeContext({ refName: 'topic' });
      const { run } = await runIn(store, planned([], { context, jobs: [{ spec: job, waitsFor: [] }], ...more }));
      const { id } = await claimIn(store, run.id, 'remote');
      const claim = (await store.claimsOf('w')).find((one) => one.job.id === id);
      if (claim === undefined) throw new Error('no claim');
      return claim;
    },
    begin: (claim, times = {}) => beginIn(newExecutor(times), claim),
    beginAll(claims) {
      const executor = newExecutor({});
      return claims.map((claim) => beginIn(executor, claim));
    },
    async log({ job }) {
      const parts: Uint8Array[] = [];
      const size = (await logs.size(job.runId, job.id, job.attempt)) ?? 0;
      for await (const part of logs.read(job.runId, job.id, job.attempt, 0, size)) parts.push(part);
      return Buffer.concat(parts).toString('utf8');
    },
    async [Symbol.asyncDispose]() {
      for (const one of leaving) one.abort(new Error('over'));
      await github[Symbol.asyncDispose]();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

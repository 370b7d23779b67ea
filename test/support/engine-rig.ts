/** Real store, scheduler and worker around a scripted executor: the engine without Docker, git and GitHub. */
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { IntakeRequest } from '../../src/core/intake.ts';
import type { JobSpec } from '../../src/core/pipeline/pipeline.ts';
import type { PlannedRun, RunWithJobs, Store } from '../../src/core/ports.ts';
import { startLoop } from '../../src/loop.ts';
import { scheduleOnce } from '../../src/scheduler.ts';
import { systemClock } from '../../src/system.ts';
import { createWorker } from '../../src/worker.ts';
import { makeContext, makeSpec } from './make.ts';
import { scriptedExecutor, type ScriptedExecutor } from './scripted-executor.ts';

export interface EngineRig extends AsyncDisposable {
  readonly store: Store;
  readonly executor: ScriptedExecutor;
  /** Everything that a loop or the worker reported as wrong. */
  readonly errors: unknown[];
  /** Plans one run of these jobs, given as name → what it waits for. */
  run(jobs: Readonly<Record<string, readonly string[]>>, changes?: RunChanges): Promise<number>;
  /** Resolves when the run is over. */
  finished(id: number): Promise<RunWithJobs>;
  wake(): void;
}

export interface RunChanges {
  readonly sha?: string;
  readonly spec?: (name: string) => Partial<JobSpec>;
  readonly planned?: Partial<PlannedRun>;
}

const repo = { id: 10, owner: 'octo', name: 'hello' };

export async function startEngineRig(
  options: { readonly slots?: number; readonly store?: Store } = {},
): Promise<EngineRig> {
  const store = options.store ?? (await openSqliteStore(':memory:'));
  const executor = scriptedExecutor();
  const errors: unknown[] = [];
  const onError = (error: unknown): void => {
    errors.push(error);
  };
  const wake = (): void => {
    scheduling.wake();
    working.wake();
  };
  const info = { id: 'worker-1', slots: options.slots ?? 2, details: {} };
  const leaseMs = 60_000;
  const worker = createWorker({
    store,
    executor,
    clock: systemClock,
    leaseMs,
    info: () => info,
    onChange: wake,
    onError,
  });
  await worker.renew();
  const working = startLoop((signal) => worker.tick(signal), { intervalMs: 20, onError });
  const scheduling = startLoop(
    (signal) => scheduleOnce({ store, clock: systemClock, leaseMs, onChange: wake }, signal),
    { intervalMs: 20, onError },
  );
  let deliveries = 0;
  return {
    store,
    executor,
    errors,
    wake,
    async run(jobs, { sha = 'a'.repeat(40), spec, planned } = {}) {
      const target = {
        repo,
        headRef: 'refs/heads/main',
        headRepoId: 10,
        prNumber: null,
        baseRef: null,
        defaultBranch: 'main',
        actor: 'mona',
      };
      const request: IntakeRequest = { kind: 'head', eventName: 'push', sha, trust: 'T1', event: {}, ...target };
      const id = `${++deliveries}`;
      await store.recordDelivery(
        { id, event: 'push', body: new Uint8Array(), receivedAt: new Date(), verdict: 'accepted', note: null },
        request,
      );
      const intake = (await store.unplannedIntakes(new Date(), 10)).find(({ deliveryId }) => deliveryId === id);
      if (intake === undefined) throw new Error('the intake is missing');
      const run: PlannedRun = {
        pipeline: 'main',
        title: 'main',
        concurrency: null,
        repo,
        sha,
        ref: 'refs/heads/main',
        line: '10:refs/heads/main',
        prNumber: null,
        eventName: 'push',
        trust: 'T1',
        context: makeContext(),
        jobs: Object.entries(jobs).map(([name, waitsFor]) => ({ spec: makeSpec(name, spec?.(name)), waitsFor })),
        outcome: null,
        leftOut: null,
        reported: true,
        ...planned,
      };
      const [runId] = await store.applyPlan(intake, { runs: [run], ends: [], note: null }, new Date());
      if (runId === undefined) throw new Error('no run was made');
      wake();
      return runId;
    },
    async finished(id) {
      for (;;) {
        const found = await store.findRun(id);
        if (found?.run.state === 'finished') return found;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async [Symbol.asyncDispose]() {
      await scheduling[Symbol.asyncDispose]();
      await working[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
      await store.close();
    },
  };
}

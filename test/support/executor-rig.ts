/** The Docker executor with real slots, git and logs, without store and scheduler: a claim goes in, a finish comes out. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMasker } from '../../src/core/mask.ts';
import type { JobSpec } from '../../src/core/pipeline.ts';
import type { Claim, Finish } from '../../src/core/ports.ts';
import type { TrustClass } from '../../src/core/run.ts';
import { openExecutor, removeSlotsOf, type OpenExecutor } from '../../src/docker/open-executor.ts';
import { openGit } from '../../src/git/open-git.ts';
import { givenSecrets } from '../../src/secrets.ts';
import { openJobLogs } from '../../src/store/job-logs.ts';
import { systemClock, systemRandom } from '../../src/system.ts';
import { openVault } from '../../src/vault/vault.ts';
import { makeGitRemote } from './git-remote.ts';
import { makeContext, makeJob, makeRun, makeSpec, makeStep } from './make.ts';
import { TEST_IMAGE } from './slots.ts';

export interface ExecutorRig extends AsyncDisposable {
  readonly open: OpenExecutor;
  readonly data: string;
  /** A claim of a job with this script, of a run of its own. */
  claim(script: string, wish?: { readonly spec?: Partial<JobSpec>; readonly trust?: TrustClass }): Claim;
  /** Runs it and frees what it held. */
  execute(claim: Claim): Promise<{ readonly finish: Finish; readonly log: string }>;
  /** Troubles in the background; a test that expects none looks here. */
  readonly errors: readonly unknown[];
}

export async function startExecutorRig({ slots = 1 } = {}): Promise<ExecutorRig> {
  const data = await mkdtemp(join(tmpdir(), 'hearth-rig-'));
  const remote = await makeGitRemote();
  const git = openGit({
    directory: join(data, 'git'),
    cloneUrl: remote.cloneUrl,
    environment: { PATH: process.env['PATH'] },
  });
  const sha = await remote.commit({ 'hello.txt': 'hello\n' });
  const fetched = await git.fetch({ repo: makeRun().repo, sha, ref: 'refs/heads/main' });
  if (!fetched.ok) throw new Error(fetched.problem.message);
  const errors: unknown[] = [];
  const open = await openExecutor({
    ...{ dataDirectory: data, git, logs: openJobLogs(data), clock: systemClock, random: systemRandom, slots },
    masker: () => createMasker([]),
    secrets: givenSecrets({}, openVault(Buffer.alloc(32, 1))),
    logBytes: 1024 ** 2,
    isRoot: true,
    onError: (error) => errors.push(error),
  });
  await open.executor.sweep([]);
  let nextId = 1;
  return {
    open,
    data,
    errors,
    claim(script, { spec = {}, trust = 'T1' } = {}) {
      const id = nextId++;
      const timings = { queuedAt: new Date(), claimedAt: new Date(), startedAt: null, finishedAt: null };
      const own = makeSpec('build', { steps: [makeStep(script, { name: 'step' })], ...spec });
      return {
        run: makeRun({ id, sha, trust }),
        job: makeJob('build', { id, runId: id, spec: own, state: 'running', attempt: 1, timings }),
        context: makeContext({ sidecar: { kind: 'image', image: TEST_IMAGE, shmBytes: 64 * 1024 ** 2 } }),
        ...{ needs: {}, artifacts: [], stop: null },
      };
    },
    async execute(claim) {
      const { signal } = new AbortController();
      const finish = await open.executor.execute(claim, { stop: signal, detach: signal, started: () => undefined });
      if (finish === undefined) throw new Error('it was detached');
      await open.executor.release(claim);
      const { run, job } = claim;
      const log = await readFile(join(data, 'logs', String(run.id), `${job.id}.${job.attempt}.log`), 'utf8');
      return { finish, log };
    },
    async [Symbol.asyncDispose]() {
      await open[Symbol.asyncDispose]();
      await removeSlotsOf(data);
      await remote[Symbol.asyncDispose]();
      await rm(data, { recursive: true, force: true });
    },
  };
}

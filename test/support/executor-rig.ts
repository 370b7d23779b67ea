/** The real executor over a data folder and a git remote of its own; everything is gone afterwards. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Publication } from '../../src/core/artifact.ts';
import { createMasker } from '../../src/core/secrets/mask.ts';
import type { KeptLimits } from '../../src/core/kept.ts';
import { needlesOf } from '../../src/core/secrets/needles.ts';
import type { CacheSpec, JobSpec } from '../../src/core/pipeline/pipeline.ts';
import type { Claim, Finish } from '../../src/core/ports.ts';
import type { Reusable } from '../../src/core/reusable.ts';
import type { Run, RunContext, TrustClass } from '../../src/core/run.ts';
import type { EgressWish } from '../../src/docker/egress.ts';
import { openExecutor, removeSlotsOf, type OpenExecutor } from '../../src/docker/open-executor.ts';
import { openGit } from '../../src/git/open-git.ts';
import { givenSecrets } from '../../src/secrets.ts';
import { openJobLogs } from '../../src/store/job-logs.ts';
import { systemClock, systemRandom } from '../../src/system.ts';
import { openVault } from '../../src/vault/vault.ts';
import { makeGitRemote } from './git-remote.ts';
import { withoutSlot } from './job-log.ts';
import { makeContext, makeJob, makeRun, makeSpec, makeStep } from './make.ts';
import { TEST_IMAGE } from './slots.ts';

/** One of Hearth's own. */
export const RIG_SECRET = 'hunter2-hunter2';
/** The secret TOKEN of the repository. */
export const RIG_TOKEN = 'tok-0123456789-tok';

export interface Wish {
  readonly spec?: Partial<JobSpec>;
  readonly caches?: Readonly<Record<string, CacheSpec>>;
  readonly sidecar?: RunContext['sidecar'];
  readonly trust?: TrustClass;
  readonly run?: Partial<Run>;
}

export interface Execution {
  readonly finish: Finish;
  /** Without the line about the slot. */
  readonly log: string;
}

export interface ExecutorRig extends AsyncDisposable {
  readonly data: string;
  readonly errors: unknown[];
  /** What jobs published, in order, as often as it was told. */
  readonly publications: readonly { readonly job: number; readonly publication: Publication }[];
  /** Why something could not be prepared in advance. */
  readonly unready: unknown[];
  /** Earlier results, by trust class and key with a space between. */
  readonly reusable: Map<string, Reusable>;
  open: OpenExecutor;
  claim(script: string | readonly string[], wish?: Wish): Claim;
  /** A commit of these files on top of the one before, which a job may be claimed at. */
  commit(files: Readonly<Record<string, string | null>>): Promise<string>;
  execute(claim: Claim, stop?: AbortSignal): Promise<Execution>;
  /** Begins the job and resolves when its log holds the text; `leave` lets go of it as a process does that ends. */
  begin(claim: Claim, text: string): Promise<{ leave(): Promise<void> }>;
  logOf(claim: Claim): Promise<string>;
  /** As a new process would, with these claims unfinished. */
  restart(claims: readonly Claim[], egress?: EgressWish): Promise<void>;
}

export async function openExecutorRig(
  wish: EgressWish = { mode: 'restricted', allow: [] },
  kept: KeptLimits = { bytes: 0, ms: 0 },
  { isRoot = true } = {},
): Promise<ExecutorRig> {
  const data = await mkdtemp(join(tmpdir(), 'hearth-rig-'));
  const remote = await makeGitRemote();
  const errors: unknown[] = [];
  const unready: unknown[] = [];
  const reusable = new Map<string, Reusable>();
  const environment = { PATH: process.env['PATH'] };
  const git = openGit({ directory: join(data, 'git'), cloneUrl: remote.cloneUrl, environment });
  const commit = async (files: Readonly<Record<string, string | null>>): Promise<string> => {
    const made = await remote.commit(files);
    const fetched = await git.fetch({ repo: makeRun().repo, sha: made, ref: 'refs/heads/main' });
    if (!fetched.ok) throw new Error(fetched.problem.message);
    return made;
  };
  const sha = await commit({ 'hello.txt': 'hello\n', 'deps.lock': 'one\n' });
  const start = (egress: EgressWish): Promise<OpenExecutor> =>
    openExecutor({
      ...{ dataDirectory: data, git, logs: openJobLogs(data), clock: systemClock, random: systemRandom },
      masker: (texts) => createMasker([RIG_SECRET, ...texts].flatMap(needlesOf)),
      secrets: givenSecrets({ TOKEN: RIG_TOKEN }, openVault(Buffer.alloc(32, 1))),
      results: { findReusable: ({ trust, key }) => Promise.resolve(reusable.get(`${trust} ${key}`)) },
      ...{ logBytes: 1024 ** 2, kept, slots: 2, isRoot, egress, onError: (error: unknown) => errors.push(error) },
      onUnready: (cause: unknown) => unready.push(cause),
      keepUnwantedMs: 0,
    });
  const publications: { readonly job: number; readonly publication: Publication }[] = [];
  const published = ({ job }: Claim) => {
    return (publication: Publication) => {
      publications.push({ job: job.id, publication });
      return Promise.resolve();
    };
  };
  let next = 1;
  const rig: ExecutorRig = {
    data,
    errors,
    publications,
    unready,
    reusable,
    open: await start(wish),
    commit,
    claim(script, { spec = {}, caches = {}, sidecar, trust = 'T1', run = {} } = {}) {
      const id = next++;
      const scripts = typeof script === 'string' ? [script] : script;
      const steps = scripts.map((run, index) => makeStep(run, { name: `step ${index + 1}` }));
      const full = makeSpec('build', { steps, caches: Object.keys(caches), ...spec });
      const timings = { queuedAt: new Date(), claimedAt: new Date(), startedAt: null, finishedAt: null };
      return {
        run: makeRun({ id, sha, trust, ...run }),
        job: makeJob('build', { id, runId: id, spec: full, state: 'running', attempt: 1, timings }),
        context: makeContext({
          sidecar: sidecar ?? { kind: 'image', image: TEST_IMAGE, shmBytes: 64 * 1024 ** 2 },
          caches,
        }),
        needs: {},
        artifacts: [],
        stop: null,
      };
    },
    async execute(claim, stop = new AbortController().signal) {
      const detach = new AbortController().signal;
      const finish = await rig.open.executor.execute(claim, {
        stop,
        detach,
        started: () => undefined,
        published: published(claim),
      });
      if (finish === undefined) throw new Error('it was detached');
      await rig.open.executor.release(claim);
      return { finish, log: withoutSlot(await rig.logOf(claim)) };
    },
    async begin(claim, text) {
      const detach = new AbortController();
      const stop = new AbortController().signal;
      const signals = { stop, detach: detach.signal, started: () => undefined, published: published(claim) };
      const running = rig.open.executor.execute(claim, signals);
      while (!(await rig.logOf(claim)).includes(text)) await new Promise((resolve) => setTimeout(resolve, 25));
      return {
        async leave() {
          detach.abort(new Error('gone'));
          await running;
        },
      };
    },
    logOf: ({ run, job }) =>
      readFile(join(data, 'logs', String(run.id), `${job.id}.${job.attempt}.log`), 'utf8').catch(() => ''),
    async restart(claims, egress = wish) {
      await rig.open[Symbol.asyncDispose]();
      rig.open = await start(egress);
      await rig.open.executor.sweep(claims);
    },
    async [Symbol.asyncDispose]() {
      await rig.open[Symbol.asyncDispose]();
      await removeSlotsOf(data);
      await remote[Symbol.asyncDispose]();
      await rm(data, { recursive: true, force: true });
    },
  };
  await rig.open.executor.sweep([]);
  return rig;
}

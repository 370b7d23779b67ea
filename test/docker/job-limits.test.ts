/** Limits of one job, in real slots: what the kernel does with a job that asks for more. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMasker } from '../../src/core/secrets/mask.ts';
import type { Claim, Finish, Git } from '../../src/core/ports.ts';
import { success } from '../../src/core/result.ts';
import type { Resources } from '../../src/core/resources.ts';
import type { JobSecrets } from '../../src/core/secrets/secrets-port.ts';
import { groupsOf } from '../../src/docker/cgroup.ts';
import { openExecutor, removeSlotsOf, type OpenExecutor } from '../../src/docker/open-executor.ts';
import { openGit } from '../../src/git/open-git.ts';
import { openJobLogs } from '../../src/store/job-logs.ts';
import { systemClock, systemRandom } from '../../src/system.ts';
import { makeGitRemote, type GitRemote } from '../support/git-remote.ts';
import { makeContext, makeJob, makeRun, makeSpec, makeStep } from '../support/make.ts';
import { withoutSlot } from '../support/job-log.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
const MIB = 1024 ** 2;

let data: string;
let remote: GitRemote;
let git: Git;
let open: OpenExecutor;
let sha: string;
let nextId = 1;
const errors: unknown[] = [];

const noSecrets: JobSecrets = {
  of: () => Promise.resolve(success({})),
  seal: () => '',
  unseal: () => ({}),
};

async function openIt(dataDirectory = data, isRoot = true, claims: readonly Claim[] = []): Promise<OpenExecutor> {
  const opened = await openExecutor({
    ...{ dataDirectory, git, isRoot, logs: openJobLogs(data), clock: systemClock, random: systemRandom },
    masker: () => createMasker([]),
    secrets: noSecrets,
    results: null,
    egress: { mode: 'auto', allow: [] },
    logBytes: MIB,
    slots: 1,
    onUnready: (cause: unknown) => errors.push(cause),
    onError: (error) => errors.push(error),
  });
  await opened.executor.sweep(claims);
  return opened;
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'hearth-limits-'));
  remote = await makeGitRemote();
  git = openGit({
    directory: join(data, 'git'),
    cloneUrl: remote.cloneUrl,
    environment: { PATH: process.env['PATH'] },
  });
  sha = await remote.commit({ 'hello.txt': 'hello\n' });
  const fetched = await git.fetch({ repo: makeRun().repo, sha, ref: 'refs/heads/main' });
  if (!fetched.ok) throw new Error(fetched.problem.message);
  open = await openIt();
});

afterAll(async () => {
  await open[Symbol.asyncDispose]();
  await removeSlotsOf(data);
  await remote[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
  expect(errors).toEqual([]);
});

function claim(scripts: readonly string[], resources: Partial<Resources> | null): Claim {
  const id = nextId++;
  const timings = { queuedAt: new Date(), claimedAt: new Date(), startedAt: null, finishedAt: null };
  const spec = makeSpec('build', {
    steps: scripts.map((run, index) => makeStep(run, { name: `step ${index + 1}` })),
    resources: resources === null ? null : { cpus: null, memoryBytes: null, diskBytes: null, pids: null, ...resources },
  });
  return {
    run: makeRun({ id, sha }),
    job: makeJob('build', { id, runId: id, spec, state: 'running', attempt: 1, timings }),
    context: makeContext({ sidecar: { kind: 'image', image: TEST_IMAGE, shmBytes: 64 * MIB } }),
    needs: {},
    artifacts: [],
    stop: null,
  };
}

async function execute(
  wanted: Claim,
  by = open,
): Promise<{ readonly finish: Finish; readonly log: string; readonly slot: string }> {
  const { signal } = new AbortController();
  const finish = await by.executor.execute(wanted, {
    stop: signal,
    detach: signal,
    started: () => undefined,
    published: () => Promise.resolve(),
  });
  if (finish === undefined) throw new Error('it was detached');
  const [slot = ''] = await readdir(join(data, 'slots'));
  await by.executor.release(wanted);
  return { finish, log: withoutSlot(await logOf(wanted)), slot };
}

async function logOf({ run, job }: Claim): Promise<string> {
  return readFile(join(data, 'logs', String(run.id), `${job.id}.${job.attempt}.log`), 'utf8');
}

/** The groups of jobs that are left below the slot's container. */
async function groupsLeft(slot: string): Promise<readonly string[]> {
  const { stdout } = await exec('docker', ['inspect', '--format', '{{.State.Pid}}', `hearth-${slot}`]);
  const groups = await groupsOf(Number(stdout));
  const folders = [...new Set(Object.values(groups?.folders ?? {}))];
  return (await Promise.all(folders.map((folder) => readdir(folder)))).flat().filter((name) => /^hearth-\d/.test(name));
}

describe('a job', () => {
  it('that takes more memory than it asked for is out of memory, also when its shell goes on and exits 0', async () => {
    const eat = 'bash -c \'x=$(head -c 150m /dev/zero | tr "\\0" x)\'; echo survived; exit 0';
    const { finish, log, slot } = await execute(claim([`set +e\n${eat}`], { memoryBytes: 64 * MIB }));
    expect(finish.outcome).toMatchObject({ result: 'failure', reason: 'oom' });
    expect(log).toContain('survived');
    expect(await groupsLeft(slot)).toEqual([]);
    expect((await execute(claim([`set +e\n${eat}`], null))).finish.outcome).toMatchObject({ result: 'success' });
  });

  it('that forks without end is stopped by its limit, and the next job runs in the same slot', async () => {
    // The shell itself only counts: it would wait for many seconds until it may fork again.
    const bomb = 'bomb() { bomb | bomb & }; bomb & for ((i = 0; i < 200000; i++)); do :; done; echo over';
    const first = await execute(claim([bomb], { pids: 20 }));
    expect(first.log).toMatch(/fork: (retry: )?Resource temporarily unavailable/);
    const next = await execute(claim(['echo hello'], { pids: 20 }));
    expect(next.finish.outcome.result).toBe('success');
    expect(next.slot).toBe(first.slot);
    expect(await groupsLeft(next.slot)).toEqual([]);
  });

  it('is in its group in every step, and a job without limits is in none', async () => {
    const say = "echo groups $(grep -oE ':(memory|cpu|[a-z,]*cpu,[a-z,]*|pids|):.*' /proc/self/cgroup | tr '\\n' ' ')";
    const { finish, log, slot } = await execute(claim([say, `${say} | cat`], { cpus: 0.5 }));
    expect(finish.outcome).toMatchObject({ result: 'success', message: 'passed' });
    const steps = log.match(/^groups .*$/gm) ?? [];
    expect(steps).toHaveLength(2);
    for (const step of steps) expect(step).toContain('/hearth-');
    expect((await execute(claim([say], null))).log).not.toContain('/hearth-');
    expect(await groupsLeft(slot)).toEqual([]);
  });

  it('has the limits that the kernel shows while it runs, and a slot that gives way to other work', async () => {
    const wanted = claim(['while [ ! -e stop ]; do sleep 0.02; done'], { memoryBytes: 80 * MIB, cpus: 0.5, pids: 50 });
    const stop = new AbortController();
    const started = Promise.withResolvers<undefined>();
    const done = open.executor.execute(wanted, {
      stop: stop.signal,
      detach: new AbortController().signal,
      published: () => Promise.resolve(),
      started: () => {
        started.resolve(undefined);
      },
    });
    await started.promise;
    const [slot = ''] = await readdir(join(data, 'slots'));
    const { stdout } = await exec('docker', ['inspect', '--format', '{{.State.Pid}}', `hearth-${slot}`]);
    const groups = await groupsOf(Number(stdout));
    const [name = ''] = await groupsLeft(slot);
    const read = async (controller: 'memory' | 'cpu' | 'pids', file: string): Promise<string> =>
      (await readFile(join(groups?.folders[controller] ?? '', name, file), 'utf8')).trim();
    if (groups?.version === 1) {
      expect(await read('memory', 'memory.limit_in_bytes')).toBe(String(80 * MIB));
      expect(await read('cpu', 'cpu.cfs_quota_us')).toBe('50000');
      expect(await read('pids', 'pids.max')).toBe('50');
      expect((await readFile(join(groups.folders.cpu ?? '', 'cpu.shares'), 'utf8')).trim()).toBe('512');
      // The slot's own processes are not in it: they must not be throttled or killed with the job's.
      await expect.poll(async () => (await read('memory', 'cgroup.procs')).split('\n')).not.toContain(stdout.trim());
    } else {
      expect(await read('memory', 'memory.max')).toBe(String(80 * MIB));
      expect(await read('cpu', 'cpu.max')).toBe('50000 100000');
      expect(await read('pids', 'pids.max')).toBe('50');
    }
    await expect
      .poll(async () => (await read('pids', 'cgroup.procs')).split('\n').filter(Boolean).length)
      .toBeGreaterThan(0);
    const [pid] = (await read('pids', 'cgroup.procs')).split('\n');
    const { stdout: nice } = await exec('ps', ['-o', 'ni=', '-p', pid ?? '']);
    expect(nice.trim()).toBe('5');
    stop.abort({ result: 'cancelled', reason: 'cancelled_by', message: 'enough' });
    expect((await done)?.outcome.message).toBe('enough');
    await open.executor.release(wanted);
    expect(await groupsLeft(slot)).toEqual([]);
  });

  it('goes on under its limits when another process takes over, and its OOM kills are still counted', async () => {
    const wanted = claim(
      ['touch /tmp/first; sleep 1', 'set +e; bash -c \'x=$(head -c 150m /dev/zero | tr "\\0" x)\'; exit 0'],
      { memoryBytes: 64 * MIB },
    );
    const detach = new AbortController();
    const began = open.executor.execute(wanted, {
      stop: new AbortController().signal,
      detach: detach.signal,
      published: () => Promise.resolve(),
      started: () => {
        detach.abort(new Error('leaving'));
      },
    });
    expect(await began).toBeUndefined();
    await open[Symbol.asyncDispose]();
    const dataBefore = await readdir(join(data, 'slots'));
    open = await openIt(data, true, [wanted]);
    const { finish, slot } = await execute(wanted);
    expect(dataBefore).toContain(slot);
    expect(finish.outcome).toMatchObject({ result: 'failure', reason: 'oom' });
    expect(await groupsLeft(slot)).toEqual([]);
  });

  it('that is stopped before its process was let go ends at once', async () => {
    const wanted = claim(['echo never'], { pids: 20 });
    const stop = new AbortController();
    const done = open.executor.execute(wanted, {
      stop: stop.signal,
      detach: new AbortController().signal,
      published: () => Promise.resolve(),
      started: () => {
        stop.abort({ result: 'cancelled', reason: 'cancelled_by', message: 'enough' });
      },
    });
    expect((await done)?.outcome.message).toBe('enough');
    await open.executor.release(wanted);
  });
});

it('without root the job runs, and its log and its verdict say that it has no limits', async () => {
  const other = await mkdtemp(join(tmpdir(), 'hearth-limits-copy-'));
  const copying = await openIt(other, false);
  try {
    const { finish, log } = await execute(claim(['echo ran'], { memoryBytes: 64 * MIB, pids: 30 }), copying);
    const fault = 'limits not applied: memory: 64m, pids: 30 (Hearth does not run as root)';
    expect(log).toBe(`hearth: ${fault}\n▸ step 1\nran\n`);
    expect(finish.outcome).toEqual({ result: 'success', reason: 'exit', message: `passed; ${fault}` });
    const disk = await execute(claim(['echo ran'], { diskBytes: MIB }), copying);
    expect(disk.finish.outcome.message).toBe('passed');
  } finally {
    await copying[Symbol.asyncDispose]();
    await removeSlotsOf(other);
    await rm(other, { recursive: true, force: true });
  }
});

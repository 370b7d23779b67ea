import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ArtifactSpec } from '../../src/core/pipeline/artifact-schema.ts';
import { layerOf } from '../../src/docker/artifacts.ts';
import { createMasker } from '../../src/core/secrets/mask.ts';
import { needlesOf } from '../../src/core/secrets/needles.ts';
import { givenSecrets } from '../../src/secrets.ts';
import { openVault } from '../../src/vault/vault.ts';
import { supersededBy } from '../../src/core/outcome.ts';
import type { CacheSpec, JobSpec, StepSpec } from '../../src/core/pipeline/pipeline.ts';
import type { Claim, Finish, Git } from '../../src/core/ports.ts';
import type { RunContext, TrustClass } from '../../src/core/run.ts';
import { openExecutor, removeSlotsOf, type OpenExecutor } from '../../src/docker/open-executor.ts';
import { openGit } from '../../src/git/open-git.ts';
import { openJobLogs } from '../../src/store/job-logs.ts';
import { systemClock, systemRandom } from '../../src/system.ts';
import { makeGitRemote, type GitRemote } from '../support/git-remote.ts';
import { makeContext, makeJob, makeRun, makeSpec, makeStep } from '../support/make.ts';
import { withoutSlot } from '../support/job-log.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
const SECRET = 'hunter2-hunter2';

let data: string;
let remote: GitRemote;
let git: Git;
let open: OpenExecutor;
let errors: unknown[];
const vault = openVault(Buffer.alloc(32, 7));
/** What the repository's secrets are right now. */
const secretTexts: Record<string, string> = {};
let nextId = 1;
let sha: string;

async function openIt({ isRoot = true, dataDirectory = data } = {}): Promise<OpenExecutor> {
  return openExecutor({
    dataDirectory,
    git,
    logs: openJobLogs(data),
    clock: systemClock,
    random: systemRandom,
    masker: (texts) => createMasker([SECRET, ...texts].flatMap(needlesOf)),
    secrets: givenSecrets(secretTexts, vault),
    results: null,
    logBytes: 1024 ** 2,
    slots: 2,
    isRoot,
    egress: { mode: 'auto', allow: [] },
    onUnready: (cause: unknown) => errors.push(cause),
    onError: (error) => errors.push(error),
  });
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'hearth-executor-'));
  errors = [];
  remote = await makeGitRemote();
  git = openGit({
    directory: join(data, 'git'),
    cloneUrl: remote.cloneUrl,
    environment: { PATH: process.env['PATH'] },
  });
  sha = await commit({ 'hello.txt': 'hello\n', 'deps.lock': 'one\n' });
  open = await openIt();
  await open.executor.sweep([]);
});

afterAll(async () => {
  await open[Symbol.asyncDispose]();
  await removeSlotsOf(data);
  await remote[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
  expect(errors).toEqual([]);
});

async function commit(files: Readonly<Record<string, string | null>>): Promise<string> {
  const made = await remote.commit(files);
  const fetched = await git.fetch({ repo: makeRun().repo, sha: made, ref: 'refs/heads/main' });
  if (!fetched.ok) throw new Error(fetched.problem.message);
  return made;
}

interface Wish {
  readonly spec?: Partial<JobSpec>;
  readonly caches?: Readonly<Record<string, CacheSpec>>;
  readonly sidecar?: RunContext['sidecar'];
  readonly trust?: TrustClass;
  readonly context?: Partial<RunContext>;
  readonly needs?: Claim['needs'];
  readonly artifacts?: Claim['artifacts'];
  readonly sha?: string;
}

function claim(script: string | readonly string[], wish: Wish = {}): Claim {
  const id = nextId++;
  const scripts = typeof script === 'string' ? [script] : script;
  const steps = scripts.map((run, index) => makeStep(run, { name: `step ${index + 1}` }));
  const spec = makeSpec('build', { steps, caches: Object.keys(wish.caches ?? {}), ...wish.spec });
  const timings = { queuedAt: new Date(), claimedAt: new Date(), startedAt: null, finishedAt: null };
  return {
    run: makeRun({ id, sha: wish.sha ?? sha, trust: wish.trust ?? 'T1' }),
    job: makeJob('build', { id, runId: id, spec, state: 'running', attempt: 1, timings }),
    context: makeContext({
      sidecar: wish.sidecar ?? { kind: 'image', image: TEST_IMAGE, shmBytes: 64 * 1024 ** 2 },
      caches: wish.caches ?? {},
      ...wish.context,
    }),
    needs: wish.needs ?? {},
    artifacts: wish.artifacts ?? [],
    stop: null,
  };
}

interface Execution {
  readonly finish: Finish;
  readonly log: string;
}

async function execute(wanted: Claim, stop = new AbortController().signal): Promise<Execution> {
  const detach = new AbortController().signal;
  const finish = await open.executor.execute(wanted, {
    stop,
    detach,
    started: () => undefined,
    published: () => Promise.resolve(),
  });
  if (finish === undefined) throw new Error('it was detached');
  await open.executor.release(wanted);
  return { finish, log: withoutSlot(await logOf(wanted)) };
}

async function logOf({ run, job }: Claim): Promise<string> {
  return readFile(join(data, 'logs', String(run.id), `${job.id}.${job.attempt}.log`), 'utf8');
}

describe('an attempt', () => {
  it('runs the steps in the files of its commit and brings evidence of what it saw', async () => {
    const wanted = claim(['cat hello.txt', 'git status --short; git rev-parse HEAD; echo $GITHUB_SHA']);
    const { finish, log } = await execute(wanted);
    expect(finish.outcome).toEqual({ result: 'success', reason: 'exit', message: 'passed' });
    expect(log).toBe(`▸ step 1\nhello\n▸ step 2\n${sha}\n${sha}\n`);
    const { size } = await stat(join(data, 'logs', String(wanted.run.id), `${wanted.job.id}.1.log`));
    expect(finish.evidence).toMatchObject({ exitCode: 0, logBytes: size, droppedBytes: 0 });
    expect(finish.evidence?.logSha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('passes on what a step assigned', async () => {
    const { log } = await execute(
      claim(['echo A=from-one >> $GITHUB_ENV; mkdir bin; echo "$PWD/bin" >> $GITHUB_PATH', 'echo $A $PATH']),
    );
    expect(log).toContain('from-one /work/bin:/usr');
  });

  it('ends at the first step that fails', async () => {
    const { finish, log } = await execute(claim(['exit 3', 'echo not reached']));
    expect(finish).toMatchObject({
      outcome: { result: 'failure', message: 'step 1: exit 3' },
      evidence: { exitCode: 3 },
    });
    expect(log).not.toContain('not reached');
  });

  it('shows no beginning of a secret where its output is cut off', async () => {
    const { log } = await execute(claim('yes hunter2-hunter2 | head -c 2000000'));
    expect(log).toContain('bytes of output were dropped past the cap');
    expect(log).not.toContain('hunt');
  });

  it('masks secrets in its log', async () => {
    const { log } = await execute(claim(`printf hunter2-; sleep 0.1; echo hunter2`));
    expect(log).toBe('▸ step 1\n***\n');
  });

  describe('with secrets', () => {
    const uses: JobSpec['secrets'] = [
      { name: 'TOKEN', variable: 'TOKEN', isFile: false, isOptional: false },
      { name: 'KEY', variable: 'KEY_PATH', isFile: true, isOptional: false },
      { name: 'SPARE', variable: 'SPARE', isFile: false, isOptional: true },
    ];
    beforeEach(() => {
      Object.assign(secretTexts, { TOKEN: 'token-of-the-team', KEY: 'line one of the key\nline two of the key\n' });
    });

    it('gives each step variables and files, in memory and for its user alone, and masks them', async () => {
      const { finish, log } = await execute(
        claim(
          [
            'echo "$TOKEN"; cat "$KEY_PATH"; stat -c %a,%U "$KEY_PATH"; echo "spare=[$SPARE]"; rm -f "$KEY_PATH"',
            'stat -f -c %T "$KEY_PATH"; tr a-z A-Z <"$KEY_PATH"; printf %s "$TOKEN" | base64; cat /proc/self/cmdline | tr "\\0" " "',
          ],
          { spec: { secrets: uses } },
        ),
      );
      expect(finish.outcome.result).toBe('success');
      expect(log).toBe(
        '▸ step 1\n***\n***400,root\nspare=[]\n▸ step 2\ntmpfs\nLINE ONE OF THE KEY\nLINE TWO OF THE KEY\n***\ncat /proc/self/cmdline ',
      );
    });

    it('fills them into expressions, and masks them where a job tells others what it knows', async () => {
      const { finish, log } = await execute(
        claim('echo "$PAIR"; echo "pair=$PAIR" >>"$GITHUB_OUTPUT"', {
          spec: {
            secrets: uses,
            env: { PAIR: 'x:${{ secrets.token }}' },
            steps: [
              makeStep('echo "$PAIR"; echo "pair=$PAIR" >>"$GITHUB_OUTPUT"; exit 3', {
                id: 'a',
                name: '${{ env.PAIR }}',
              }),
            ],
            outputs: { pair: '${{ steps.a.outputs.pair }}' },
          },
        }),
      );
      expect(log).toBe('▸ x:***\nx:***\nhearth: outputs.pair holds a secret and is masked\n\nhearth: x:***: exit 3\n');
      expect(finish).toMatchObject({ outcome: { message: 'x:***: exit 3' }, outputs: { pair: 'x:***' } });
    });

    it('masks one that the end of a title cuts off', async () => {
      secretTexts['TOKEN'] = 'k0-k1-k2-k3-k4-k5-'.repeat(4);
      const run = 'false "Authorization: Bearer ${{ secrets.TOKEN }}" https://service.example';
      const steps = [makeStep(run, { name: null })];
      const { finish, log } = await execute(claim(run, { spec: { secrets: uses, steps } }));
      expect(finish.outcome.message).toBe('false "Authorization: Bearer ***" https://service.example: exit 1');
      expect(log).not.toContain('k0-k1');
    });

    it('leaves no trace of them on the disk or in the engine while the job runs', async () => {
      const stop = new AbortController();
      const wanted = claim('echo up; sleep 1000', { spec: { secrets: uses, env: { A: '${{ secrets.TOKEN }}' } } });
      const running = execute(wanted, stop.signal);
      await expect.poll(() => logOf(wanted).catch(() => '')).toContain('up');
      const ids = (await exec('docker', ['ps', '-q'])).stdout.trim().split('\n');
      const { stdout: inspected } = await exec('docker', ['inspect', ...ids], { maxBuffer: 64 * 1024 ** 2 });
      const { stdout: args } = await exec('ps', ['-eo', 'args']);
      const find = await exec('grep', ['-rlaE', 'token-of-the-team|line one of the key', data]).catch(
        (error: unknown) => error,
      );
      stop.abort(supersededBy('abc1234567'));
      await running;
      expect(inspected).not.toContain('token-of-the-team');
      expect(args).not.toContain('token-of-the-team');
      // grep finds nothing: exit code 1, no output.
      expect(find).toMatchObject({ code: 1, stdout: '' });
    });

    it('masks what the attempt began with, also when the secret is another one after a restart', async () => {
      const wanted = claim('for i in $(seq 1 300); do echo $i $TOKEN; sleep 0.005; done', { spec: { secrets: uses } });
      const detach = new AbortController();
      const signals = {
        stop: new AbortController().signal,
        detach: detach.signal,
        started: () => undefined,
        published: () => Promise.resolve(),
      };
      const first = open.executor.execute(wanted, signals);
      await expect.poll(() => logOf(wanted).catch(() => '')).toContain('50 ***');
      detach.abort(new Error('gone'));
      expect(await first).toBeUndefined();
      await open[Symbol.asyncDispose]();
      Object.assign(secretTexts, { TOKEN: 'quite another token, and a longer one' });
      open = await openIt();
      await open.executor.sweep([wanted]);
      const lines = Array.from({ length: 300 }, (_, index) => `${index + 1} ***\n`).join('');
      expect((await execute(wanted)).log).toBe(`▸ step 1\n${lines}`);
    });

    it('does not start without one that it needs, and says which', async () => {
      const missing: JobSpec['secrets'] = ['A', 'B'].map((name) => ({
        name,
        variable: name,
        isFile: false,
        isOptional: false,
      }));
      const { finish } = await execute(claim('echo never', { spec: { secrets: missing } }));
      expect(finish.outcome).toEqual({
        result: 'error',
        reason: 'config',
        message:
          'secrets.A: it was not given; put it into the environment and add --secret A; secrets.B: it was not given; put it into the environment and add --secret B',
      });
    });
  });

  it('uses the warm slot of the one before it, and nothing of its workspace is left there', async () => {
    const first = await execute(
      claim('cat /proc/sys/kernel/random/uuid > /root/mark; touch junk; cat /etc/hostname; cat /root/mark'),
    );
    const second = await execute(claim('ls; cat /root/mark'));
    expect(second.log).toContain(first.log.trim().split('\n').at(-1) ?? 'no mark');
    expect(second.log).not.toContain('junk');
  });

  it('of a lower class gets a slot of its own that is gone afterwards', async () => {
    const before = (await exec('docker', ['ps', '-aq'])).stdout;
    const first = await execute(claim('touch /root/poison; hostname', { trust: 'T2' }));
    expect(first.finish.outcome.result).toBe('success');
    const second = await execute(claim('test ! -e /root/poison', { trust: 'T2' }));
    expect(second.finish.outcome.result).toBe('success');
    const third = await execute(claim('test ! -e /root/poison'));
    expect(third.finish.outcome.result).toBe('success');
    expect(before).not.toBe('');
  });

  it('that is asked to stop ends with the reason, and none of its processes lives on', async () => {
    const stop = new AbortController();
    const wanted = claim('(setsid sleep 1000 &); echo up; sleep 1000');
    const running = execute(wanted, stop.signal);
    await expect.poll(() => logOf(wanted).catch(() => '')).toContain('up');
    stop.abort(supersededBy('abc1234567'));
    expect((await running).finish.outcome).toEqual(supersededBy('abc1234567'));
    const { stdout } = await exec('ps', ['-eo', 'args']);
    expect(stdout.split('\n').filter((line) => line === 'sleep 1000')).toEqual([]);
  });

  it('that runs out of memory says so although its shell went on', async () => {
    const sidecar = {
      kind: 'image',
      image: TEST_IMAGE,
      shmBytes: 64 * 1024 ** 2,
      memoryBytes: 64 * 1024 ** 2,
    } as const;
    const { finish } = await execute(claim('tail /dev/zero || true; exit 0', { sidecar }));
    expect(finish.outcome).toMatchObject({ result: 'failure', reason: 'oom' });
  });

  it('whose slot is killed under it is an error of ours, with what it had said so far in the log', async () => {
    const wanted = claim('echo said before; sleep 1000');
    const running = execute(wanted);
    await expect.poll(() => logOf(wanted).catch(() => '')).toContain('said before');
    const busy = await exec('docker', ['ps', '-q', '--no-trunc']);
    for (const id of busy.stdout.trim().split('\n')) {
      const { stdout } = await exec('docker', ['top', id, '-eo', 'pid,args']);
      if (stdout.includes('sleep 1000')) await exec('docker', ['kill', id]);
    }
    const { finish, log } = await running;
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'lost_slot' });
    expect(log).toContain('said before');
  });

  it.each(['0a26', 'sha256:0a26', 'hearth/sidecar:abc'])('may not name an image by %s', async (image) => {
    const { finish } = await execute(claim('true', { sidecar: { kind: 'image', image, shmBytes: 1 } }));
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'image' });
    expect(finish.outcome.message).toContain('as a registry does');
  });

  it('without its image is an error that says which', async () => {
    const sidecar = { kind: 'image', image: 'hearth.invalid/no-such-image:1', shmBytes: 1 } as const;
    const { finish, log } = await execute(claim('true', { sidecar }));
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'image' });
    expect(log).toContain('hearth.invalid/no-such-image:1');
  });
});

describe('steps', () => {
  const steps = (...list: readonly Partial<StepSpec>[]): Partial<JobSpec> => ({
    steps: list.map((step, index) => makeStep(step.run, { name: `step ${index + 1}`, ...step })),
  });

  it('go on after a failure where they ask for it, and the first failure stays the outcome', async () => {
    const spec = steps(
      { run: 'echo one; exit 3' },
      { run: 'echo two' },
      { run: 'echo three', condition: 'failure()' },
      { run: 'echo four; exit 5', condition: 'always()' },
    );
    const { finish, log } = await execute(claim('', { spec }));
    expect(log).toBe(
      '▸ step 1\none\n▸ step 2 (left out: an earlier step failed)\n▸ step 3\nthree\n▸ step 4\nfour\n\nhearth: step 1: exit 3\n',
    );
    expect(finish).toMatchObject({
      outcome: { result: 'failure', message: 'step 1: exit 3' },
      evidence: { exitCode: 3 },
    });
  });

  it('that may fail are named in a success', async () => {
    const spec = steps({ run: 'exit 3', continueOnError: true }, { run: 'echo two' });
    const { finish, log } = await execute(claim('', { spec }));
    expect(finish.outcome).toMatchObject({ result: 'success', message: 'passed, failed (allowed): step 1' });
    expect(finish.evidence?.exitCode).toBe(0);
    expect(log).toBe('▸ step 1\nhearth: step 1 failed, which is allowed (exit 3)\n▸ step 2\ntwo\n');
  });

  it('may end with a code that the job allows, which the log and the verdict name', async () => {
    const spec = { ...steps({ run: 'exit 5' }, { run: 'echo two; exit 6' }), allowedExitCodes: [5] };
    const { finish, log } = await execute(claim('', { spec }));
    expect(log).toContain('▸ step 1\nhearth: step 1: exit 5, which is allowed\n▸ step 2\ntwo\n');
    expect(finish.outcome).toMatchObject({ result: 'failure', message: 'step 2: exit 6' });
    const only = { ...steps({ run: 'exit 5' }), allowedExitCodes: [5] };
    const { finish: passed } = await execute(claim('', { spec: only }));
    expect(passed).toMatchObject({
      outcome: { result: 'success', message: 'passed, step 1: exit 5 (allowed)' },
      evidence: { exitCode: 5 },
    });
  });

  it('know which part of a parallel job they are', async () => {
    const spec = { ...steps({ run: 'echo $CI_NODE_INDEX of $CI_NODE_TOTAL' }), shard: { index: 2, total: 3 } };
    expect((await execute(claim('', { spec }))).log).toContain('2 of 3\n');
  });

  it('can tell by a hash whether files changed, and what was decided stands after a restart', async () => {
    const spec = steps(
      { id: 'one', run: "echo \"h=${{ hashFiles('*.txt', '!none.txt') }}\" >> $GITHUB_OUTPUT" },
      { run: 'echo same', condition: "hashFiles('*.txt') == steps.one.outputs.h" },
      { run: 'echo changed >> hello.txt; rm -f hello.txt.lnk; ln -s /etc/passwd outside.txt' },
      { run: 'echo still-same', condition: "hashFiles('*.txt') == steps.one.outputs.h" },
      {
        run: "git checkout -q hello.txt; rm outside.txt; echo none=${{ hashFiles('no/such/**') }}.; sleep 3",
      },
    );
    const wanted = claim('', { spec });
    const detach = new AbortController();
    const signals = {
      stop: new AbortController().signal,
      detach: detach.signal,
      started: () => undefined,
      published: () => Promise.resolve(),
    };
    const first = open.executor.execute(wanted, signals);
    await expect.poll(() => logOf(wanted).catch(() => '')).toContain('none=.');
    detach.abort(new Error('gone'));
    expect(await first).toBeUndefined();
    await open[Symbol.asyncDispose]();
    open = await openIt();
    await open.executor.sweep([wanted]);
    const { finish, log } = await execute(wanted);
    expect(finish.outcome.result).toBe('success');
    expect(log).toContain('\nsame\n');
    // The files are as at first again, but the step was left out before.
    expect(log).toMatch(/\(left out: if: hashFiles/);
    expect(log).not.toContain('still-same\n');
  });

  it('have limits of their own', async () => {
    const spec = steps({ run: 'sleep 1000', timeoutMinutes: 0.005 }, { run: 'echo after', condition: 'always()' });
    const { finish, log } = await execute(claim('', { spec }));
    expect(finish.outcome).toMatchObject({ reason: 'timeout', message: 'step 1: timed out after 0.3 s' });
    expect(log).toContain('after\n');
  });

  it('of which none is wanted leave the job out, and never make it green', async () => {
    const { finish, log } = await execute(claim('', { spec: steps({ run: 'echo no', condition: 'false' }) }));
    expect(finish).toEqual({
      outcome: { result: 'skipped', reason: 'condition', message: 'all steps were left out' },
      outputs: {},
      evidence: null,
    });
    expect(log).toBe('▸ step 1 (left out: if: false)\n');
    expect((await execute(claim('echo next'))).log).toContain('next');
  });

  it('hand values on to later steps and to the jobs that need theirs', async () => {
    const spec = steps(
      { id: 'make', run: 'echo "sum=$((40 + 2))" >> $GITHUB_OUTPUT' },
      { run: 'test "${{ steps.make.outputs.sum }}" = 42 && test "${{ needs.setup.outputs.go }}" = yes' },
    );
    const outputs = { sum: '${{ steps.make.outputs.sum }}' };
    const needs = { setup: { result: 'success', outputs: { go: 'yes' } } };
    const { finish } = await execute(claim('', { spec: { ...spec, outputs }, needs }));
    expect(finish).toMatchObject({ outcome: { result: 'success' }, outputs: { sum: '42' } });
  });

  it('whose expression fails end the job with an error that names the step, and the slot is as good as before', async () => {
    const spec = steps({ run: 'true' }, { run: "echo ${{ fromJSON('{') }}" });
    const { finish } = await execute(claim('', { spec }));
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'config' });
    expect(finish.outcome.message).toMatch(/^step 2: .*JSON/);
    expect((await execute(claim('echo next'))).log).toContain('next');
  });

  it.each([
    ['bash', 'false | true', 1],
    ['sh', 'test -z "$BASH_VERSION"', 0],
    ['perl -w {0} x', 'print "perl $ARGV[0]\n"; exit 4', 4],
    ['no-such-shell {0}', 'true', 127],
  ])('run in the shell they name: %s', async (shell, run, code) => {
    const { finish } = await execute(claim('', { spec: steps({ run, shell }) }));
    expect(finish.evidence?.exitCode).toBe(code);
  });
});

describe('a sidecar that is built', () => {
  const sidecar = { kind: 'build', context: 'ci', file: 'ci/Dockerfile', shmBytes: 64 * 1024 ** 2 } as const;

  it('is made from the commit once, and its jobs run in it', async () => {
    // The engine keeps images by content, also from earlier runs of this test.
    const unique = `built-${process.hrtime.bigint()}`;
    const built = await commit({
      'ci/Dockerfile': `FROM ${TEST_IMAGE}\nRUN echo ${unique} > /built\nENV FROM_IMAGE=yes\n`,
    });
    const first = await execute(claim('cat /built; echo $FROM_IMAGE', { sidecar, sha: built }));
    expect(first.log).toContain('building the sidecar');
    expect(first.log).toContain(`▸ step 1\n${unique}\nyes\n`);
    const later = await commit({ 'other.txt': 'x' });
    expect((await execute(claim('cat /built', { sidecar, sha: later }))).log).not.toContain('building');
  });

  it('may have a health check, which then never runs in a slot', async () => {
    const checked = await commit({
      'ci/Dockerfile': `FROM ${TEST_IMAGE}\nHEALTHCHECK --interval=1ms CMD echo ran >> /health-ran\n`,
    });
    const { finish } = await execute(claim('sleep 0.5; test ! -e /health-ran', { sidecar, sha: checked }));
    expect(finish.outcome.result).toBe('success');
  });

  it('shares what it caches between builds with its own class only', async () => {
    const mark = `mark-${process.hrtime.bigint()}`;
    const buildOf = async (trust: TrustClass, line: string): Promise<string> => {
      const file = `FROM ${TEST_IMAGE}\nRUN --mount=type=cache,id=${mark},target=/c ${line}\n`;
      const commitOf = await commit({ 'ci/Dockerfile': file });
      const { finish, log } = await execute(claim('cat /seen', { sidecar, sha: commitOf, trust }));
      expect(finish.outcome.result, log).toBe('success');
      return log.split('▸ step 1\n')[1] ?? '';
    };
    await buildOf('T1', `touch /c/${mark}-of-t1 /seen`);
    expect(await buildOf('T1', 'ls /c > /seen # again')).toBe(`${mark}-of-t1\n`);
    expect(await buildOf('T2', 'ls /c > /seen # in another class')).toBe('');
  });

  it.each([
    ['folder', { 'real/Dockerfile': `FROM ${TEST_IMAGE}\n` }, 'ln -s /etc ci', 'real/Dockerfile'],
    ['file', { 'real/x': '' }, 'mkdir ci && ln -s /etc/passwd ci/Dockerfile', 'ci/Dockerfile'],
    [
      '.dockerignore',
      { 'real/x': '' },
      `mkdir ci && echo FROM ${TEST_IMAGE} > ci/Dockerfile && ln -s /etc/passwd ci/.dockerignore`,
      'ci/Dockerfile',
    ],
  ])('does not follow a link in the place of its %s out of the checkout', async (_name, files, script, file) => {
    await remote.shell(`rm -rf ci && ${script}`);
    const linked = await commit(files);
    const { finish } = await execute(claim('true', { sidecar: { ...sidecar, file }, sha: linked }));
    await remote.shell('rm -rf ci');
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'image' });
    expect(finish.outcome.message).toMatch(/symbolic link/);
  });

  it('that takes long does not hold back a job that is cancelled', async () => {
    const slow = await commit({
      'ci/Dockerfile': `FROM ${TEST_IMAGE}\nRUN sleep 20 && echo ${process.hrtime.bigint()}\n`,
    });
    const stop = new AbortController();
    const wanted = claim('true', { sidecar, sha: slow });
    const running = execute(wanted, stop.signal);
    await expect.poll(() => logOf(wanted).catch(() => '')).toContain('building the sidecar');
    const asked = performance.now();
    stop.abort(supersededBy('abc1234567'));
    expect((await running).finish.outcome).toEqual(supersededBy('abc1234567'));
    expect(performance.now() - asked).toBeLessThan(5_000);
  });

  it('that fails to build is an error with the last lines of the build', async () => {
    const broken = await commit({ 'ci/Dockerfile': `FROM ${TEST_IMAGE}\nRUN echo the-cause >&2 && exit 7\n` });
    const { finish, log } = await execute(claim('true', { sidecar, sha: broken }));
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'image' });
    expect(log).toContain('the-cause');
  });
});

describe('a dependency layer', () => {
  const deps: CacheSpec = {
    kind: 'layer',
    key: ['deps.lock'],
    paths: ['deps'],
    install: 'mkdir deps; cat deps.lock > deps/made; date +%N >> deps/made',
  };

  it('is built for a lockfile, found again, rebuilt for another, and found again when that is changed back', async () => {
    const script = 'cat deps/made; touch deps/scribble';
    const one = await execute(claim(script, { caches: { deps } }));
    expect(one.log).toContain('cache deps: built');
    const again = await execute(claim(script, { caches: { deps } }));
    expect(again.log).toContain('cache deps: hit');
    expect(again.log).not.toContain('scribble');
    const changed = await commit({ 'deps.lock': 'two\n' });
    expect((await execute(claim(script, { caches: { deps }, sha: changed }))).log).toContain('cache deps: built');
    const back = await commit({ 'deps.lock': 'one\n' });
    const last = await execute(claim(script, { caches: { deps }, sha: back }));
    expect(last.log).toContain('cache deps: hit');
    expect(last.log.split('▸ step 1')[1]).toBe(again.log.split('▸ step 1')[1]);
  });

  it('whose install fails fails the job, and is a miss next time', async () => {
    const broken: CacheSpec = { ...deps, install: 'mkdir deps; echo half > deps/x; exit 4' };
    const { finish } = await execute(claim('true', { caches: { deps: broken } }));
    expect(finish.outcome).toMatchObject({ result: 'failure', message: 'install deps: exit 4' });
    const mended: CacheSpec = { ...deps, install: 'mkdir deps; echo whole > deps/x' };
    expect((await execute(claim('cat deps/x', { caches: { deps: mended } }))).log).toContain('built');
    expect((await execute(claim('true', { caches: { deps: broken } }))).log).toContain('cache deps: miss');
  });

  it('whose install takes long is told of while it goes on, and also to whoever waits for it', async () => {
    const notes: CacheSpec = { kind: 'volume', path: '/notes' };
    const go = `/notes/${basename(data)}-go`;
    const install = `echo begun; until test -e ${go}; do sleep 0.05; done; mkdir deps; echo late >deps/made`;
    const slow: CacheSpec = { ...deps, install };
    const first = claim('cat deps/made', { caches: { deps: slow, notes } });
    const second = claim('cat deps/made', { caches: { deps: slow, notes } });
    const one = execute(first);
    await expect.poll(() => logOf(first)).toContain('begun\n');
    const two = execute(second);
    const waits = `waiting for job build of run ${first.run.id}, which installs it\n`;
    await expect.poll(() => logOf(second)).toContain(waits);
    await execute(claim(`touch ${go}`, { caches: { notes } }));
    expect((await one).log).toMatch(/installing\n▸ install deps\nbegun\ncache deps: built [^]*\nlate\n$/);
    expect((await two).log).toMatch(/which installs it\ncache deps: ready [^]*\nlate\n$/);
  });

  it('whose install fails fails whoever waits for it, who is told where its output is', async () => {
    const notes: CacheSpec = { kind: 'volume', path: '/notes' };
    const go = `/notes/${basename(data)}-fail`;
    const install = `echo the cause; until test -e ${go}; do sleep 0.05; done; exit 5`;
    const caches = { deps: { ...deps, install }, notes };
    const [first, second] = [claim('true', { caches }), claim('true', { caches })];
    const one = execute(first);
    await expect.poll(() => logOf(first)).toContain('the cause\n');
    const two = execute(second);
    await expect.poll(() => logOf(second)).toContain('waiting for');
    await execute(claim(`touch ${go}`, { caches: { notes } }));
    expect((await one).finish.outcome.message).toBe('install deps: exit 5');
    const { finish, log } = await two;
    expect(finish.outcome.message).toBe('install deps: exit 5');
    expect(log).toContain(`cache deps: failed; the log of job build of run ${first.run.id} has what it said\n`);
    expect(log).not.toContain('the cause');
  });

  it('whose install says more than is kept of a log has its beginning there, and how much is not', async () => {
    const loud: CacheSpec = { ...deps, install: 'seq 300000; mkdir deps; touch deps/x' };
    const { log } = await execute(claim('true', { caches: { deps: loud } }));
    expect(log).toMatch(/installing\n▸ install deps\n1\n2\n/);
    expect(log).toMatch(/\nhearth: [1-9]\d* bytes of output were dropped past the cap of 1048576 bytes\n/);
  });

  it('whose install says a secret leaves no trace of it', async () => {
    const chatty: CacheSpec = { ...deps, install: `mkdir deps; echo ${SECRET} | tee -a deps/said` };
    const { log } = await execute(claim('cat deps/said', { caches: { deps: chatty } }));
    expect(log.match(/\*\*\*/g)).toHaveLength(2);
    const grep = exec('grep', ['-rl', SECRET, join(data, 'slots'), join(data, 'logs')]);
    await expect(grep).rejects.toMatchObject({ code: 1, stdout: '' });
  });

  it('that makes none of its paths is an error that names the key', async () => {
    const { finish } = await execute(claim('true', { caches: { deps: { ...deps, install: 'true' } } }));
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'config' });
    expect(finish.outcome.message).toContain('paths');
  });

  it('whose key file is not in the commit is an error that names it', async () => {
    const { finish } = await execute(claim('true', { caches: { deps: { ...deps, key: ['absent.lock'] } } }));
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'config' });
    expect(finish.outcome.message).toContain('absent.lock');
  });
});

describe('artifacts', () => {
  const DAY = 86_400_000;
  const spec = (name: string, change: Partial<ArtifactSpec> = {}): ArtifactSpec => ({
    ...{ name, paths: [name], when: 'success', expireMs: DAY, isOptional: false, isJunit: false },
    ...change,
  });
  const keptBy = ({ run, job }: Claim, { finish }: Execution): Claim['artifacts'] =>
    (finish.artifacts ?? []).map((one) => ({
      ...one,
      runId: run.id,
      jobId: job.id,
      attempt: job.attempt,
      job: 'build',
    }));

  it('are in the workspace of the job after, with links, modes and what a job did to files of its commit', async () => {
    const wanted = claim(
      'mkdir dist; echo built >dist/out; ln -s out dist/link; chmod 750 dist/out; mv hello.txt dist/; rm -f deps.lock',
      {
        spec: { artifacts: [spec('dist')] },
      },
    );
    const built = await execute(wanted);
    expect(built.log).toBe('▸ step 1\nhearth: kept artifacts.dist: 2 files, 12 bytes\n');
    const after = await execute(
      claim('ls -A; cat dist/link dist/hello.txt; stat -c %a dist/out; echo more >>dist/out', {
        artifacts: keptBy(wanted, built),
      }),
    );
    expect(after.log).toContain('.git\ndeps.lock\ndist\nhello.txt\nbuilt\nhello\n750\n');
    const again = await execute(claim('cat dist/out', { artifacts: keptBy(wanted, built) }));
    expect(again.log).toMatch(/\nbuilt\n$/);
  });

  it('that a job asked for and does not get end it before its first step, and those it can do without do not', async () => {
    const wish = { job: 'build', name: 'dist' };
    const { finish, log } = await execute(claim('echo ran', { spec: { downloads: [{ ...wish, isRequired: true }] } }));
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'config' });
    expect(finish.outcome.message).toContain('there is no artifact dist of build: nothing matched its path');
    expect(log).not.toContain('ran');
    const tolerant = claim('echo ran', { spec: { downloads: [{ ...wish, isRequired: false }] } });
    expect((await execute(tolerant)).finish.outcome.result).toBe('success');
  });

  it('are mounted, not copied: a large one costs the next job nothing', async () => {
    const wanted = claim('mkdir dist; head -c 50000000 /dev/zero >dist/big', { spec: { artifacts: [spec('dist')] } });
    const built = await execute(wanted);
    const [kept] = keptBy(wanted, built);
    expect(kept).toMatchObject({ bytes: 50_000_000, files: 1 });
    const before = (await exec('du', ['-sk', data])).stdout;
    const next = claim('stat -c %s dist/big; until test -e go; do sleep 0.05; done', {
      artifacts: keptBy(wanted, built),
    });
    const stop = new AbortController();
    const running = execute(next, stop.signal);
    await expect.poll(() => logOf(next).catch(() => '')).toContain('50000000');
    const during = (await exec('du', ['-sk', data])).stdout;
    stop.abort(supersededBy('abc1234567'));
    await running;
    expect(Number.parseInt(during, 10) - Number.parseInt(before, 10)).toBeLessThan(10_000);
  });

  it('are kept after the outcomes that they are for', async () => {
    const artifacts = [
      spec('good', { paths: ['f'] }),
      spec('bad', { paths: ['f'], when: 'failure' }),
      spec('both', { paths: ['f'], when: 'always' }),
    ];
    const failing = await execute(claim('echo x >f; exit 3', { spec: { artifacts } }));
    expect(failing.finish).toMatchObject({
      outcome: { message: 'step 1: exit 3' },
      artifacts: [{ name: 'bad' }, { name: 'both' }],
    });
    const passing = await execute(claim('echo x >f', { spec: { artifacts } }));
    expect(passing.finish.artifacts?.map(({ name }) => name)).toEqual(['good', 'both']);
  });

  it.each([
    [
      'that nothing matches',
      'true',
      spec('dist'),
      'artifacts.dist: nothing matches dist; correct `paths`, or say `optional: true`',
    ],
    [
      'behind a symbolic link',
      'ln -s /etc dist',
      spec('dist', { paths: ['dist/passwd'] }),
      'artifacts.dist: dist/passwd leads through a symbolic link; name the real folder',
    ],
    [
      'that is no JUnit report',
      'mkdir r; echo no >r/a.xml',
      spec('r', { isJunit: true }),
      'artifacts.r: r/a.xml is no JUnit report: 2:0: text data outside of root node.',
    ],
    [
      'without a report in it',
      'mkdir r; echo no >r/a',
      spec('r', { isJunit: true }),
      'artifacts.r: there is no .xml file among them, so no JUnit report; correct `paths`',
    ],
  ])('%s make an error of a job that passed', async (_, script, artifact, message) => {
    const { finish, log } = await execute(claim(script, { spec: { artifacts: [artifact] } }));
    expect(finish.outcome).toEqual({ result: 'error', reason: 'config', message });
    expect(finish.tests ?? null).toBeNull();
    expect(log).toContain(`hearth: ${message}`);
  });

  it('may be absent where they are optional', async () => {
    const { finish } = await execute(claim('true', { spec: { artifacts: [spec('dist', { isOptional: true })] } }));
    expect(finish).toMatchObject({ outcome: { result: 'success' }, artifacts: [] });
  });

  it('hold a link as a link, so that nothing of the machine comes along', async () => {
    const wanted = claim('mkdir dist; ln -s /etc/hostname dist/a; ln -s / dist/root', {
      spec: { artifacts: [spec('dist')] },
    });
    expect((await execute(wanted)).finish.artifacts).toMatchObject([{ files: 0, bytes: 0 }]);
  });

  it('that are JUnit reports tell which tests failed, with secrets masked', async () => {
    const report = `<testsuite name="s"><testcase name="good"/><testcase name="bad" file="a.py" line="7"><failure message="got ${SECRET}"/></testcase></testsuite>`;
    const wanted = claim(`mkdir r; echo '${report}' >r/a.xml; exit 1`, {
      spec: { artifacts: [spec('r', { isJunit: true, when: 'always' })] },
    });
    expect((await execute(wanted)).finish.tests).toEqual({
      ...{ total: 2, skipped: 0, failed: 1, passed: ['s › good'] },
      failures: [{ name: 's › bad', file: 'a.py', line: 7, message: 'got ***' }],
    });
  });

  it('that are JUnit reports are masked before their texts are cut', async () => {
    const long = `${'x'.repeat(490)}${SECRET} and more`;
    const report = `<testsuite name="s"><testcase name="${long}"/><testcase name="bad"><failure>${long}</failure></testcase></testsuite>`;
    const wanted = claim(`mkdir r; echo '${report}' >r/a.xml; exit 1`, {
      spec: { artifacts: [spec('r', { isJunit: true, when: 'always' })] },
    });
    const { tests } = (await execute(wanted)).finish;
    expect(tests?.total).toBe(2);
    expect(JSON.stringify(tests)).not.toContain(SECRET.slice(0, 6));
  });

  it('that are gone are an error of the job that needs them, and their slot is not wasted', async () => {
    const wanted = claim('echo x >f', { spec: { artifacts: [spec('f')] } });
    const [kept] = keptBy(wanted, await execute(wanted));
    if (kept === undefined) throw new Error('nothing was kept');
    expect(await open.artifacts.remove(layerOf(wanted.run, kept))).toBe(true);
    const { finish } = await execute(claim('never', { artifacts: [kept] }));
    expect(finish.outcome).toMatchObject({
      result: 'error',
      message: 'the artifact f of build is not there any more; run build again, or keep it longer (expire-in)',
    });
  });
});

it('a named volume keeps what jobs write, apart for each class', async () => {
  const cache: CacheSpec = { kind: 'volume', path: '/var/cache/mine' };
  await execute(claim('echo kept > /var/cache/mine/f', { caches: { mine: cache } }));
  expect((await execute(claim('cat /var/cache/mine/f', { caches: { mine: cache } }))).log).toContain('kept');
  expect((await execute(claim('ls /var/cache/mine', { caches: { mine: cache }, trust: 'T2' }))).log).not.toContain(
    'f\n',
  );
  const { stdout } = await exec('docker', ['volume', 'ls', '-q', '--filter', 'name=hearth-']);
  expect(stdout).not.toBe('');
});

describe('a process that comes after another', () => {
  it('re-attaches to the job that went on, with no byte lost and none twice', async () => {
    const wanted = claim(
      'for i in $(seq 1 300); do echo line $i; sleep 0.005; done; echo ran >> /root/ran-here; wc -l < /root/ran-here',
    );
    const detach = new AbortController();
    const first = open.executor.execute(wanted, {
      stop: new AbortController().signal,
      detach: detach.signal,
      started: () => undefined,
      published: () => Promise.resolve(),
    });
    await expect.poll(() => logOf(wanted).catch(() => '')).toContain('line 50');
    detach.abort(new Error('gone'));
    expect(await first).toBeUndefined();
    await open[Symbol.asyncDispose]();

    open = await openIt();
    await open.executor.sweep([wanted]);
    const { finish, log } = await execute(wanted);
    expect(finish.outcome.result).toBe('success');
    const lines = Array.from({ length: 300 }, (_, index) => `line ${index + 1}\n`).join('');
    expect(log).toBe(`▸ step 1\n${lines}1\n`);
  });

  it('does not run a job again whose slot vanished meanwhile', async () => {
    const wanted = claim('echo started; sleep 1000');
    const detach = new AbortController();
    const first = open.executor.execute(wanted, {
      stop: new AbortController().signal,
      detach: detach.signal,
      started: () => undefined,
      published: () => Promise.resolve(),
    });
    await expect.poll(() => logOf(wanted).catch(() => '')).toContain('started');
    detach.abort(new Error('gone'));
    await first;
    await open[Symbol.asyncDispose]();
    const { stdout } = await exec('docker', ['ps', '-q', '--filter', 'name=hearth-']);
    await exec('docker', ['kill', ...stdout.trim().split('\n')]);

    open = await openIt();
    await open.executor.sweep([wanted]);
    const { finish, log } = await execute(wanted);
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'lost_slot' });
    expect(log.match(/started/g)).toHaveLength(1);
  });

  it('does not run a job again that lost its slot and whose outcome was not written down', async () => {
    const wanted = claim('echo ran >&2; prlimit --pid 1 --nofile=900:900');
    const first = await open.executor.execute(wanted, {
      stop: new AbortController().signal,
      detach: new AbortController().signal,
      started: () => undefined,
      published: () => Promise.resolve(),
    });
    expect(first?.outcome.result).toBe('success');
    await open[Symbol.asyncDispose]();
    open = await openIt();
    await open.executor.sweep([wanted]);
    const { log } = await execute(wanted);
    expect(log.match(/^ran$/gm)).toHaveLength(1);
  });

  it('starts although a power cut left its notes empty', async () => {
    const folder = join(data, 'slots', 'cut', 'jobs', '1');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'job.json'), '');
    await writeFile(join(data, 'slots', 'cut', 'slot.json'), '');
    await open.executor.sweep([]);
    expect(await readdir(join(data, 'slots'))).not.toContain('cut');
  });

  it('taking over twice, it still has every slot once', async () => {
    await execute(claim('true'));
    await open[Symbol.asyncDispose]();
    open = await openIt();
    await open.executor.sweep([]);
    await open.executor.sweep([]);
    expect(new Set(open.pool.ids()).size).toBe(open.pool.ids().length);
  });

  it('removes the containers and folders of jobs that nobody waits for', async () => {
    const wanted = claim('sleep 1000');
    const detach = new AbortController();
    const started = new Promise<void>((resolve) => {
      void open.executor.execute(wanted, {
        stop: new AbortController().signal,
        detach: detach.signal,
        published: () => Promise.resolve(),
        started: () => {
          resolve();
        },
      });
    });
    await started;
    detach.abort(new Error('gone'));
    await open[Symbol.asyncDispose]();
    open = await openIt();
    await open.executor.sweep([]);
    expect(await readdir(join(data, 'slots'))).toEqual([]);
    expect(await readdir(join(data, 'scratch'))).toEqual([]);
  });
});

describe('without root on the host', () => {
  it('workspaces are copied, jobs are unprivileged, and layers, class and clean-up work all the same', async () => {
    const overlays = open;
    const folder = await mkdtemp(join(tmpdir(), 'hearth-copies-'));
    open = await openIt({ isRoot: false, dataDirectory: folder });
    try {
      expect(open.workspaces.strategy).toBe('copy');
      await open.executor.sweep([]);
      const deps: CacheSpec = {
        kind: 'layer',
        key: ['deps.lock'],
        paths: ['deps'],
        install: 'mkdir deps; cat deps.lock > deps/made',
      };
      const script =
        'id -u; cat hello.txt deps/made; echo changed > hello.txt; mkdir shut; chmod 0 shut; git status --short';
      const first = await execute(claim(script, { caches: { deps } }));
      expect(first.finish.outcome.result).toBe('success');
      expect(first.log).toContain('65532\nhello\none\n');
      const second = await execute(claim(script, { caches: { deps } }));
      expect(second.log).toContain('cache deps: hit');
      expect(second.log).toContain('65532\nhello\none\n');
    } finally {
      await removeSlotsOf(folder);
      await open[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
      open = overlays;
    }
  });
});

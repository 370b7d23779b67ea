import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { supersededBy } from '../../src/core/outcome.ts';
import type { RunThere } from '../support/github-workflows.ts';
import { makeLaneRig, type LaneRig } from '../support/lane-rig.ts';
import { repo, shaA, shaB } from '../store/support.ts';

let rig: LaneRig;
beforeEach(async () => {
  rig = await makeLaneRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const dispatches = (): number => rig.github.calls.filter((call) => call.endsWith('/dispatches')).length;
const calledTimes = (part: string): number => rig.github.calls.filter((call) => call.includes(part)).length;

async function begun(): Promise<RunThere> {
  await expect.poll(() => rig.github.runs.length).toBe(1);
  const [run] = rig.github.runs;
  if (run === undefined) throw new Error('no run');
  return run;
}

/** The run is known here as well. */
async function known(jobId: number): Promise<RunThere> {
  const run = await begun();
  await expect.poll(async () => (await rig.store.dispatchOf(jobId, 1))?.run?.id).toBe(run.id);
  return run;
}

describe('a job that runs as a workflow of GitHub', () => {
  it("asks with its inputs at its branch, follows the jobs there, and takes GitHub's word for its own", async () => {
    const inputs = { suffix: '${{ github.sha }}', push: 'true' };
    const claim = await rig.claim({ lane: { kind: 'github', workflow: 'build.yml', inputs } });
    const attempt = rig.begin(claim);
    const run = await known(claim.job.id);
    expect(run).toMatchObject({ headBranch: 'topic', inputs: { suffix: shaA, push: 'true' } });
    await rig.github.moveJob(run, 'build (amd64)', { status: 'queued' });
    await expect.poll(() => rig.log(claim)).toContain('waits for a runner');
    await rig.github.move(run, { status: 'in_progress' });
    await rig.github.moveJob(run, 'build (amd64)', { status: 'in_progress', runner: 'hearth-1' });
    await expect.poll(() => rig.log(claim)).toContain('runs on hearth-1');
    await rig.github.moveJob(run, 'build (amd64)', { status: 'completed', conclusion: 'success' });
    await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    const finish = await attempt.finish;
    const log = await rig.log(claim);
    expect(finish?.outcome).toEqual({ result: 'success', reason: 'exit', message: 'success on GitHub' });
    expect(finish?.evidence).toMatchObject({
      ...{ exitCode: 0, logBytes: Buffer.byteLength(log), droppedBytes: 0 },
      workflow: { runId: run.id, attempt: 1, url: run.url, conclusion: 'success' },
    });
    expect(finish?.outputs).toEqual({ conclusion: 'success', 'run-id': String(run.id), url: run.url });
    expect(log.split('\n')).toEqual([
      'workflow build.yml at topic (aaaaaaa)',
      `  suffix: "${shaA}"`,
      '  push: "true"',
      `run ${run.id}: ${run.url}`,
      expect.stringMatching(/^build \(amd64\): waits for a runner {2}http/),
      expect.stringMatching(/^build \(amd64\): runs on hearth-1 {2}http/),
      expect.stringMatching(/^build \(amd64\): success on hearth-1 after 61 s {2}http/),
      'conclusion: success',
      '',
    ]);
    expect(attempt.started).toHaveLength(1);
    expect(rig.errors).toEqual([]);
  });

  it('that failed there is a failure which names the job, with evidence and outputs', async () => {
    const claim = await rig.claim();
    const attempt = rig.begin(claim);
    const run = await known(claim.job.id);
    await rig.github.moveJob(run, 'test hidden', { status: 'completed', conclusion: 'failure' });
    await rig.github.move(run, { status: 'completed', conclusion: 'failure' });
    const finish = await attempt.finish;
    expect(finish).toMatchObject({
      outcome: { result: 'failure', reason: 'exit', message: 'failed on GitHub: "test ***"' },
      evidence: { exitCode: 1, workflow: { conclusion: 'failure' } },
      outputs: { conclusion: 'failure' },
    });
    expect(await rig.log(claim)).not.toContain('hidden');
  });

  it('ends also when no webhook arrives, since GitHub is asked now and then', async () => {
    rig.github.tells = false;
    const claim = await rig.claim();
    const attempt = rig.begin(claim, { askMs: 20 });
    const run = await known(claim.job.id);
    await rig.github.moveJob(run, 'build', { status: 'in_progress', runner: 'r' });
    await expect.poll(() => rig.log(claim)).toContain('runs on r');
    await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    expect((await attempt.finish)?.outcome.result).toBe('success');
  });

  it('takes no silence or failure of the API for an end', async () => {
    rig.github.tells = false;
    const claim = await rig.claim();
    const attempt = rig.begin(claim, { askMs: 10 });
    const run = await known(claim.job.id);
    rig.github.trouble = () => ({ status: 503 });
    await expect.poll(() => rig.log(claim)).toContain('GitHub answered 503');
    rig.github.trouble = () => ({ status: 404 });
    await expect.poll(() => rig.log(claim)).toContain('GitHub answered 404');
    rig.github.trouble = () => 'lost';
    await expect.poll(() => rig.log(claim)).toContain('could not be reached');
    rig.github.trouble = undefined;
    await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    expect((await attempt.finish)?.outcome.result).toBe('success');
  });

  it('waits as long as GitHub asks for, and goes by the webhooks meanwhile', async () => {
    const claim = await rig.claim();
    const attempt = rig.begin(claim, { askMs: 10 });
    const run = await known(claim.job.id);
    rig.github.trouble = () => ({ status: 429, headers: { 'retry-after': '3600' } });
    await expect.poll(() => rig.log(claim)).toContain('GitHub answered 429');
    const asked = rig.github.calls.length;
    await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    expect((await attempt.finish)?.outcome.result).toBe('success');
    expect(rig.github.calls.length).toBe(asked);
  });

  it('is cancelled there when it is to end here, and ends once it is over there', async () => {
    const claim = await rig.claim();
    const attempt = rig.begin(claim);
    const run = await known(claim.job.id);
    attempt.stop(supersededBy(shaB));
    await expect.poll(() => calledTimes('/cancel')).toBe(1);
    await rig.github.move(run, { status: 'completed', conclusion: 'cancelled' });
    expect(await attempt.finish).toMatchObject({
      outcome: { result: 'cancelled', reason: 'superseded' },
      evidence: { workflow: { conclusion: 'cancelled' } },
    });
  });

  it('ends as asked when GitHub does not end it in time, and says so', async () => {
    const claim = await rig.claim();
    const attempt = rig.begin(claim, { cancelMs: 100 });
    const run = await known(claim.job.id);
    attempt.stop(supersededBy(shaB));
    expect(await attempt.finish).toMatchObject({ outcome: { reason: 'superseded' }, evidence: null });
    expect(await rig.log(claim)).toContain(`GitHub has not ended the run yet: ${run.url}`);
  });

  it('is cancelled when its time is over, counted from its beginning there', async () => {
    const claim = await rig.claim({ timeoutMs: 300 });
    const attempt = rig.begin(claim);
    const run = await known(claim.job.id);
    await expect.poll(() => calledTimes('/cancel')).toBe(1);
    await rig.github.move(run, { status: 'completed', conclusion: 'cancelled' });
    expect((await attempt.finish)?.outcome).toEqual({
      ...{ result: 'failure', reason: 'timeout', message: 'timed out after 0.3 s' },
    });
  });

  it('whose branch has moved on is cancelled, and says nothing about this commit', async () => {
    rig.github.heads.set('topic', shaB);
    const claim = await rig.claim();
    const attempt = rig.begin(claim);
    const run = await known(claim.job.id);
    await expect.poll(() => calledTimes('/cancel')).toBe(1);
    await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    const finish = await attempt.finish;
    expect(finish).toMatchObject({ outcome: { result: 'error', reason: 'config' }, evidence: null, outputs: {} });
    expect(finish?.outcome.message).toMatch(/^topic was at bbbbbbb and not at aaaaaaa/);
  });
});

describe('GitHub is asked at most once', () => {
  it('when the process ended before its answer came: the one run that fits is taken', async () => {
    rig.github.trouble = (call) => (call.endsWith('/dispatches') ? 'lost' : undefined);
    const claim = await rig.claim();
    const first = rig.begin(claim);
    const run = await begun();
    await first.leave();
    const second = rig.begin(claim);
    await known(claim.job.id);
    await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    expect((await second.finish)?.outcome.result).toBe('success');
    expect(dispatches()).toBe(1);
  });

  it('when the process ended while it was followed: the next one goes on, and no line is written twice', async () => {
    const claim = await rig.claim();
    const first = rig.begin(claim);
    const run = await known(claim.job.id);
    await rig.github.moveJob(run, 'build', { status: 'in_progress', runner: 'r' });
    await expect.poll(() => rig.log(claim)).toContain('runs on r');
    await first.leave();
    expect(await first.finish).toBeUndefined();
    const second = rig.begin(claim);
    await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    expect((await second.finish)?.outcome.result).toBe('success');
    expect(second.started).toEqual(first.started);
    const lines = (await rig.log(claim)).split('\n');
    expect(lines.filter((line, index) => lines.indexOf(line) !== index)).toEqual([]);
    expect(dispatches()).toBe(1);
  });

  it('unless the first asking has left no trace for as long as it takes to be listed', async () => {
    let isFirst = true;
    rig.github.trouble = (call) => {
      if (!call.endsWith('/dispatches') || !isFirst) return undefined;
      isFirst = false;
      return { status: 502 };
    };
    const claim = await rig.claim();
    const attempt = rig.begin(claim, { settleMs: 50 });
    const run = await known(claim.job.id);
    await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    expect((await attempt.finish)?.outcome.result).toBe('success');
    expect(dispatches()).toBe(2);
    expect(rig.github.runs).toHaveLength(1);
  });

  it('and when the second leaves none either, it is an error that links to the workflow', async () => {
    rig.github.trouble = (call) => (call.endsWith('/dispatches') ? { status: 502 } : undefined);
    const claim = await rig.claim({ retry: { max: 3, when: ['infra', 'exit'] } });
    const finish = await rig.begin(claim, { settleMs: 30 }).finish;
    expect(finish?.outcome).toMatchObject({ result: 'error', reason: 'forge' });
    expect(finish?.outcome.message).toContain(
      `${rig.github.url}/${repo.owner}/${repo.name}/actions/workflows/build.yml`,
    );
    expect(dispatches()).toBe(2);
  });

  it('when two runs could be it: it is an error, and neither is taken', async () => {
    rig.github.trouble = (call) => {
      if (!call.endsWith('/dispatches')) return undefined;
      rig.github.dispatchByHand('topic');
      return 'lost';
    };
    const finish = await rig.begin(await rig.claim()).finish;
    expect(finish?.outcome).toMatchObject({ result: 'error', reason: 'forge' });
    expect(finish?.outcome.message).toMatch(/cannot be told which run it is/);
    expect(dispatches()).toBe(1);
  });

  it('by a server that does not say which run it has begun: it is found among the runs, and what was there before is not', async () => {
    rig.github.tellsRun = false;
    rig.github.dispatchByHand('topic');
    const claim = await rig.claim();
    const attempt = rig.begin(claim);
    await expect.poll(async () => (await rig.store.dispatchOf(claim.job.id, 1))?.run).not.toBeFalsy();
    const run = rig.github.runs[1];
    if (run === undefined) throw new Error('no run');
    await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    expect((await attempt.finish)?.evidence?.workflow?.runId).toBe(run.id);
  });

  it('also for several jobs of one workflow on such a server: each gets a run of its own', async () => {
    rig.github.tellsRun = false;
    // The second could ask meanwhile, and then nobody could tell the runs apart.
    let silentUntil = Infinity;
    rig.github.trouble = (call) => {
      if (rig.github.runs.length > 0) silentUntil = Math.min(silentUntil, performance.now() + 1_500);
      return call.startsWith('GET') && performance.now() < silentUntil && silentUntil < Infinity
        ? { status: 503 }
        : undefined;
    };
    const claims = [
      await rig.claim({}, { sha: shaA, pipeline: 'one' }),
      await rig.claim({}, { sha: shaA, pipeline: 'two' }),
    ];
    const both = rig.beginAll(claims);
    await expect.poll(() => rig.github.runs.length, { timeout: 8_000 }).toBe(2);
    for (const run of rig.github.runs) await rig.github.move(run, { status: 'completed', conclusion: 'success' });
    const ids = (await Promise.all(both.map(({ finish }) => finish))).map((one) => one?.evidence?.workflow?.runId);
    expect(ids.toSorted()).toEqual(rig.github.runs.map(({ id }) => id).toSorted());
  });

  it('by a job that was told to end before, not at all', async () => {
    rig.github.trouble = (call) => (call.startsWith('GET') ? { status: 503 } : undefined);
    const claim = await rig.claim();
    const attempt = rig.begin(claim);
    await expect.poll(() => rig.log(claim)).toContain('GitHub answered 503');
    attempt.stop(supersededBy(shaB));
    expect((await attempt.finish)?.outcome.reason).toBe('superseded');
    expect(dispatches()).toBe(0);
  });

  it('again after a refusal that passes, since nothing was begun', async () => {
    let refusals = 0;
    rig.github.trouble = (call) =>
      call.endsWith('/dispatches') && refusals++ === 0 ? { status: 429, headers: { 'retry-after': '0' } } : undefined;
    const claim = await rig.claim();
    rig.begin(claim);
    await known(claim.job.id);
    expect(dispatches()).toBe(2);
    expect(rig.github.runs).toHaveLength(1);
  });
});

describe('what cannot be asked is an error that says what to do', () => {
  const messageOf = async (claim: Awaited<ReturnType<LaneRig['claim']>>): Promise<string> => {
    const finish = await rig.begin(claim).finish;
    expect(finish).toMatchObject({ outcome: { result: 'error', reason: 'config' }, evidence: null });
    expect(await rig.log(claim)).toContain(finish?.outcome.message);
    return finish?.outcome.message ?? '';
  };

  it('a file that is not there', async () => {
    const claim = await rig.claim({ lane: { kind: 'github', workflow: 'absent.yml', inputs: {} } });
    expect(await messageOf(claim)).toMatch(/404.*Put \.github\/workflows\/absent\.yml on the default branch/);
  });

  it('a branch that is not there', async () => {
    rig.github.heads.clear();
    expect(await messageOf(await rig.claim())).toMatch(/422: No ref found for: topic\. Mend .*workflow_dispatch/);
  });

  it('a credential that may not', async () => {
    rig.github.trouble = (call) => (call.endsWith('/dispatches') ? { status: 403 } : undefined);
    expect(await messageOf(await rig.claim())).toMatch(/403.*Actions: read and write/);
  });

  it('no credential', async () => {
    await rig[Symbol.asyncDispose]();
    rig = await makeLaneRig({ token: null });
    expect(await messageOf(await rig.claim())).toMatch(/set GITHUB_TOKEN, or .* to run jobs with "lane: github"/);
    expect(rig.github.calls).toEqual([]);
  });

  it("a fork's pull request", async () => {
    expect(await messageOf(await rig.claim({}, { trust: 'T3', prNumber: 3 }))).toMatch(/fork's pull request/);
    expect(rig.github.calls).toEqual([]);
  });

  it('an input that cannot be evaluated', async () => {
    const lane = { kind: 'github' as const, workflow: 'build.yml', inputs: { a: "${{ fromJSON('{') }}" } };
    expect(await messageOf(await rig.claim({ lane }))).toMatch(/^inputs\.a: /);
  });
});

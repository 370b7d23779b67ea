import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { approve } from '../../src/cli/approve.ts';
import { cancel } from '../../src/cli/cancel.ts';
import { Complaint, type VerbContext } from '../../src/cli/exit.ts';
import { logs } from '../../src/cli/logs.ts';
import { rerun } from '../../src/cli/rerun.ts';
import { runs } from '../../src/cli/runs.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import type { Store } from '../../src/core/ports.ts';
import { openJobLogs } from '../../src/store/job-logs.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { adminToken, startHttpRig, type HttpRig } from '../support/http-rig.ts';
import { startEngineRig, type EngineRig } from '../support/engine-rig.ts';

const failure: Outcome = { result: 'failure', reason: 'exit', message: 'test: exit 3', exitCode: 3 };
let data: string;
let store: Store;
let rig: EngineRig;
let live: number;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'hearth-cli-'));
  store = await openSqliteStore(join(data, 'hearth.db'));
  rig = await startEngineRig({ store: { ...store, close: () => Promise.resolve() } });
  const ended = await rig.run({ build: [], test: [] });
  (await rig.executor.next('build')).end();
  (await rig.executor.next('test')).end(failure);
  const { jobs } = await rig.finished(ended);
  for (const job of jobs) {
    const log = await openJobLogs(data).open(ended, job.id, 1);
    await log.append(Buffer.from(`output of ${job.name}\n`));
    await log.finish();
    await log.close();
  }
  const broken: Outcome = { result: 'error', reason: 'config', message: '.hearth/main.yml:3:1: Unknown key oops.' };
  await rig.run({}, { sha: 'd'.repeat(40), planned: { pipeline: 'broken', outcome: broken } });
  live = await rig.run({ slow: [], slower: [] }, { sha: 'b'.repeat(40) });
  await rig.executor.next('slow');
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await store.close();
  await rm(data, { recursive: true, force: true });
});

function verb(environment: Readonly<Record<string, string>> = {}): {
  readonly context: VerbContext;
  said(): string;
  complained(): string;
} {
  let said = '';
  let complained = '';
  return {
    said: () => said,
    complained: () => complained,
    context: {
      cwd: data,
      json: false,
      environment: {
        HEARTH_DATA: data,
        HEARTH_WEBHOOK_SECRET: 'a-secret-of-some-length',
        HEARTH_REPOS: 'octo/*',
        ...environment,
      },
      write: (text) => (said += typeof text === 'string' ? text : Buffer.from(text).toString()),
      complain: (line) => (complained += `${line}\n`),
      interrupted: new AbortController().signal,
    },
  };
}

describe('hearth runs', () => {
  it('lists runs, newest first, with what became of them', async () => {
    const { context, said } = verb();
    expect(await runs({ limit: 20 }, context)).toBe(0);
    const lines = said().trim().split('\n');
    expect(lines[0]).toMatch(/^run +commit +repository/);
    expect(lines[1]).toMatch(/^3 +bbbbbbb +octo\/hello +main +main +running +2 +[\d.]+ s +\d{4}-/);
    expect(lines[2]).toMatch(/^2 +ddddddd .* error \(config\) .*Unknown key oops/);
    expect(lines[3]).toMatch(/^1 +aaaaaaa .* failure +2 /);
  });

  it('prints one JSON value with -o json', async () => {
    const { context, said } = verb();
    await runs({ limit: 20 }, { ...context, json: true });
    expect((JSON.parse(said()) as { runs: { id: number }[] }).runs.map(({ id }) => id)).toEqual([3, 2, 1]);
  });

  it('says what to do when there are none, and exits 3', async () => {
    const { context, complained } = verb();
    expect(await runs({ limit: 20, repo: 'octo/other' }, context)).toBe(3);
    expect(complained()).toContain('hearth run');
  });

  it('reports every problem with the settings at once', async () => {
    const { context } = verb({ HEARTH_WEBHOOK_SECRET: '', HEARTH_REPOS: '', HEARTH_SLOTS: 'many' });
    const trouble: unknown = await runs({ limit: 20 }, context).catch((error: unknown) => error);
    expect(trouble).toBeInstanceOf(Complaint);
    expect(trouble).toMatchObject({
      exit: 2,
      message: expect.stringMatching(
        /HEARTH_SLOTS[^]*HEARTH_WEBHOOK_SECRET[^]*HEARTH_REPOS|HEARTH_WEBHOOK_SECRET[^]*HEARTH_REPOS[^]*HEARTH_SLOTS/,
      ) as string,
    });
  });

  it('refuses a HEARTH_URL that is none', async () => {
    const trouble: unknown = await runs({ limit: 20 }, verb({ HEARTH_URL: '127.0.0.1:9' }).context).catch(
      (error: unknown) => error,
    );
    expect(trouble).toMatchObject({ exit: 2, message: expect.stringContaining('http://') as string });
  });

  it('says so when no daemon answers at HEARTH_URL, and exits 3', async () => {
    const trouble: unknown = await runs({ limit: 20 }, verb({ HEARTH_URL: 'http://127.0.0.1:9' }).context).catch(
      (error: unknown) => error,
    );
    expect(trouble).toMatchObject({ exit: 3, message: expect.stringContaining('http://127.0.0.1:9') as string });
  });
});

describe('a Hearth somewhere else', () => {
  const publicUrl = 'https://ci.example.com/logs/hearth';
  let remote: HttpRig;
  beforeAll(async () => {
    remote = await startHttpRig({ publicUrl });
    const { run } = await remote.plan('c'.repeat(40), ['build']);
    await remote.work(run.id, 'build', 'built far away\n');
  });
  afterAll(() => remote[Symbol.asyncDispose]());
  const troubleOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

  it('is read also when people reach it below a folder of its public address', async () => {
    const { context, said } = verb({ HEARTH_URL: remote.url });
    expect(await logs('1', { follow: false, failed: false }, context)).toBe(0);
    expect(said()).toBe('built far away\n');
  });

  it('that wants its admin token says whether none was given or a wrong one', async () => {
    const none = await troubleOf(rerun('1', {}, verb({ HEARTH_URL: remote.url }).context));
    expect(none).toMatchObject({ exit: 2, message: expect.stringContaining('Set HEARTH_ADMIN_TOKEN.') as string });
    const environment = { HEARTH_URL: remote.url, HEARTH_ADMIN_TOKEN: 'a-token-of-something-else' };
    const wrong = await troubleOf(rerun('1', {}, verb(environment).context));
    expect(wrong).toMatchObject({
      exit: 2,
      message: `HEARTH_ADMIN_TOKEN is not the admin token of the Hearth at ${remote.url}. Correct it.`,
    });
  });

  it('names the run that it does not have', async () => {
    const environment = { HEARTH_URL: remote.url, HEARTH_ADMIN_TOKEN: adminToken };
    const trouble = await troubleOf(rerun('77', {}, verb(environment).context));
    expect(trouble).toMatchObject({ exit: 3, message: expect.stringContaining('There is no run 77') as string });
  });
});

describe('hearth logs', () => {
  it('prints all jobs of a run under their names', async () => {
    const { context, said } = verb();
    expect(await logs('1', { follow: false, failed: false }, context)).toBe(0);
    expect(said()).toBe(
      '--- main / build: success ---\noutput of build\n--- main / test: failure ---\noutput of test\n',
    );
  });

  it('finds a commit by the beginning of its sha, and prints only what failed', async () => {
    const { context, said } = verb();
    expect(await logs('aaaaaaa', { follow: false, failed: true }, context)).toBe(0);
    expect(said()).toBe('output of test\n');
  });

  it('prints one job alone as its log and nothing else', async () => {
    const { context, said } = verb();
    await logs('a'.repeat(40), { follow: false, failed: false, job: 'build' }, context);
    expect(said()).toBe('output of build\n');
  });

  it('tell why a run ended that never had jobs', async () => {
    const { context, said } = verb();
    expect(await logs('ddddddd', { follow: false, failed: false }, context)).toBe(0);
    expect(said()).toBe('--- broken: error: .hearth/main.yml:3:1: Unknown key oops. ---\n');
  });

  it.each(['99', 'c'.repeat(40), 'not-a-sha'])('exits 3 for %s, which is not there', async (target) => {
    const { context, complained } = verb();
    expect(await logs(target, { follow: false, failed: false }, context)).toBe(3);
    expect(complained()).toContain('hearth runs');
  });
});

describe('hearth cancel', () => {
  it('refuses what is not the number of a run', async () => {
    expect(await cancel('main', undefined, verb().context)).toBe(2);
  });

  it.each([
    ['77', undefined, 'There is no run 77'],
    ['1', 'nosuch', 'Run 1 has no job nosuch; its jobs: build, test.'],
  ])('says what is not there: %s %s', async (run, job, message) => {
    const { context, complained } = verb();
    expect(await cancel(run, job, context)).toBe(3);
    expect(complained()).toContain(message);
  });

  it('says that a run is over already', async () => {
    const trouble: unknown = await cancel('1', undefined, verb().context).catch((error: unknown) => error);
    expect(trouble).toMatchObject({ message: expect.stringContaining('finished already') as string });
  });

  it('stops a job that runs and ends one that waits', async () => {
    expect(await cancel(String(live), 'slow', verb().context)).toBe(0);
    expect(await cancel(String(live), undefined, verb().context)).toBe(0);
    rig.wake();
    const { run, jobs } = await rig.finished(live);
    expect(run.outcome).toMatchObject({ result: 'cancelled', reason: 'cancelled_by' });
    expect(jobs.map(({ outcome }) => outcome?.reason)).toEqual(['cancelled_by', 'cancelled_by']);
  });
});

describe('hearth rerun', () => {
  it.each([
    ['main', {}, 'is not the number of a run'],
    ['1', { failed: true, job: 'test' }, 'not both'],
  ])('refuses %s with %o', async (run, options, message) => {
    const { context, complained } = verb();
    expect(await rerun(run, options, context)).toBe(2);
    expect(complained()).toContain(message);
  });

  it.each([
    ['77', {}, 3, 'There is no run 77'],
    ['1', { job: 'nosuch' }, 3, 'Run 1 has no job nosuch; its jobs: build, test.'],
    ['2', {}, 2, 'ended before it had jobs'],
  ])('says why %s cannot be run again with %o', async (run, options, exit, message) => {
    const trouble: unknown = await rerun(run, options, verb().context).catch((error: unknown) => error);
    expect(trouble).toMatchObject({ exit, message: expect.stringContaining(message) as string });
  });

  it('runs what failed again and shows the log of the rest from the run in which it was seen', async () => {
    const { context, said } = verb();
    expect(await rerun('1', { failed: true }, context)).toBe(0);
    expect(said()).toBe('Run 4 repeats run 1: test\n');
    rig.wake();
    (await rig.executor.next('test')).end();
    const { run } = await rig.finished(4);
    expect(run.outcome).toMatchObject({ result: 'success', message: '2 jobs passed' });
    const log = verb();
    await logs('4', { follow: false, failed: false, job: 'build' }, log.context);
    expect(log.said()).toBe('output of build\n');
  });
});

describe('hearth approve', () => {
  const config = { sha: 'e'.repeat(40), branch: 'main', trust: 'T1' as const, ignored: ['.hearth/ci.yml'] };
  const planned = { trust: 'T4' as const, prNumber: 5, config };

  it('refuses what is no run or no sha in full, all at once', async () => {
    const { context, complained } = verb();
    expect(await approve('main', 'abc1234', context)).toBe(2);
    expect(complained()).toMatch(/main is not the number of a run[^]*abc1234 is not a sha in full/);
    expect(await approve('77', 'f'.repeat(40), context)).toBe(3);
  });

  it('refuses another sha than the run has', async () => {
    const waiting = await rig.run({ a: [] }, { sha: 'f'.repeat(40), planned: { ...planned, sha: 'f'.repeat(40) } });
    const trouble: unknown = await approve(String(waiting), 'a'.repeat(40), verb().context).catch(
      (error: unknown) => error,
    );
    expect(trouble).toMatchObject({ exit: 2, message: expect.stringContaining('f'.repeat(40)) as string });
  });

  it('lets the run run, and says which changes of the fork have no effect', async () => {
    const waiting = await rig.run({ mine: [] }, { sha: 'c'.repeat(40), planned });
    const { context, said } = verb();
    expect(await approve(String(waiting), 'C'.repeat(40), context)).toBe(0);
    expect(said()).toBe(`Run ${waiting}: approved.\nChanges of the fork that have no effect: .hearth/ci.yml.\n`);
    rig.wake();
    (await rig.executor.next('mine')).end();
    expect((await rig.finished(waiting)).run).toMatchObject({ outcome: { result: 'success' }, trust: 'T3' });
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import { decide } from '../src/core/schedule/schedule.ts';
import { cancelledBy, error, type Outcome } from '../src/core/outcome.ts';
import type { Store } from '../src/core/ports.ts';
import { StoreUnavailable } from '../src/core/store-trouble.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';
import { startEngineRig, type EngineRig } from './support/engine-rig.ts';

const failure: Outcome = { result: 'failure', reason: 'exit', message: 'run: exit 1', exitCode: 1 };
const rigs: EngineRig[] = [];

async function start(options: Parameters<typeof startEngineRig>[0] = {}): Promise<EngineRig> {
  const rig = await startEngineRig(options);
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) {
    await rig[Symbol.asyncDispose]();
    expect(rig.errors).toEqual([]);
  }
});

function outcomes(found: Awaited<ReturnType<EngineRig['finished']>>): Record<string, string> {
  return Object.fromEntries(found.jobs.map((job) => [job.name, `${job.outcome?.result}/${job.outcome?.reason}`]));
}

describe('a run', () => {
  it('starts a job only after everything it waits for has passed', async () => {
    const rig = await start();
    const id = await rig.run({ lint: [], build: [], test: ['lint', 'build'] });
    const [lint, build] = [await rig.executor.next('lint'), await rig.executor.next('build')];
    lint.end();
    rig.wake();
    expect(rig.executor.starts).toEqual(['lint', 'build']);
    build.end();
    (await rig.executor.next('test')).end();
    const found = await rig.finished(id);
    expect(found.run.outcome).toMatchObject({ result: 'success', message: '3 jobs passed' });
    expect(found.jobs.every((job) => job.evidence !== null && job.timings.startedAt !== null)).toBe(true);
    await expect.poll(() => rig.executor.released).toHaveLength(3);
  });

  it('skips what needs a job that failed, down to the last of them', async () => {
    const rig = await start();
    const id = await rig.run({ build: [], test: ['build'], deploy: ['test'], docs: [] });
    (await rig.executor.next('build')).end(failure);
    (await rig.executor.next('docs')).end();
    expect(outcomes(await rig.finished(id))).toEqual({
      build: 'failure/exit',
      test: 'skipped/need_failed',
      deploy: 'skipped/need_failed',
      docs: 'success/exit',
    });
  });

  it('tries a job again as often as its pipeline says, each time from the start', async () => {
    const rig = await start();
    const retry = { max: 2, when: ['exit'] as const };
    const id = await rig.run({ flaky: [], after: ['flaky'] }, { spec: (name) => (name === 'flaky' ? { retry } : {}) });
    (await rig.executor.next('flaky')).end(failure);
    (await rig.executor.next('flaky')).end(failure);
    (await rig.executor.next('flaky')).end();
    (await rig.executor.next('after')).end();
    const { run, jobs } = await rig.finished(id);
    expect(run.outcome?.result).toBe('success');
    expect(jobs[0]).toMatchObject({ attempt: 3, history: [{ attempt: 1 }, { attempt: 2 }] });
    await expect.poll(() => rig.executor.released).toHaveLength(4);
  });

  it('goes on past a failure that its pipeline tolerates', async () => {
    const rig = await start();
    const id = await rig.run({ lint: [], test: ['lint'] }, { spec: (name) => ({ continueOnError: name === 'lint' }) });
    (await rig.executor.next('lint')).end(failure);
    (await rig.executor.next('test')).end();
    expect((await rig.finished(id)).run.outcome?.result).toBe('success');
  });

  it('never has more jobs at once than the worker has slots', async () => {
    const rig = await start({ slots: 2 });
    const id = await rig.run({ a: [], b: [], c: [], d: [] });
    for (const name of ['a', 'b', 'c', 'd']) {
      const job = await rig.executor.next(name);
      const { jobs } = (await rig.store.findRun(id)) ?? { jobs: [] };
      expect(jobs.filter(({ state }) => state === 'running').length).toBeLessThanOrEqual(2);
      job.end();
    }
    await rig.finished(id);
  });

  it('that waits for approval starts nothing', async () => {
    const rig = await start();
    const held = await rig.run({ a: [] }, { planned: { trust: 'T4' } });
    const free = await rig.run({ b: [] }, { sha: 'b'.repeat(40) });
    (await rig.executor.next('b')).end();
    await rig.finished(free);
    expect(rig.executor.starts).toEqual(['b']);
    expect((await rig.store.findRun(held))?.run.state).toBe('queued');
  });
});

describe('cancelling', () => {
  it('a run stops its running jobs and ends those that wait', async () => {
    const rig = await start();
    const id = await rig.run({ build: [], test: ['build'] });
    const build = await rig.executor.next('build');
    expect(await rig.store.cancel(id, null, cancelledBy('mona'), new Date())).toBe('cancelled');
    rig.wake();
    expect(await build.stopped).toMatchObject({ reason: 'cancelled_by' });
    expect(outcomes(await rig.finished(id))).toEqual({
      build: 'cancelled/cancelled_by',
      test: 'cancelled/cancelled_by',
    });
  });

  it('one job leaves the others alone', async () => {
    const rig = await start();
    const id = await rig.run({ a: [], b: [] });
    const [a, b] = [await rig.executor.next('a'), await rig.executor.next('b')];
    await rig.store.cancel(id, 'a', cancelledBy('mona'), new Date());
    rig.wake();
    await a.stopped;
    b.end();
    expect(outcomes(await rig.finished(id))).toEqual({ a: 'cancelled/cancelled_by', b: 'success/exit' });
  });
});

describe('a worker that goes away', () => {
  it('leaves its jobs to the next process, which takes up the same attempt', async () => {
    const first = await start();
    const store = { ...first.store, close: () => Promise.resolve() };
    const id = await first.run({ a: [] });
    const job = await first.executor.next('a');
    const second = await start({ store });
    const again = await second.executor.next('a');
    expect(again.claim.job.attempt).toBe(job.claim.job.attempt);
    again.end();
    await second.finished(id);
    // The old process is late: its word is refused.
    job.end(error('lost_slot', 'late'));
    expect((await second.finished(id)).run.outcome?.result).toBe('success');
  });

  it('loses its jobs once its lease has run out', async () => {
    const rig = await start();
    const id = await rig.run({ a: [] });
    const job = await rig.executor.next('a');
    const later = new Date(Date.now() + 120_000);

    await rig.store.apply(decide(await rig.store.snapshot(), later, 60_000), later);
    expect(outcomes(await rig.finished(id))).toEqual({ a: 'error/lost_worker' });
    // It still runs, and nobody would take its result: it is stopped.
    expect(await job.stopped).toMatchObject({ reason: 'lost_worker' });
  });
});

describe('a job that publishes an artifact', () => {
  const dist = { name: 'dist', bytes: 12, files: 2, expiresAt: new Date(Date.now() + 86_400_000) };
  const publication = { names: ['dist'], artifacts: [dist] };
  const spec = (name: string) =>
    name === 'test' ? { needs: ['build'], artifactNeeds: [{ job: 'build', artifact: 'dist' }] } : {};

  it('lets the one that waits for it start while it runs on itself', async () => {
    const rig = await start();
    const id = await rig.run({ build: [], test: ['build'] }, { spec });
    const build = await rig.executor.next('build');
    await build.publish(publication);
    const test = await rig.executor.next('test');
    expect(test.claim).toMatchObject({ artifacts: [{ name: 'dist', job: 'build', attempt: 1 }] });
    expect(test.claim.needs).toEqual({ build: { result: '', outputs: {} } });
    test.end();
    build.end();
    expect(outcomes(await rig.finished(id))).toEqual({ build: 'success/exit', test: 'success/exit' });
  });

  it('makes the run red when it fails after that, though the other one passed', async () => {
    const rig = await start();
    const id = await rig.run({ build: [], test: ['build'] }, { spec });
    const build = await rig.executor.next('build');
    await build.publish(publication);
    (await rig.executor.next('test')).end();
    build.end(failure);
    const found = await rig.finished(id);
    expect(outcomes(found)).toEqual({ build: 'failure/exit', test: 'success/exit' });
    expect(found.run.outcome).toMatchObject({ result: 'failure' });
  });

  it('waits until the store took it, and gets no further before', async () => {
    const real = await openSqliteStore(':memory:');
    let refusals = 2;
    const store: Store = {
      ...real,
      publishArtifacts: (...args) =>
        refusals-- > 0 ? Promise.reject(new StoreUnavailable('busy')) : real.publishArtifacts(...args),
    };
    const rig = await start({ store });
    const id = await rig.run({ build: [], test: ['build'] }, { spec });
    const build = await rig.executor.next('build');
    await build.publish(publication);
    expect((await real.findRun(id))?.jobs[0]?.published).toEqual(['dist']);
    (await rig.executor.next('test')).end();
    build.end();
    expect((await rig.finished(id)).run.outcome?.result).toBe('success');
    expect(rig.errors.splice(0)).toHaveLength(2);
  });

  it('is let go of while the store does not take it', async () => {
    const real = await openSqliteStore(':memory:');
    const store: Store = { ...real, publishArtifacts: () => Promise.reject(new StoreUnavailable('busy')) };
    const rig = await startEngineRig({ store });
    await rig.run({ build: [], test: ['build'] }, { spec });
    const build = await rig.executor.next('build');
    const published = expect(build.publish(publication)).rejects.toThrow('asked to leave');
    await expect.poll(() => rig.errors).not.toHaveLength(0);
    await rig[Symbol.asyncDispose]();
    await published;
  });
});

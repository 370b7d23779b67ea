import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ArtifactSpec } from '../../src/core/pipeline/artifact-schema.ts';
import { failed, success } from '../../src/core/result.ts';
import { cancelledBy } from '../../src/core/outcome.ts';
import type { StepSpec } from '../../src/core/pipeline/pipeline.ts';
import type { Claim } from '../../src/core/ports.ts';
import type { Engine } from '../../src/docker/engine.ts';
import { openLayers } from '../../src/docker/layers.ts';
import { publishOf, type PublishParts } from '../../src/docker/publish.ts';
import { SlotLost, type Slot } from '../../src/docker/slot.ts';
import type { Workspaces } from '../../src/docker/workspace.ts';
import { openExecutorRig, type Execution, type ExecutorRig } from '../support/executor-rig.ts';
import { makeStep } from '../support/make.ts';

const exec = promisify(execFile);
const DAY = 86_400_000;

let rig: ExecutorRig;

beforeAll(async () => {
  rig = await openExecutorRig();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.errors).toEqual([]);
});

const artifact = (name: string, change: Partial<ArtifactSpec> = {}): ArtifactSpec => ({
  ...{ name, paths: [name], when: 'success', expireMs: DAY, isOptional: false, isJunit: false },
  ...change,
});
const publishing = (run: string, change: Partial<StepSpec> = {}): StepSpec =>
  makeStep(run, { name: 'publisher', publish: ['dist'], ...change });

function wanted(steps: readonly StepSpec[], artifacts: readonly ArtifactSpec[] = [artifact('dist')]): Claim {
  return rig.claim('', { spec: { steps, artifacts } });
}

const publishedBy = ({ job }: Claim) =>
  rig.publications.filter((one) => one.job === job.id).map(({ publication }) => publication);

/** What a job after it finds. */
async function seenAfter({ run, job }: Claim, names: readonly string[], script: string): Promise<Execution> {
  const of = { runId: run.id, jobId: job.id, attempt: 1, job: 'build' };
  const after = rig.claim(script);
  const artifacts = names.map((name) => ({ ...of, name, bytes: 0, files: 0, expiresAt: new Date(Date.now() + DAY) }));
  return rig.execute({ ...after, artifacts });
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

describe('a step that publishes', () => {
  it('has its artifacts kept as they are then, and once', async () => {
    const claim = wanted(
      [
        publishing('mkdir dist; echo one >dist/a'),
        makeStep('echo two >dist/a; mkdir map; echo m >map/a', { name: 'last' }),
      ],
      [artifact('dist'), artifact('map')],
    );
    const { finish, log } = await rig.execute(claim);
    expect(finish.outcome).toMatchObject({ result: 'success' });
    expect(publishedBy(claim)).toMatchObject([{ names: ['dist'], artifacts: [{ name: 'dist', files: 1, bytes: 4 }] }]);
    expect(finish.artifacts).toMatchObject([{ name: 'dist', bytes: 4 }, { name: 'map' }]);
    expect(log).toBe(
      '▸ publisher\nhearth: published artifacts.dist: 1 file, 4 bytes\n▸ last\nhearth: kept artifacts.map: 1 file, 2 bytes\n',
    );
    expect((await seenAfter(claim, ['dist', 'map'], 'cat dist/a map/a')).log).toContain('one\nm\n');
  });

  it('has nothing that it left running write meanwhile', async () => {
    const claim = wanted([
      publishing(
        'mkdir dist; for i in $(seq 40); do head -c 4000000 /dev/urandom >dist/b$i; done; echo 0 >dist/a; echo 0 >dist/z; ' +
          '(i=0; while :; do i=$((i+1)); echo $i >dist/a.new; mv dist/a.new dist/a; echo $i >dist/z.new; mv dist/z.new dist/z; done) >/dev/null 2>&1 &',
      ),
      makeStep('before=$(cat dist/a); sleep 0.2; test $(cat dist/a) -gt $before && echo it goes on', { name: 'last' }),
    ]);
    const { finish, log } = await rig.execute(claim);
    expect(finish.outcome).toMatchObject({ result: 'success' });
    expect(log).toContain('it goes on\n');
    const { log: seen } = await seenAfter(claim, ['dist'], 'echo $(cat dist/a) $(cat dist/z)');
    const [a = 0, z = 100] = (/^(\d+) (\d+)$/m.exec(seen) ?? []).slice(1).map(Number);
    expect(Math.abs(a - z), seen).toBeLessThanOrEqual(1);
  });

  it('publishes nothing when it failed, is tolerated, or was left out; the end of the job keeps it then', async () => {
    const failing = wanted([publishing('mkdir dist; exit 3')]);
    expect((await rig.execute(failing)).finish.artifacts).toEqual([]);
    const tolerated = wanted([publishing('mkdir dist; exit 3', { continueOnError: true })]);
    expect((await rig.execute(tolerated)).finish.artifacts).toMatchObject([{ name: 'dist' }]);
    const skipped = wanted([makeStep('mkdir dist'), publishing('true', { condition: 'false' })]);
    expect((await rig.execute(skipped)).finish.artifacts).toMatchObject([{ name: 'dist' }]);
    for (const claim of [failing, tolerated, skipped]) expect(publishedBy(claim)).toEqual([]);
  });

  it('keeps what it published when a later step fails', async () => {
    const claim = wanted([publishing('mkdir dist; echo one >dist/a'), makeStep('exit 3', { name: 'last' })]);
    const { finish } = await rig.execute(claim);
    expect(finish).toMatchObject({ outcome: { result: 'failure', message: 'last: exit 3' }, artifacts: [] });
    expect(publishedBy(claim)).toMatchObject([{ names: ['dist'] }]);
    expect((await seenAfter(claim, ['dist'], 'cat dist/a')).log).toContain('one\n');
  });

  it('makes an error of the job when nothing matches; steps that run always still do', async () => {
    const claim = wanted([
      publishing('true', { continueOnError: true }),
      makeStep('echo never', { name: 'next' }),
      makeStep('mkdir dist; echo tidy', { name: 'last', condition: 'always()' }),
    ]);
    const { finish, log } = await rig.execute(claim);
    const message = 'artifacts.dist: nothing matches dist; correct `paths`, or say `optional: true`';
    expect(finish.outcome).toEqual({ result: 'error', reason: 'config', message });
    expect(log).toContain(`hearth: ${message}\n▸ next (left out: an earlier step failed)\n▸ last\ntidy\n`);
    expect(publishedBy(claim)).toEqual([]);
  });

  it('publishes an optional artifact of which nothing is there, and what comes later is none of it', async () => {
    const claim = wanted(
      [publishing('true'), makeStep('mkdir dist', { name: 'last' })],
      [artifact('dist', { isOptional: true })],
    );
    const { finish } = await rig.execute(claim);
    expect(finish).toMatchObject({ outcome: { result: 'success' }, artifacts: [] });
    expect(publishedBy(claim)).toEqual([{ names: ['dist'], artifacts: [] }]);
  });

  it('has its JUnit reports read at the end, as they were published', async () => {
    const report = '<testsuite><testcase name=\\"a\\"/></testsuite>';
    const claim = wanted(
      [publishing(`mkdir dist; echo "${report}" >dist/a.xml`), makeStep('echo broken >dist/a.xml')],
      [artifact('dist', { isJunit: true })],
    );
    const { finish } = await rig.execute(claim);
    expect(finish).toMatchObject({ outcome: { result: 'success' }, tests: { total: 1, failed: 0 } });
  });
});

describe('the next process', () => {
  it('tells it once more, and keeps to what was there when it was published', async () => {
    const claim = wanted(
      [
        publishing('mkdir dist; echo one >dist/a', { publish: ['dist', 'late'] }),
        makeStep('echo two >dist/a; mkdir late; echo changed; sleep 1; echo end', { name: 'last' }),
      ],
      [artifact('dist'), artifact('late', { isOptional: true })],
    );
    await (await rig.begin(claim, 'changed')).leave();
    await rig.restart([claim]);
    const { finish, log } = await rig.execute(claim);
    expect(log.match(/^end$/gm)).toHaveLength(1);
    const [first, again, ...others] = publishedBy(claim);
    expect(first).toMatchObject({ names: ['dist', 'late'], artifacts: [{ name: 'dist', bytes: 4 }] });
    expect(again).toEqual(first);
    expect(others).toEqual([]);
    expect(finish.artifacts).toMatchObject([{ name: 'dist', bytes: 4 }]);
    expect((await seenAfter(claim, ['dist'], 'cat dist/a; ls')).log).toContain('one\n');
  });

  it.each(['captured', 'not captured'])('lets a slot go on that was left frozen, its artifact %s', async (captured) => {
    const claim = wanted([
      publishing(
        'mkdir dist; echo one >dist/a; echo waiting; while ! test -e /tmp/go; do sleep 0.05; done; rm /tmp/go',
      ),
      makeStep('echo two >dist/a', { name: 'last' }),
    ]);
    await (await rig.begin(claim, 'waiting')).leave();
    const { directory, container } = await slotOf(claim);
    await exec('docker', ['exec', container, 'touch', '/tmp/go']);
    await expect.poll(() => isThere(join(directory, '1/rc')), { timeout: 10_000 }).toBe(true);
    await exec('docker', ['pause', container]);
    const kept = join(rig.data, 'artifacts/10/T1', `${claim.run.id}-${claim.job.id}-1-64697374`);
    if (captured === 'captured') {
      await mkdir(join(kept, 'dist'), { recursive: true });
      await exec('sh', ['-c', `echo captured >${kept}/dist/a`]);
    }
    await rig.restart([claim]);
    const { finish } = await rig.execute(claim);
    expect(finish).toMatchObject({ outcome: { result: 'success' }, artifacts: [{ name: 'dist' }] });
    const content = captured === 'captured' ? 'captured\n' : 'one\n';
    expect(await readFile(join(kept, 'dist/a'), 'utf8')).toBe(content);
  });
});

it.each([1, 2])('a slot that was left frozen after step %s goes on when its job was cancelled since', async (after) => {
  const before = after === 1 ? [] : [makeStep('echo before', { name: 'before' })];
  const claim = wanted([
    ...before,
    publishing('mkdir dist; echo waiting; while ! test -e /tmp/go; do sleep 0.05; done'),
  ]);
  const again = { ...claim, stop: cancelledBy('Mona') };
  await (await rig.begin(claim, 'waiting')).leave();
  const { directory, container } = await slotOf(claim);
  await exec('docker', ['exec', container, 'touch', '/tmp/go']);
  await expect.poll(() => isThere(join(directory, String(after), 'rc')), { timeout: 10_000 }).toBe(true);
  await exec('docker', ['pause', container]);
  await rig.restart([again]);
  const { finish, log } = await rig.execute(again, AbortSignal.abort(again.stop));
  expect(finish).toMatchObject({
    outcome: { result: 'cancelled' },
    evidence: { exitCode: expect.any(Number) as number },
  });
  expect(log).not.toContain('supervisor');
  expect(publishedBy(claim)).toEqual([]);
});

it('publishes without root as well, from a workspace that is a copy', async () => {
  const overlay = rig;
  rig = await openExecutorRig({ mode: 'auto', allow: [] }, undefined, { isRoot: false });
  try {
    expect(rig.open.workspaces.strategy).toBe('copy');
    const claim = wanted([publishing('mkdir dist; echo one >dist/a'), makeStep('echo two >dist/a', { name: 'last' })]);
    const { finish } = await rig.execute(claim);
    expect(finish).toMatchObject({ outcome: { result: 'success' }, artifacts: [{ name: 'dist' }] });
    expect(publishedBy(claim)).toMatchObject([{ names: ['dist'] }]);
    expect((await seenAfter(claim, ['dist'], 'cat dist/a')).log).toContain('one\n');
  } finally {
    await rig[Symbol.asyncDispose]();
    rig = overlay;
  }
});

describe('where a slot cannot be frozen', () => {
  async function outcomeOf(
    command: PublishParts['engine']['command'],
    stop = new AbortController().signal,
    workspaces = {} as Workspaces,
  ) {
    const directory = await mkdtemp(join(tmpdir(), 'hearth-publish-'));
    await mkdir(join(directory, 'jobs/1/1'), { recursive: true });
    const slot = { directory, record: { containerId: 'c' } } as Slot;
    const artifacts = openLayers(join(directory, 'artifacts'), 'this boot');
    const parts = { engine: { command } as Engine, thawMs: 300, workspaces, artifacts, now: () => new Date() };
    const claim = wanted([publishing('true')]);
    const request = { claim, slot, n: 1, k: 1, step: publishing('true'), stop };
    return publishOf(parts, request).finally(() => rm(directory, { recursive: true, force: true }));
  }

  it('nothing is published before the end of the job, and the log says why', async () => {
    const published = await outcomeOf(([verb]) =>
      Promise.reject(new Error(verb === 'pause' ? 'docker: no freezer' : 'Container c is not paused')),
    );
    expect(published).toEqual({
      ...{ names: [], artifacts: [], fault: null },
      notes: 'hearth: docker: no freezer\nhearth: so it is not published now, but kept at the end of the job\n',
    });
  });

  it('nor where its files cannot be read before the job is over', async () => {
    const trouble = { kind: 'failed', message: 'copying failed: Permission denied' } as const;
    const workspaces = { find: () => success(['dist']), capture: () => failed(trouble) } as unknown as Workspaces;
    expect(await outcomeOf(() => Promise.resolve(''), undefined, workspaces)).toEqual({
      ...{ names: [], artifacts: [], fault: null },
      notes:
        'hearth: artifacts.dist: copying failed: Permission denied\nhearth: so it is not published now, but kept at the end of the job\n',
    });
  });

  it('and cannot be let go on, it is lost', async () => {
    const command = ([verb]: readonly string[]) =>
      verb === 'pause' ? Promise.resolve('') : Promise.reject(new Error('docker: stuck'));
    await expect(outcomeOf(command)).rejects.toThrow('could not be let go on after an artifact was published');
  });

  it('and an engine that is away for a moment does not cost it', async () => {
    let away = 1;
    const command = ([verb]: readonly string[]) =>
      verb === 'unpause' && away-- > 0 ? Promise.reject(new Error('docker: no daemon')) : Promise.resolve('');
    const workspaces = { find: () => success([]) } as unknown as Workspaces;
    await outcomeOf(command, undefined, workspaces);
    expect(away).toBe(-1);
  });

  it('and may or may not be frozen, with an engine that does not come back, it is lost', async () => {
    await expect(outcomeOf(() => Promise.reject(new Error('docker: no daemon')))).rejects.toThrow(SlotLost);
  });

  it('or nobody heard whether it was, it is let go on', async () => {
    const calls: string[] = [];
    const command = (args: readonly string[]) => {
      calls.push(args.join(' '));
      return args[0] === 'pause' ? Promise.reject(new Error('docker: unexpected EOF')) : Promise.resolve('');
    };
    expect(await outcomeOf(command)).toMatchObject({ names: [], fault: null });
    expect(calls).toEqual(['pause c', 'unpause c']);
  });

  it('or is not to be, since the job is to stop, nothing is published', async () => {
    const stop = AbortSignal.abort(cancelledBy('Mona'));
    expect(await outcomeOf(() => Promise.reject(new Error('never asked')), stop)).toMatchObject({
      names: [],
      notes: '',
    });
  });
});

/** Folder of the job in the only slot that holds it, and the container's id. */
async function slotOf({ job }: Claim): Promise<{ readonly directory: string; readonly container: string }> {
  const slots = join(rig.data, 'slots');
  for (const id of await readdir(slots))
    for (const n of await readdir(join(slots, id, 'jobs'))) {
      const directory = join(slots, id, 'jobs', n);
      const ticket = JSON.parse(await readFile(join(directory, 'job.json'), 'utf8').catch(() => '{}')) as unknown;
      if ((ticket as { jobId?: number }).jobId !== job.id) continue;
      const record = JSON.parse(await readFile(join(slots, id, 'slot.json'), 'utf8')) as { containerId: string };
      expect(record.containerId).toMatch(/^[0-9a-f]{64}$/);
      return { directory, container: record.containerId };
    }
  throw new Error(`no slot holds job ${job.id}`);
}

import { describe, expect, it } from 'vitest';
import type { Asked } from '../../src/core/intake.ts';
import { makePlannerRig, type PlannerRig } from './rig.ts';

const job = 'jobs: {a: {run: x}}\n';
const byHand = `on: {push: {}, workflow_dispatch: {}}\n${job}`;
const release = `on:
  workflow_dispatch:
    inputs:
      version: {required: true}
      dry: {type: boolean}
      copies: {type: number, default: 2}
jobs:
  a: {run: x, timeout-minutes: '\${{ inputs.copies }}', continue-on-error: '\${{ inputs.dry }}', name: 'to \${{ github.event.inputs.version }}'}
`;
const short = (sha: string): string => sha.slice(0, 7);

async function dispatch(rig: PlannerRig, changes: Partial<Asked> = {}): Promise<string | null> {
  const asked: Asked = { ref: 'main', sha: null, pipeline: null, inputs: {}, time: null, ...changes };
  const { repo } = rig.upstream;
  const eventName = asked.time === null ? 'workflow_dispatch' : 'schedule';
  await rig.receive({
    ...{ kind: 'asked', eventName, asked, repo, headRef: 'refs/heads/main', headRepoId: repo.id },
    ...{ prNumber: null, baseRef: null, defaultBranch: 'main', actor: 'administrator' },
  });
  const [intake] = (await rig.store.unplannedIntakes(new Date('2040-01-01'), 100)).slice(-1);
  await rig.tick();
  const state = await rig.store.findIntake({ id: intake?.id ?? 0 });
  expect(state?.isPlanned).toBe(true);
  return state?.note ?? null;
}

describe('a run by hand', () => {
  it('is at the newest commit of the ref, of every pipeline that takes it', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('main', { '.hearth/a.yml': byHand, '.hearth/b.yml': `on: push\n${job}` });
    expect(await dispatch(rig)).toBeNull();
    const [one, ...others] = await rig.runs();
    expect(others).toEqual([]);
    expect(one?.run).toMatchObject({
      pipeline: 'a',
      sha,
      ref: 'refs/heads/main',
      eventName: 'workflow_dispatch',
      trust: 'T1',
    });
    expect((await rig.store.listRuns({ branch: 'main' }, 10, null)).runs).toHaveLength(1);
  });

  it('goes beside the run of the push, whichever came first, and no newer head ends it', async () => {
    await using rig = await makePlannerRig();
    const first = rig.upstream.push('topic', { '.hearth/a.yml': byHand });
    await dispatch(rig, { ref: 'topic' });
    await rig.push('topic', first);
    await rig.tick();
    await dispatch(rig, { ref: 'topic' });
    expect((await rig.runs()).map(({ run }) => `${run.eventName} ${run.trust} ${run.state}`)).toEqual([
      'workflow_dispatch T2 queued',
      'push T2 queued',
      'workflow_dispatch T2 queued',
    ]);
    await rig.push('topic', rig.upstream.push('topic', { '.hearth/a.yml': byHand, a: '2' }));
    await rig.tick();
    expect((await rig.runs()).map(({ run }) => `${run.eventName} ${run.state}`)).toEqual([
      'workflow_dispatch queued',
      'push finished',
      'workflow_dispatch queued',
      'push queued',
    ]);
  });

  it('does not make an earlier push stale', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic', { '.hearth/a.yml': byHand });
    await rig.push('topic', sha);
    await dispatch(rig, { ref: 'topic' });
    expect((await rig.runs()).map(({ run }) => run.state)).toEqual(['queued', 'queued']);
  });

  it('gets its inputs with their types', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { '.hearth/release.yml': release });
    await dispatch(rig, { inputs: { version: '1.10', dry: 'true' } });
    const [found] = await rig.runs();
    expect(found?.jobs[0]?.spec).toMatchObject({ title: 'to 1.10', timeoutMs: 120_000, continueOnError: true });
    expect((await rig.store.snapshot()).runs[0]?.context).toMatchObject({
      inputs: { version: '1.10', dry: true, copies: 2 },
      event: { inputs: { version: '1.10', dry: 'true', copies: '2' } },
    });
  });

  it('with inputs that do not fit ends as an error that names them all, and the commit shows nothing', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { '.hearth/release.yml': release });
    await dispatch(rig, { inputs: { verison: '1', dry: 'no' } });
    expect(await rig.told()).toEqual([
      [
        'release error/config: .hearth/release.yml: There is no input verison. Did you mean "version"? [bad-input]',
        '.hearth/release.yml: The input version is required. Give it a value. [bad-input]',
        '.hearth/release.yml: The input dry must be true or false. It is no. [bad-input]',
      ].join('\n'),
    ]);
    expect(await rig.statuses()).toEqual([]);
  });

  it('of a pipeline that cannot be started so is an error that says what to add', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('main', { '.hearth/ci.yml': `on: push\n${job}` });
    await dispatch(rig, { pipeline: 'CI' });
    expect(await rig.told()).toEqual([
      'ci error/config: .hearth/ci.yml: The pipeline ci cannot be started by hand. Add workflow_dispatch to its "on". [not-dispatchable]',
    ]);
    expect(await dispatch(rig)).toContain(`No pipeline at ${short(sha)} can be started by hand (there are ci)`);
    expect(await dispatch(rig, { pipeline: 'nightly' })).toBe(
      `There is no pipeline nightly at ${short(sha)}. There are: ci.`,
    );
  });

  it('of a broken file is the error that the file is', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { '.hearth/ci.yml': 'on: workflow_dispatch\njobs: {}\n' });
    await dispatch(rig);
    expect((await rig.told())[0]).toContain('ci error/config: .hearth/ci.yml:2:1: The pipeline has no job.');
  });

  it('takes tags and full refs, and of a name that is both the branch', async () => {
    await using rig = await makePlannerRig();
    const main = rig.upstream.push('main', { '.hearth/a.yml': byHand });
    rig.upstream.ref('refs/tags/v1', main);
    const topic = rig.upstream.push('v1', { '.hearth/a.yml': byHand, a: 'topic' });
    rig.upstream.ref('refs/tags/v2', main);
    await dispatch(rig, { ref: 'v1' });
    await dispatch(rig, { ref: 'refs/tags/v1' });
    await dispatch(rig, { ref: 'v2' });
    expect((await rig.runs()).map(({ run }) => [run.ref, run.sha, run.trust])).toEqual([
      ['refs/heads/v1', topic, 'T2'],
      ['refs/tags/v1', main, 'T1'],
      ['refs/tags/v2', main, 'T1'],
    ]);
  });

  it('takes a commit only where it is on the ref: what a fork pushed is not', async () => {
    await using rig = await makePlannerRig();
    const old = rig.upstream.push('main', { '.hearth/a.yml': byHand });
    const head = rig.upstream.push('main', { '.hearth/a.yml': byHand, a: '2' });
    const fork = rig.upstream.commit({ '.hearth/a.yml': byHand, a: 'evil' }, head);
    rig.upstream.ref('refs/pull/9/head', fork);
    await dispatch(rig, { sha: old });
    expect(await dispatch(rig, { sha: fork })).toContain(`The commit ${short(fork)} is not on refs/heads/main.`);
    expect((await rig.runs()).map(({ run }) => run.sha)).toEqual([old]);
  });

  it('of a ref that is not there makes no run and says so', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { '.hearth/a.yml': byHand });
    expect(await dispatch(rig, { ref: 'mian' })).toMatch(/^There is no branch or tag mian in /);
    expect(await rig.runs()).toEqual([]);
  });
});

const nightly = (cron: string): string => `on: {schedule: [{cron: '${cron}', timezone: Europe/Berlin}]}\n${job}`;
const time = { cron: '30 2 * * *', timezone: 'Europe/Berlin' };

describe('the timetable', () => {
  const due = async (rig: PlannerRig) =>
    (await rig.store.dueTimes(new Date('2040-01-01'), 10)).map(
      (one) => `${one.pipeline} ${one.time.cron} ${one.due.toISOString()}`,
    );

  it('follows the newest head of the default branch, and no other branch', async () => {
    await using rig = await makePlannerRig();
    const main = rig.upstream.push('main', { '.hearth/n.yml': nightly('30 2 * * *') });
    await rig.push('main', main);
    await rig.push('topic', rig.upstream.push('topic', { '.hearth/t.yml': nightly('1 1 * * *') }));
    await rig.tick();
    expect(await due(rig)).toEqual(['n 30 2 * * * 2030-01-01T01:30:00.000Z']);
    const skipping = rig.upstream.push('main', { '.hearth/n.yml': nightly('0 4 * * *') });
    const message = { head_commit: { id: skipping, message: '[skip ci]' } };
    await rig.push('main', skipping, rig.upstream, { event: message });
    await rig.tick();
    expect(await due(rig)).toEqual(['n 0 4 * * * 2030-01-01T03:00:00.000Z']);
    // Known late, but old: the newer head counts.
    await rig.push('main', main);
    await rig.tick();
    expect(await due(rig)).toEqual(['n 0 4 * * * 2030-01-01T03:00:00.000Z']);
    await rig.push('main', rig.upstream.push('main', { '.hearth/n.yml': 'on: [\n' }));
    await rig.tick();
    expect(await due(rig)).toHaveLength(1);
    await rig.push('main', rig.upstream.push('main', { a: 'no pipelines' }));
    await rig.tick();
    expect(await due(rig)).toEqual([]);
  });

  it('gives a run of its own at the newest head, with the time as github.event.schedule', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('main', {
      '.hearth/n.yml': nightly(time.cron),
      '.hearth/o.yml': nightly('1 1 * * *'),
    });
    expect(await dispatch(rig, { ref: 'refs/heads/main', pipeline: 'n', time })).toBeNull();
    await dispatch(rig, { ref: 'refs/heads/main', pipeline: 'n', time });
    const runs = await rig.runs();
    expect(runs.map(({ run }) => [run.pipeline, run.sha, run.eventName, run.trust])).toEqual([
      ['n', sha, 'schedule', 'T1'],
      ['n', sha, 'schedule', 'T1'],
    ]);
    expect((await rig.store.snapshot()).runs[0]?.context.event).toMatchObject({ schedule: time.cron });
  });

  it('gives none when the file has changed in the meantime', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { '.hearth/n.yml': nightly('0 4 * * *') });
    expect(await dispatch(rig, { ref: 'refs/heads/main', pipeline: 'n', time })).toBe(
      'n does not run at this time any more.',
    );
    expect(await due(rig)).toEqual(['n 0 4 * * * 2030-01-01T03:00:00.000Z']);
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makePlannerRig, type PlannerRig } from './rig.ts';

const merging =
  'on: {pull_request: {checkout: merge}}\njobs: {build: {run: "make ${{ github.sha }} ${{ github.ref }}"}}\n';

let rig: PlannerRig;
let base: string;

beforeEach(async () => {
  rig = await makePlannerRig();
  base = rig.upstream.push('main', { '.hearth/ci.yml': merging, a: 'one\n', shared: 'x\n' });
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

/** A head that was made of the base before it moved. */
function head(files: Readonly<Record<string, string>>): string {
  const sha = rig.upstream.commit({ '.hearth/ci.yml': merging, a: 'one\n', shared: 'x\n', ...files }, base);
  rig.upstream.ref('refs/heads/topic', sha);
  return sha;
}

async function contextOf(index = 0) {
  const run = (await rig.runs())[index]?.run;
  const unfinished = (await rig.store.snapshot()).runs.find((one) => one.run.id === run?.id);
  if (run === undefined || unfinished === undefined) throw new Error('no such run');
  return { run, context: unfinished.context, jobs: unfinished.jobs };
}

describe('a pull request whose pipeline asks for the merge', () => {
  it('is planned at its head, with the files of the head merged into the newest base', async () => {
    const sha = head({ b: 'of the branch\n' });
    const moved = rig.upstream.push('main', { '.hearth/ci.yml': merging, a: 'two\n', shared: 'x\n' });
    await rig.pullRequest(5, 'topic', sha);
    await rig.tick();
    const { run, context } = await contextOf();
    expect(run).toMatchObject({ sha, ref: 'refs/pull/5/merge', trust: 'T2' });
    expect(context).toMatchObject({ refName: '5/merge', merge: { base: moved } });
    expect(context.merge?.sha).toMatch(/^[0-9a-f]{40}$/);
    expect((await rig.statuses())[0]).toMatch(/^hearth\/ci pending/);
  });

  it('that is in conflict is an error that names the files and says what to do', async () => {
    const sha = head({ shared: 'mine\n' });
    rig.upstream.push('main', { '.hearth/ci.yml': merging, a: 'one\n', shared: 'theirs\n' });
    await rig.pullRequest(5, 'topic', sha);
    await rig.tick();
    expect(await rig.told()).toEqual([
      'ci error/config: #5 cannot be merged into main: shared. Merge main into it, or rebase it',
    ]);
  });

  it('that is in conflict shows names of files that hold control characters in quotes', async () => {
    const sha = head({ 'bad\n\u001b[2J': 'mine\n' });
    rig.upstream.push('main', { '.hearth/ci.yml': merging, a: 'one\n', shared: 'x\n', 'bad\n\u001b[2J': 'theirs\n' });
    await rig.pullRequest(5, 'topic', sha);
    await rig.tick();
    expect(await rig.told()).toEqual([
      'ci error/config: #5 cannot be merged into main: "bad\\n\\u001b[2J". Merge main into it, or rebase it',
    ]);
  });

  it('has a run of its own beside that of a push of the same commit, and one only', async () => {
    const both = `on: {push: {}, pull_request: {checkout: merge}}\njobs: {build: {run: make}}\n`;
    const sha = head({ '.hearth/ci.yml': both });
    await rig.push('topic', sha);
    await rig.pullRequest(5, 'topic', sha);
    await rig.pullRequest(5, 'topic', sha, undefined, 'reopened');
    await rig.tick();
    const refs = (await rig.runs()).map(({ run }) => run.ref);
    expect(refs).toEqual(['refs/heads/topic', 'refs/pull/5/merge']);
  });

  it('gives the same commit when it is planned again', async () => {
    const sha = head({ b: '1\n' });
    await rig.pullRequest(5, 'topic', sha);
    await rig.pullRequest(6, 'topic', sha);
    await rig.tick();
    const [first, second] = [await contextOf(0), await contextOf(1)];
    expect(first.context.merge).toEqual(second.context.merge);
  });

  it('whose base is gone is an error', async () => {
    const sha = head({ b: '1\n' });
    rig.upstream.ref('refs/heads/main', null);
    await rig.pullRequest(5, 'topic', sha);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci error/config: the base branch main of #5 is not there']);
  });

  it('of a fork waits for approval as any other, with the pipeline of the base', async () => {
    const sha = head({ b: '1\n', '.hearth/ci.yml': 'on: pull_request\njobs: {evil: {run: x}}\n' });
    rig.upstream.ref('refs/pull/9/head', sha);
    await rig.pullRequest(9, 'topic', sha, 77);
    await rig.tick();
    const { run, jobs, context } = await contextOf();
    expect(run).toMatchObject({ trust: 'T4', sha, ref: 'refs/pull/9/merge' });
    expect(jobs.map(({ name }) => name)).toEqual(['build']);
    expect(context.merge?.base).toBe(base);
  });
});

it('a push is never merged', async () => {
  const both = `on: {push: {}, pull_request: {checkout: merge}}\njobs: {build: {run: make}}\n`;
  const sha = head({ '.hearth/ci.yml': both });
  await rig.push('topic', sha);
  await rig.tick();
  expect((await contextOf()).context.merge).toBeUndefined();
});

import { rename } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { ForgeTrouble, People, Permission } from '../../src/core/ports.ts';
import { failed, success, type Result } from '../../src/core/result.ts';
import type { Upstream } from '../support/git-repo.ts';
import { makePlannerRig, type PlannerRig } from './rig.ts';

const ci = 'jobs: {build: {run: make}}\n';
const FORK = 77;
const mona = { id: 5, login: 'mona' };
const mayWrite: Permission = { mayWrite: true, personId: mona.id };

/** People who answer one after the other; the last answer stays. */
function people(...answers: readonly Result<Permission, ForgeTrouble>[]): People & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    permissionOf: ({ owner, name }, login) => {
      asked.push(`${owner}/${name} ${login}`);
      const answer = answers[Math.min(asked.length, answers.length) - 1];
      return Promise.resolve(answer ?? failed({ kind: 'refused', message: 'nobody was to be asked' }));
    },
  };
}

const writers = () => people(success(mayWrite));

/** The head of pull request 9, which the fork has made of the base and these files. */
function fork(upstream: Upstream, base: string, files: Readonly<Record<string, string>>): string {
  const sha = upstream.commit(files, base);
  upstream.ref('refs/pull/9/head', sha);
  return sha;
}

async function comment(rig: PlannerRig, commit: string, person = mona): Promise<void> {
  await rig.receive({
    ...{ kind: 'approval', eventName: 'pull_request', commit, person, actor: person.login, event: {} },
    ...{ repo: rig.upstream.repo, prNumber: 9, headRef: 'refs/pull/9/head', headRepoId: null },
    ...{ baseRef: null, defaultBranch: 'main' },
  });
}

/** A rig with one run of a fork that waits, and its sha. */
async function waiting(who: People = writers()): Promise<{ rig: PlannerRig; sha: string; base: string }> {
  const rig = await makePlannerRig({ people: who });
  const base = rig.upstream.push('main', { '.hearth/ci.yml': ci });
  const sha = fork(rig.upstream, base, { '.hearth/ci.yml': ci, a: 'of the fork' });
  await rig.pullRequest(9, 'topic', sha, FORK);
  await rig.tick();
  expect(await classes(rig)).toEqual(['T4 queued']);
  return { rig, sha, base };
}

async function classes(rig: PlannerRig): Promise<readonly string[]> {
  return (await rig.runs()).map(({ run }) => `${run.trust} ${run.state}`);
}

async function newestNote(rig: PlannerRig): Promise<string | null | undefined> {
  for (let id = 20; id > 0; id--) {
    const found = await rig.store.findIntake({ id });
    if (found !== undefined) return found.note;
  }
  return undefined;
}

describe('what runs for a fork', () => {
  it('is read from the base branch, and its own pipeline files, included ones and sidecar folder have no effect', async () => {
    await using rig = await makePlannerRig();
    const files = {
      '.hearth/ci.yml':
        'include: [shared/vars.yml]\nsidecar: {build: {context: ci/image, file: ci/image/Dockerfile}}\njobs: {build: {run: make}}\n',
      'shared/vars.yml': 'vars: {from: base}\n',
      'ci/image/Dockerfile': 'FROM debian\n',
      'src/a.c': 'int a;\n',
    };
    const base = rig.upstream.push('main', files);
    const sha = fork(rig.upstream, base, {
      '.hearth/ci.yml': 'jobs: {steal: {run: env}}\n',
      '.hearth/more.yml': 'jobs: {steal: {run: env}}\n',
      'shared/vars.yml': 'vars: {from: fork}\n',
      'ci/image/Dockerfile': 'FROM evil\n',
      'ci/image/extra.sh': 'evil\n',
      'src/a.c': 'int b;\n',
    });
    await rig.pullRequest(9, 'topic', sha, FORK);
    await rig.tick();
    const [found, ...others] = await rig.runs();
    expect(others).toEqual([]);
    expect(found?.run).toMatchObject({ sha, trust: 'T4', pipeline: 'ci' });
    expect(found?.jobs.map(({ name, spec }) => [name, spec.steps[0]?.run])).toEqual([['build', 'make']]);
    expect(found?.run.config).toEqual({
      ...{ sha: base, branch: 'main', trust: 'T1' },
      ignored: ['.hearth/ci.yml', '.hearth/more.yml', 'ci/image/Dockerfile', 'ci/image/extra.sh', 'shared/vars.yml'],
    });
    expect(await rig.statuses()).toContain(
      'hearth/ci pending: waiting for approval of this commit; its changes to .hearth/ci.yml and 4 more are not used',
    );
  });

  it('is that of the base branch of its pull request, also when the pipeline files are not those of the default branch', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { '.hearth/ci.yml': ci });
    const base = rig.upstream.push('release', { '.hearth/old.yml': 'jobs: {old: {run: x}}\n' });
    const sha = fork(rig.upstream, base, { '.hearth/old.yml': 'jobs: {old: {run: x}}\n', a: '1' });
    await rig.receive({
      ...{ kind: 'head', eventName: 'pull_request', sha, trust: 'T4', event: {}, actor: 'eve' },
      ...{ repo: rig.upstream.repo, headRef: 'refs/heads/topic', headRepoId: FORK, prNumber: 9 },
      ...{ baseRef: 'release', defaultBranch: 'main' },
    });
    await rig.tick();
    expect((await rig.runs()).map(({ run }) => [run.pipeline, run.config])).toEqual([
      ['old', { sha: base, branch: 'release', trust: 'T2', ignored: [] }],
    ]);
  });

  it('is not what the base has changed since: only what the fork itself changed is called without effect', async () => {
    await using rig = await makePlannerRig();
    const old = rig.upstream.push('main', { '.hearth/ci.yml': ci });
    const sha = fork(rig.upstream, old, { '.hearth/ci.yml': ci, a: '1' });
    const base = rig.upstream.push('main', { '.hearth/ci.yml': 'jobs: {newer: {run: make}}\n' });
    await rig.pullRequest(9, 'topic', sha, FORK);
    await rig.tick();
    const [found] = await rig.runs();
    expect(found?.jobs.map(({ name }) => name)).toEqual(['newer']);
    expect(found?.run.config).toMatchObject({ sha: base, ignored: [] });
  });

  it('is nothing when only the fork has a pipeline file', async () => {
    await using rig = await makePlannerRig();
    const base = rig.upstream.push('main', { a: '1' });
    const sha = fork(rig.upstream, base, { '.hearth/ci.yml': ci });
    await rig.pullRequest(9, 'topic', sha, FORK);
    await rig.tick();
    expect(await rig.told()).toEqual([`(none) skipped/no_pipeline: no pipeline file at ${base.slice(0, 7)}`]);
  });

  it('is not turned green by a fork that removes the pipeline file', async () => {
    await using rig = await makePlannerRig();
    const base = rig.upstream.push('main', { '.hearth/ci.yml': ci });
    const sha = fork(rig.upstream, base, { a: '1' });
    await rig.pullRequest(9, 'topic', sha, FORK);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued']);
    expect(await classes(rig)).toEqual(['T4 queued']);
  });

  it('waits while the base branch cannot be fetched', async () => {
    await using rig = await makePlannerRig();
    const base = rig.upstream.push('main', { '.hearth/ci.yml': ci });
    const sha = fork(rig.upstream, base, { '.hearth/ci.yml': ci, a: '1' });
    await rename(rig.upstream.path, `${rig.upstream.path}.away`);
    await rig.pullRequest(9, 'topic', sha, FORK);
    await rig.tick();
    expect(await rig.runs()).toEqual([]);
    await rename(`${rig.upstream.path}.away`, rig.upstream.path);
    rig.pass(5_000);
    await rig.tick();
    expect(await classes(rig)).toEqual(['T4 queued']);
  });
});

describe('a comment that approves', () => {
  it('lets the run of that commit run, once the forge says that its author may write', async () => {
    const who = writers();
    const { rig, sha } = await waiting(who);
    await using _ = rig;
    const before = rig.changes();
    await comment(rig, sha);
    await rig.tick();
    const [found] = await rig.runs();
    expect(found?.run).toMatchObject({ trust: 'T3', approval: { by: 'mona (5)' } });
    expect(who.asked).toEqual(['acme/app mona']);
    expect(await newestNote(rig)).toBe(`mona (5) approved ${sha}: run ${found?.run.id}`);
    expect(rig.changes()).toBe(before + 1);
    expect(await rig.statuses()).toContain('hearth/ci pending: queued');
  });

  it('twice changes nothing and asks nobody', async () => {
    const who = writers();
    const { rig, sha } = await waiting(who);
    await using _ = rig;
    await comment(rig, sha);
    await comment(rig, sha);
    await rig.tick();
    expect(await newestNote(rig)).toBe(`${sha} was approved by mona (5) before`);
    expect(who.asked).toHaveLength(1);
  });

  it('that was taken and whose process died before it was noted is harmless to take again', async () => {
    let deaths = 1;
    const rig = await makePlannerRig({
      people: writers(),
      store: (store) => ({
        ...store,
        applyPlan: (intake, ...rest) =>
          intake.kind === 'approval' && deaths-- > 0
            ? Promise.reject(new Error('killed'))
            : store.applyPlan(intake, ...rest),
      }),
    });
    await using _ = rig;
    const base = rig.upstream.push('main', { '.hearth/ci.yml': ci });
    const sha = fork(rig.upstream, base, { a: '1' });
    await rig.pullRequest(9, 'topic', sha, FORK);
    await comment(rig, sha);
    await expect(rig.tick()).rejects.toThrow('the store did not take what was planned');
    expect(await classes(rig)).toEqual(['T3 queued']);
    await rig.tick();
    expect(await newestNote(rig)).toBe(`${sha} was approved by mona (5) before`);
    expect(await classes(rig)).toEqual(['T3 queued']);
  });

  it.each([
    ['somebody who may not write', success({ mayWrite: false, personId: mona.id })],
    ['a login that is another person by now', success({ mayWrite: true, personId: 6 })],
    ['a login that the forge cannot tell apart', success({ mayWrite: true, personId: null })],
  ])('from %s is refused', async (_who, answer) => {
    const { rig, sha } = await waiting(people(answer));
    await using _ = rig;
    await comment(rig, sha);
    await rig.tick();
    expect(await classes(rig)).toEqual(['T4 queued']);
    expect(await newestNote(rig)).toBe('Refused: mona may not write to acme/app.');
  });

  it.each(['refused', 'unconfigured'] as const)('is refused when the forge will never tell: %s', async (kind) => {
    const { rig, sha } = await waiting(people(failed({ kind, message: 'no way' })));
    await using _ = rig;
    await comment(rig, sha);
    await rig.tick();
    expect(await classes(rig)).toEqual(['T4 queued']);
    expect(await newestNote(rig)).toBe('Refused: nobody can tell whether mona may approve. no way');
  });

  it('waits when the forge cannot be asked, not shorter than it says, and holds up nothing else', async () => {
    const retryAt = new Date('2030-01-01T00:01:00Z');
    const who = people(failed({ kind: 'retry', message: 'slow down', retryAt }), success(mayWrite));
    const { rig, sha } = await waiting(who);
    await using _ = rig;
    await comment(rig, sha);
    await rig.push('main', rig.upstream.push('main', { '.hearth/ci.yml': ci, b: '2' }));
    await rig.tick();
    expect(await classes(rig)).toEqual(['T4 queued', 'T1 queued']);
    rig.pass(59_000);
    await rig.tick();
    expect(who.asked).toHaveLength(1);
    rig.pass(1_000);
    await rig.tick();
    expect(await classes(rig)).toEqual(['T3 queued', 'T1 queued']);
  });

  it('is given up after a day of trouble, and nothing is approved', async () => {
    const { rig, sha } = await waiting(people(failed({ kind: 'retry', message: 'away' })));
    await using _ = rig;
    await comment(rig, sha);
    await rig.tick();
    rig.pass(24 * 60 * 60_000);
    await rig.tick();
    expect(await newestNote(rig)).toBe('Refused: gave up after 24 hours: away');
    expect(await classes(rig)).toEqual(['T4 queued']);
  });

  it.each([
    ['no sha', () => ''],
    ['a part of the sha', (sha: string) => sha.slice(0, 39)],
    ['another word', () => 'all'],
  ])('with %s is refused, and nobody is asked', async (_what, text) => {
    const who = writers();
    const { rig, sha } = await waiting(who);
    await using _ = rig;
    await comment(rig, text(sha));
    await rig.tick();
    expect(await newestNote(rig)).toMatch(/^Refused: Name the commit by all 40 hex digits/);
    expect([who.asked, await classes(rig)]).toEqual([[], ['T4 queued']]);
  });

  it('of another commit is refused, and nobody is asked', async () => {
    const who = writers();
    const { rig, base } = await waiting(who);
    await using _ = rig;
    await comment(rig, base);
    await rig.tick();
    expect(await newestNote(rig)).toBe(
      `Refused: Nothing of pull request #9 at ${base} waits for approval. Name its newest commit.`,
    );
    expect([who.asked, await classes(rig)]).toEqual([[], ['T4 queued']]);
  });
});

describe('an approved fork that pushes again', () => {
  it('loses its run and waits for a new approval, and the old one counts for nothing', async () => {
    const { rig, sha, base } = await waiting();
    await using _ = rig;
    await comment(rig, sha);
    await rig.tick();
    const next = fork(rig.upstream, base, { a: 'something else' });
    await rig.pullRequest(9, 'topic', next, FORK, 'synchronize');
    await comment(rig, sha);
    await rig.tick();
    expect(await classes(rig)).toEqual(['T3 finished', 'T4 queued']);
    expect((await rig.told())[0]).toBe(`ci cancelled/superseded: superseded by ${next.slice(0, 7)}`);
    expect(await newestNote(rig)).toMatch(/^Refused: Nothing of pull request #9/);
    await comment(rig, next);
    await rig.tick();
    expect(await classes(rig)).toEqual(['T3 finished', 'T3 queued']);
  });

  it('cannot have approved what arrives at the same time: the comment for what was seen is refused', async () => {
    const { rig, sha, base } = await waiting();
    await using _ = rig;
    const next = fork(rig.upstream, base, { a: 'something else' });
    await rig.pullRequest(9, 'topic', next, FORK, 'synchronize');
    await comment(rig, sha);
    await rig.tick();
    expect(await classes(rig)).toEqual(['T4 finished', 'T4 queued']);
  });

  it('waits again when it goes back to the commit that was approved and did not finish', async () => {
    const { rig, sha, base } = await waiting();
    await using _ = rig;
    await comment(rig, sha);
    await rig.tick();
    await rig.pullRequest(9, 'topic', fork(rig.upstream, base, { a: '2' }), FORK, 'synchronize');
    await rig.tick();
    rig.upstream.ref('refs/pull/9/head', sha);
    await rig.pullRequest(9, 'topic', sha, FORK, 'synchronize');
    await rig.tick();
    expect(await classes(rig)).toEqual(['T3 finished', 'T4 finished', 'T4 queued']);
  });

  it('that closes its pull request loses the approval with it', async () => {
    const { rig, sha } = await waiting();
    await using _ = rig;
    await comment(rig, sha);
    await rig.tick();
    await rig.closed(9, 'topic', FORK);
    await rig.tick();
    await rig.pullRequest(9, 'topic', sha, FORK, 'reopened');
    await rig.tick();
    expect(await classes(rig)).toEqual(['T3 finished', 'T4 queued']);
  });
});

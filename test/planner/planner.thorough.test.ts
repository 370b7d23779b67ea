import { describe, expect, it } from 'vitest';
import { makePlannerRig } from './rig.ts';

const ci = 'jobs:\n  build: {run: make}\n  test: {run: make test, needs: build}\n';
const short = (sha: string): string => sha.slice(0, 7);

describe('a new head', () => {
  it('becomes a run of every pipeline that wants it, with jobs in order', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic', {
      '.hearth/ci.yml':
        'phases: [one, two]\nsidecar: {image: "node:24"}\ncache: {npm: {volume: /root/.npm}}\njobs: {a: {run: x}, b: {run: y, phase: two}}\n',
      '.hearth/nightly.yaml': 'on: pull_request\njobs: {n: {run: x}}\n',
      '.hearth/README.md': 'text',
      'ci/pipelines/ignored.yml': 'jobs: {x: {run: x}}\n',
    });
    await rig.push('topic', sha);
    await rig.tick();
    const [one, ...rest] = await rig.runs();
    expect(rest).toEqual([]);
    expect(one?.run).toMatchObject({
      pipeline: 'ci',
      sha,
      ref: 'refs/heads/topic',
      line: '1:refs/heads/topic',
      prNumber: null,
      eventName: 'push',
      trust: 'T2',
      state: 'queued',
    });
    expect(one?.jobs.map((job) => [job.name, job.waitsFor])).toEqual([
      ['a', []],
      ['b', ['a']],
    ]);
    expect(rig.changes()).toBe(1);
    expect(await rig.store.unplannedIntakes(new Date('2040-01-01'), 10)).toEqual([]);
  });

  it('gives every job what it needs to know', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic/x', {
      'ci/pipelines/ci.yml':
        'sidecar: {build: {context: ci}}\ncache: {npm: {volume: /root/.npm}}\njobs: {a: {run: x}}\n',
    });
    rig.upstream.ref('refs/pull/5/head', sha);
    await rig.pullRequest(5, 'topic/x', sha);
    await rig.tick();
    const now = new Date('2030-01-01T00:00:01Z');
    const until = new Date(now.getTime() + 60_000);
    await rig.store.renewWorker({ id: 'w', slots: 1, details: {} }, until, now);
    const [run] = await rig.runs();
    const job = run?.jobs[0]?.id ?? 0;
    await rig.store.apply([{ job, attempt: 0, action: 'queue' }], now);
    await rig.store.apply([{ job, attempt: 0, action: 'claim', worker: 'w', leaseUntil: until }], now);
    const [claim] = await rig.store.claimsOf('w');
    expect(claim?.run).toMatchObject({ ref: 'refs/pull/5/head', prNumber: 5, eventName: 'pull_request' });
    expect(claim?.context).toEqual({
      sidecar: { kind: 'build', context: 'ci', file: 'ci/Dockerfile', shmBytes: 2 * 1024 ** 3 },
      caches: { npm: { kind: 'volume', path: '/root/.npm' } },
      refName: '5/head',
      headRef: 'topic/x',
      baseRef: 'main',
      actor: 'mona',
      event: {},
      inputs: {},
      vars: {},
    });
  });

  it('ends the runs of older heads on its branch, and of no other', async () => {
    await using rig = await makePlannerRig();
    const first = rig.upstream.push('topic', { '.hearth/ci.yml': ci });
    const other = rig.upstream.push('other', { '.hearth/ci.yml': ci, a: 'other' });
    await rig.push('topic', first);
    await rig.push('other', other);
    await rig.tick();
    const second = rig.upstream.push('topic', { '.hearth/ci.yml': ci, a: '2' });
    await rig.push('topic', second);
    await rig.tick();
    expect(await rig.told()).toEqual([
      `ci cancelled/superseded: superseded by ${short(second)}`,
      'ci queued',
      'ci queued',
    ]);
  });

  it('leaves older runs of the default branch and of tags alone', async () => {
    await using rig = await makePlannerRig();
    for (const text of ['1', '2']) {
      await rig.push('main', rig.upstream.push('main', { '.hearth/ci.yml': ci, a: text }));
      await rig.tick();
    }
    expect(await rig.told()).toEqual(['ci queued', 'ci queued']);
  });

  it('is one run for a push and a pull request of the same commit', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic', { '.hearth/ci.yml': ci });
    rig.upstream.ref('refs/pull/5/head', sha);
    await rig.push('topic', sha);
    await rig.pullRequest(5, 'topic', sha);
    await rig.tick();
    expect((await rig.runs()).map(({ run }) => [run.eventName, run.prNumber])).toEqual([['push', 5]]);
  });

  it('of a fork is fetched by its pull request, waits for approval, and is a line of its own', async () => {
    await using rig = await makePlannerRig();
    const own = rig.upstream.push('main', { '.hearth/ci.yml': ci });
    const fork = rig.upstream.commit({ '.hearth/ci.yml': ci, a: 'fork' }, own);
    rig.upstream.ref('refs/pull/9/head', fork);
    await rig.push('main', own);
    await rig.pullRequest(9, 'main', fork, 77);
    await rig.tick();
    expect((await rig.runs()).map(({ run }) => [run.line, run.trust, run.state])).toEqual([
      ['1:refs/heads/main', 'T1', 'queued'],
      ['77:refs/heads/main', 'T4', 'queued'],
    ]);
    expect(await rig.statuses()).toContain('hearth/ci pending: waiting for approval of this commit');
  });

  it('that is stale is recorded as superseded, with a status', async () => {
    await using rig = await makePlannerRig();
    const first = rig.upstream.push('topic', {
      '.hearth/ci.yml': ci,
      '.hearth/pr.yml': 'on: pull_request\njobs: {a: {run: x}}\n',
    });
    const second = rig.upstream.push('topic', { '.hearth/ci.yml': ci, a: '2' });
    await rig.push('topic', first);
    await rig.push('topic', second);
    await rig.tick();
    expect(await rig.told()).toEqual([`ci cancelled/superseded: superseded by ${short(second)}`, 'ci queued']);
    expect(await rig.statuses()).toContain(`hearth/ci error: superseded by ${short(second)}`);
  });

  it('that the forge does not report yet is asked for once more before it is called stale', async () => {
    await using rig = await makePlannerRig();
    const first = rig.upstream.push('topic', { '.hearth/ci.yml': ci });
    const second = rig.upstream.push('topic', { '.hearth/ci.yml': ci, a: '2' });
    rig.upstream.ref('refs/heads/topic', first);
    await rig.push('topic', second);
    await rig.tick();
    expect(await rig.told()).toEqual([]);
    rig.upstream.ref('refs/heads/topic', second);
    rig.pass(5_000);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued']);
  });

  it('that came late is stale in the end, and ends nothing', async () => {
    await using rig = await makePlannerRig();
    const first = rig.upstream.push('topic', { '.hearth/ci.yml': ci });
    const second = rig.upstream.push('topic', { '.hearth/ci.yml': ci, a: '2' });
    await rig.push('topic', second);
    await rig.tick();
    await rig.push('topic', first);
    await rig.tick();
    rig.pass(5_000);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued', `ci cancelled/superseded: superseded by ${short(second)}`]);
  });

  it('that no pipeline wants makes no run, ends older ones, and leaves a note', async () => {
    await using rig = await makePlannerRig();
    const first = rig.upstream.push('topic', { '.hearth/ci.yml': ci });
    await rig.push('topic', first);
    await rig.tick();
    const second = rig.upstream.push('topic', { '.hearth/ci.yml': `on: {push: {branches: [main]}}\n${ci}` });
    await rig.push('topic', second);
    await rig.tick();
    expect(await rig.told()).toEqual([`ci cancelled/superseded: superseded by ${short(second)}`]);
  });
});

describe('a broken pipeline file', () => {
  it('is an error of that pipeline which says where and what, beside the sound ones', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('main', {
      '.hearth/ci.yml': ci,
      '.hearth/bad.yml': 'name: Lint\njobs:\n  a: {rnu: x, needs: b}\n',
    });
    await rig.push('main', sha);
    await rig.tick();
    const told = await rig.told();
    expect(told).toHaveLength(2);
    expect(told[0]).toBe(
      [
        'Lint error/config: .hearth/bad.yml:3:3: jobs.a must have run, steps, image or lane. Add one of them. [missing-key]',
        '.hearth/bad.yml:3:7: Unknown key rnu of jobs.a. Did you mean "run"? [unknown-key]',
        '.hearth/bad.yml:3:22: Job a needs b, which is not a job of this file. Add that job or remove the need. [unknown-need]',
      ].join('\n'),
    );
    expect((await rig.statuses()).filter((status) => status.startsWith('hearth/Lint'))).toEqual([
      expect.stringMatching(
        /^hearth\/Lint error: \.hearth\/bad\.yml:3:3: jobs\.a must have run, steps, image or lane/,
      ) as string,
    ]);
  });

  it('may be one whose name another file has too', async () => {
    await using rig = await makePlannerRig();
    await rig.push(
      'main',
      rig.upstream.push('main', { '.hearth/a.yml': `name: same\n${ci}`, '.hearth/b.yml': `name: same\n${ci}` }),
    );
    await rig.tick();
    expect(await rig.told()).toEqual([
      'same error/config: .hearth/a.yml: .hearth/a.yml, .hearth/b.yml give the same pipeline name same. Give each its own "name:". [duplicate-pipeline]',
    ]);
  });

  it('may be one that is too large, or has no usable name', async () => {
    await using rig = await makePlannerRig();
    await rig.push(
      'main',
      rig.upstream.push('main', { '.hearth/big.yml': 'x'.repeat(1024 * 1024 + 1), '.hearth/$(id).yml': ci }),
    );
    await rig.tick();
    expect(await rig.told()).toEqual([
      '(none) error/config: ".hearth/$(id).yml":1:1: The file name gives no usable pipeline name. Add "name:" at the top of the file, or rename the file. [missing-key]',
      'big error/config: .hearth/big.yml: The file is larger than 1 MiB. Move long scripts into files of their own. [bad-value]',
    ]);
    expect((await rig.statuses()).map((status) => status.split(' ')[0])).toEqual(['hearth', 'hearth/big']);
  });
});

describe('a pull request whose head stays', () => {
  const labels = `on: {pull_request: {types: [opened, labeled]}}\n${ci}`;

  it('gives a run each time to pipelines that ask for it, beside what the commit has', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic', {
      '.hearth/labels.yml': labels,
      '.hearth/ci.yml': `on: pull_request\n${ci}`,
    });
    const happens = async (action: string, head = sha) => {
      await rig.pullRequest(5, 'topic', head, undefined, action);
      await rig.tick();
      return (await rig.runs()).map(({ run }) => `${run.pipeline} ${run.state}`);
    };
    expect(await happens('opened')).toEqual(['ci queued', 'labels queued']);
    expect(await happens('edited')).toHaveLength(2);
    expect(await happens('labeled')).toEqual(['ci queued', 'labels queued', 'labels queued']);
    expect(await happens('labeled')).toHaveLength(4);
    const next = rig.upstream.push('topic', { '.hearth/ci.yml': `on: pull_request\n${ci}`, a: '2' });
    expect((await happens('synchronize', next)).slice(0, 4).every((one) => one.endsWith('finished'))).toBe(true);
  });

  it('records nothing where there is no pipeline', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic', { a: 'x' });
    await rig.pullRequest(5, 'topic', sha, undefined, 'labeled');
    await rig.tick();
    expect(await rig.runs()).toEqual([]);
  });
});

describe('an included file', () => {
  it('counts as it is at the commit, and lies where it is no pipeline itself', async () => {
    await using rig = await makePlannerRig();
    const main = 'include: .hearth/shared/jobs.yml\nenv: {A: x}\n';
    const sha = rig.upstream.push('topic', { '.hearth/ci.yml': main, '.hearth/shared/jobs.yml': ci });
    rig.upstream.push('main', { '.hearth/ci.yml': main, '.hearth/shared/jobs.yml': 'jobs: {other: {run: x}}\n' });
    await rig.push('topic', sha);
    await rig.tick();
    const [only, ...others] = await rig.runs();
    expect(others).toEqual([]);
    expect(only?.jobs.map(({ name }) => name)).toEqual(['build', 'test']);
  });

  it('that is missing or too large makes its pipeline an error that says so', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('main', {
      '.hearth/a.yml': 'include: [none.yml, large.yml]\n' + ci,
      'large.yml': 'x'.repeat(1024 * 1024 + 1),
    });
    await rig.push('main', sha);
    await rig.tick();
    expect(await rig.told()).toEqual([
      [
        'a error/config: .hearth/a.yml:1:11: The included file none.yml is not there. Correct its path from the top of the repository. [bad-include]',
        '.hearth/a.yml:1:21: The included file large.yml is larger than 1 MiB. Correct its path from the top of the repository. [bad-include]',
      ].join('\n'),
    ]);
  });
});

describe('a commit without pipeline files', () => {
  it('is recorded and nothing is sent', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('main', { a: '1' });
    await rig.push('main', sha);
    await rig.tick();
    expect(await rig.told()).toEqual([`(none) skipped/no_pipeline: no pipeline file at ${short(sha)}`]);
    expect(await rig.statuses()).toEqual([]);
  });

  it('is an error under the names the default branch has, for the events that those want', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', {
      '.hearth/ci.yml': ci,
      '.hearth/release.yml': 'on: {push: {branches: [release]}}\njobs: {a: {run: x}}\n',
    });
    const sha = rig.upstream.push('topic', { a: '1' });
    await rig.push('topic', sha);
    await rig.tick();
    expect(await rig.told()).toEqual([`ci error/config: no pipeline file at ${short(sha)}`]);
    expect(await rig.statuses()).toEqual([`hearth/ci error: no pipeline file at ${short(sha)}`]);
  });

  it('is recorded only when the default branch has none either', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { a: '0' });
    const sha = rig.upstream.push('topic', { a: '1' });
    await rig.push('topic', sha);
    await rig.tick();
    expect(await rig.told()).toEqual([`(none) skipped/no_pipeline: no pipeline file at ${short(sha)}`]);
    expect(await rig.statuses()).toEqual([]);
  });
});

describe('the end of a branch or pull request', () => {
  it('ends the runs of a closed pull request, not those of the push', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic', {
      '.hearth/push.yml': `on: push\n${ci}`,
      '.hearth/pr.yml': `on: pull_request\n${ci}`,
    });
    rig.upstream.ref('refs/pull/5/head', sha);
    await rig.push('topic', sha);
    await rig.pullRequest(5, 'topic', sha);
    await rig.closed(5, 'topic');
    await rig.tick();
    expect(await rig.told()).toEqual([
      'push queued',
      'pr cancelled/cancelled_by: cancelled: pull request #5 was closed',
    ]);
  });

  it('leaves a run alone that a push began and the pull request only joined', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('topic', { '.hearth/ci.yml': ci });
    await rig.push('topic', sha);
    await rig.pullRequest(5, 'topic', sha);
    await rig.closed(5, 'topic');
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued']);
  });

  it('leaves another pull request of the same fork branch name alone', async () => {
    await using rig = await makePlannerRig();
    rig.upstream.push('main', { '.hearth/ci.yml': ci });
    for (const [number, fork] of [
      [5, 77],
      [6, 78],
    ] as const) {
      const sha = rig.upstream.commit({ '.hearth/ci.yml': ci, number: String(number) });
      rig.upstream.ref(`refs/pull/${number}/head`, sha);
      await rig.pullRequest(number, 'topic', sha, fork);
    }
    await rig.closed(5, 'topic', 77);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci cancelled/cancelled_by: cancelled: pull request #5 was closed', 'ci queued']);
  });

  it('ends all runs of a deleted branch, and none of another', async () => {
    await using rig = await makePlannerRig();
    for (const branch of ['topic', 'other'])
      await rig.push(branch, rig.upstream.push(branch, { '.hearth/ci.yml': ci, branch }));
    await rig.tick();
    rig.upstream.ref('refs/heads/topic', null);
    await rig.deleted('topic');
    await rig.tick();
    expect(await rig.told()).toEqual(['ci cancelled/cancelled_by: cancelled: topic was deleted', 'ci queued']);
  });
});

describe('what changed', () => {
  const filtered = 'on: {push: {paths: [src/**]}, pull_request: {paths: [src/**]}}\njobs: {a: {run: x}, b: {run: y}}\n';
  const before = (sha: string) => ({ event: { before: sha } });

  it('decides about a run: one whose files did not change is skipped with all its jobs, and says so', async () => {
    await using rig = await makePlannerRig();
    const first = rig.upstream.push('main', { '.hearth/ci.yml': filtered, 'src/a': '1' });
    const second = rig.upstream.push('main', { '.hearth/ci.yml': filtered, 'src/a': '1', 'README.md': 'x' });
    const third = rig.upstream.push('main', { '.hearth/ci.yml': filtered, 'src/a': '2', 'README.md': 'x' });
    await rig.push('main', second, rig.upstream, before(first));
    await rig.push('main', third, rig.upstream, before(second));
    await rig.tick();
    expect(await rig.told()).toEqual(['ci skipped/condition: no changed file matches its paths', 'ci queued']);
    const green = (await rig.statuses()).filter((one) => one.includes('success'));
    expect(green).toEqual([
      'hearth/ci success: skipped: no changed file matches its paths',
      'hearth/ci/a success: skipped: no changed file matches its paths',
      'hearth/ci/b success: skipped: no changed file matches its paths',
    ]);
  });

  it('on a branch is all that it changed, so that a late commit to the docs cannot make unchecked code green', async () => {
    await using rig = await makePlannerRig();
    const base = rig.upstream.push('main', { '.hearth/ci.yml': filtered, 'src/a': '1' });
    const code = rig.upstream.commit({ '.hearth/ci.yml': filtered, 'src/a': '2' }, base);
    const docs = rig.upstream.commit({ '.hearth/ci.yml': filtered, 'src/a': '2', 'README.md': 'x' }, code);
    rig.upstream.ref('refs/heads/topic', docs);
    await rig.push('topic', docs, rig.upstream, before(code));
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued']);
  });

  it('leaves out a branch and its pull request only when all of it is something else', async () => {
    await using rig = await makePlannerRig();
    const base = rig.upstream.push('main', { '.hearth/ci.yml': filtered, 'src/a': '1' });
    const docs = rig.upstream.commit({ '.hearth/ci.yml': filtered, 'src/a': '1', 'README.md': 'x' }, base);
    rig.upstream.ref('refs/heads/topic', docs);
    rig.upstream.ref('refs/pull/5/head', docs);
    rig.upstream.push('main', { '.hearth/ci.yml': filtered, 'src/a': '2' });
    await rig.push('topic', docs);
    await rig.pullRequest(5, 'topic', docs);
    await rig.tick();
    expect(await rig.told()).toEqual([
      'ci skipped/condition: no changed file matches its paths',
      'ci skipped/condition: no changed file matches its paths',
    ]);
  });

  it('that cannot be told leaves nothing out', async () => {
    await using rig = await makePlannerRig();
    const sha = rig.upstream.push('main', { '.hearth/ci.yml': filtered });
    await rig.push('main', sha, rig.upstream, before('f'.repeat(40)));
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued']);
  });

  it('and a run that another event of the commit wants is not taken for done because this one left it out', async () => {
    await using rig = await makePlannerRig();
    const other = 'on: {push: {paths: [src/**]}, pull_request: {}}\njobs: {a: {run: x}}\n';
    const base = rig.upstream.push('main', { '.hearth/ci.yml': other });
    const docs = rig.upstream.commit({ '.hearth/ci.yml': other, 'README.md': 'x' }, base);
    rig.upstream.ref('refs/heads/topic', docs);
    rig.upstream.ref('refs/pull/5/head', docs);
    await rig.push('topic', docs);
    await rig.pullRequest(5, 'topic', docs);
    await rig.tick();
    expect(await rig.told()).toEqual(['ci skipped/condition: no job ran', 'ci queued']);
    expect(await rig.statuses()).toContain('hearth/ci pending: queued');
  });
});

describe('a commit that asks to be skipped', () => {
  it('runs nothing and ends nothing, by the message of the push or of the commit itself', async () => {
    await using rig = await makePlannerRig();
    const first = rig.upstream.push('topic', { '.hearth/ci.yml': ci });
    await rig.push('topic', first);
    await rig.tick();
    const tree = rig.upstream.git(['rev-parse', `${first}^{tree}`]);
    const second = rig.upstream.git(['commit-tree', tree, '-p', first, '-m', 'docs [skip ci]']);
    rig.upstream.ref('refs/heads/topic', second);
    await rig.push('topic', second);
    await rig.push('topic', second, rig.upstream, { event: { head_commit: { id: second, message: 'x [ci skip]' } } });
    await rig.tick();
    expect(await rig.told()).toEqual(['ci queued']);
  });
});

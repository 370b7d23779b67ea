import { expect, test } from 'vitest';
import { eventContext } from '../../src/core/event.ts';
import { readPayload } from '../../src/github/payload.ts';
import { changed, examples } from '../support/examples.ts';

function asked(event: string, payload: unknown) {
  const reading = readPayload(event, payload);
  if (!reading.ok) throw new Error(reading.problem);
  return reading.value.request;
}

function one(event: string, fits: (payload: Readonly<Record<string, unknown>>) => boolean) {
  const found = examples(event).find(fits);
  if (found === undefined) throw new Error(`no such example of ${event}`);
  return found;
}

const repo = { id: 186853002, owner: 'Codertocat', name: 'Hello-World' };
const branchPush = one('push', ({ ref }) => ref === 'refs/heads/master');
const tagPush = one('push', ({ ref, deleted }) => ref === 'refs/tags/simple-tag' && deleted === false);
const opened = one('pull_request', ({ action }) => action === 'opened');
const closed = one('pull_request', ({ action }) => action === 'closed');

test('a push to the default branch asks for its head, with full trust', () => {
  expect(asked('push', branchPush)).toEqual({
    kind: 'head',
    eventName: 'push',
    sha: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
    trust: 'T1',
    event: eventContext(branchPush),
    repo,
    headRef: 'refs/heads/master',
    headRepoId: repo.id,
    prNumber: null,
    baseRef: null,
    defaultBranch: 'master',
    actor: 'Codertocat',
  });
});

test('a push to another branch is trusted less', () => {
  expect(asked('push', { ...branchPush, ref: 'refs/heads/feature/x' })).toMatchObject({
    kind: 'head',
    trust: 'T2',
    headRef: 'refs/heads/feature/x',
  });
});

test('a branch that is only called like a tag is no tag', () => {
  expect(asked('push', { ...branchPush, ref: 'refs/heads/refs/tags/v1' })).toMatchObject({ trust: 'T2' });
});

test('a tag is trusted, and an annotated one stands for its commit', () => {
  expect(asked('push', tagPush)).toMatchObject({ kind: 'head', trust: 'T1', headRef: 'refs/tags/simple-tag' });
  const annotated = { ...tagPush, after: 'b'.repeat(40) };
  expect(asked('push', annotated)).toMatchObject({ sha: '6113728f27ae82c7b1a177c8d03f9e96e0adf246' });
});

test('a sha of a SHA-256 repository is fine', () => {
  expect(asked('push', { ...branchPush, after: 'c'.repeat(64) })).toMatchObject({ sha: 'c'.repeat(64) });
});

test('a deletion ends what runs there, whichever event tells it', () => {
  const gone = {
    kind: 'gone',
    eventName: 'push',
    headRef: 'refs/tags/simple-tag',
    because: 'simple-tag was deleted',
    repo,
  };
  expect(
    asked(
      'push',
      one('push', ({ deleted }) => deleted === true),
    ),
  ).toMatchObject(gone);
  expect(asked('push', { ...tagPush, after: '0'.repeat(40) })).toMatchObject(gone);
  expect(asked('delete', examples('delete')[0])).toMatchObject(gone);
  expect(asked('delete', { ...examples('delete')[0], ref_type: 'branch', ref: 'a/b' })).toMatchObject({
    headRef: 'refs/heads/a/b',
  });
});

test('a pull request from a branch of the repository itself asks for its head', () => {
  expect(asked('pull_request', opened)).toEqual({
    kind: 'head',
    eventName: 'pull_request',
    sha: 'ec26c3e57ca3a959ca5aad62de7213c562f8c821',
    trust: 'T2',
    event: eventContext(opened),
    repo,
    headRef: 'refs/heads/changes',
    headRepoId: repo.id,
    prNumber: 2,
    baseRef: 'master',
    defaultBranch: 'master',
    actor: 'Codertocat',
  });
});

test.each(['synchronize', 'reopened'])('so it does when it is %s', (action) => {
  expect(
    asked(
      'pull_request',
      one('pull_request', (payload) => payload['action'] === action),
    ),
  ).toMatchObject({ kind: 'head', trust: 'T2' });
});

test('a fork waits for approval, whatever its names pretend', () => {
  const fork = changed(opened, {
    'pull_request.head.repo.id': 999,
    'pull_request.head.repo.full_name': 'Codertocat/Hello-World',
    'pull_request.head.ref': 'master',
  });
  expect(asked('pull_request', fork)).toMatchObject({ kind: 'head', trust: 'T4', headRepoId: 999 });
});

test('so does a fork that was deleted', () => {
  expect(asked('pull_request', changed(opened, { 'pull_request.head.repo': null }))).toMatchObject({
    trust: 'T4',
    headRepoId: null,
  });
});

test('a closed pull request ends what runs for it and says how it ended', () => {
  expect(asked('pull_request', closed)).toMatchObject({
    kind: 'gone',
    because: 'pull request #2 was closed',
    prNumber: 2,
    headRef: 'refs/heads/changes',
  });
  expect(asked('pull_request', changed(closed, { 'pull_request.merged': true }))).toMatchObject({
    because: 'pull request #2 was merged',
  });
});

test('other actions of a pull request ask for nothing', () => {
  const acting = ['opened', 'synchronize', 'reopened', 'closed', ...beside];
  const others = examples('pull_request').filter(({ action }) => !acting.includes(String(action)));
  expect(others.length).toBeGreaterThan(8);
  for (const payload of others) expect(asked('pull_request', payload)).toBeNull();
});

const beside = ['ready_for_review', 'converted_to_draft', 'labeled', 'unlabeled', 'edited'];

test('a label and its like ask for runs at the head the pull request has, and say what happened', () => {
  const some = examples('pull_request').filter(({ action }) => beside.includes(String(action)));
  expect(some.length).toBeGreaterThan(4);
  for (const payload of some)
    expect(asked('pull_request', payload)).toMatchObject({ kind: 'head', event: { action: payload['action'] } });
});

test('a ref that is neither branch nor tag asks for nothing', () => {
  expect(asked('push', { ...branchPush, ref: 'refs/notes/commits' })).toBeNull();
});

test.each([
  ['push', { ...branchPush, after: '6113728' }, 'after'],
  ['push', { ...branchPush, ref: 'master' }, 'ref'],
  ['pull_request', changed(opened, { 'pull_request.head.sha': null }), 'pull_request.head.sha'],
  ['pull_request', changed(opened, { 'pull_request.head.ref': 'a\nb' }), 'pull_request.head.ref'],
  ['pull_request', changed(opened, { 'pull_request.base.repo.id': 5 }), 'pull_request.base.repo.id'],
  ['delete', { ...examples('delete')[0], ref_type: 'repository' }, 'ref_type'],
  ['push', 'text', 'the payload'],
])('a %s with a wrong field is refused, naming the field', (event, payload, field) => {
  const reading = readPayload(event, payload);
  expect(!reading.ok && reading.problem).toMatch(new RegExp(`^${field}`));
});

// GitHub's examples have none; the fields are those of its description of the event.
const group = {
  action: 'checks_requested',
  merge_group: {
    head_sha: 'a'.repeat(40),
    head_ref: 'refs/heads/gh-readonly-queue/main/pr-7-abc',
    base_sha: 'b'.repeat(40),
    base_ref: 'refs/heads/main',
  },
  repository: opened['repository'],
  sender: { login: 'mona' },
};

test('a merge group asks for its head, matched by its base', () => {
  expect(asked('merge_group', group)).toMatchObject({
    kind: 'head',
    eventName: 'merge_group',
    sha: 'a'.repeat(40),
    trust: 'T2',
    headRef: 'refs/heads/gh-readonly-queue/main/pr-7-abc',
    baseRef: 'main',
  });
  expect(asked('merge_group', { ...group, action: 'destroyed' })).toMatchObject({
    kind: 'gone',
    eventName: 'merge_group',
  });
  expect(asked('merge_group', { ...group, action: 'other' })).toBeNull();
});

test('says of every field that is wrong what is wrong, in words for people', () => {
  const broken = { ...branchPush, after: undefined, ref: 7, repository: { id: 'x', name: 'a/b', owner: {} } };
  const reading = readPayload('push', broken);
  expect(reading).toEqual({
    ok: false,
    problem: [
      'ref is not of the expected type',
      'after is missing',
      'repository.id is not of the expected type',
      'repository.name is no valid name of an owner or repository',
      'repository.owner.login is missing',
      'repository.default_branch is missing',
    ].join('; '),
  });
  expect(readPayload('push', [])).toEqual({ ok: false, problem: 'the payload is not of the expected type' });
});

const commented = one('issue_comment', ({ action }) => action === 'created');
const onPull = { 'issue.pull_request': { url: 'https://api.example/pulls/1' } };
const command = (body: string, changes: Record<string, unknown> = {}) =>
  changed(commented, { ...onPull, 'comment.body': body, ...changes });

test('a comment that approves asks for just that: pull request, commit and person, and nothing of what runs', () => {
  expect(asked('issue_comment', command('/hearth approve ABC1234'))).toEqual({
    ...{ kind: 'approval', eventName: 'pull_request', commit: 'abc1234', repo },
    ...{ person: { id: 21031067, login: 'Codertocat' }, actor: 'Codertocat' },
    ...{ prNumber: 1, headRef: 'refs/pull/1/head', headRepoId: null, baseRef: null, defaultBranch: 'master' },
  });
});

test.each([
  ['/hearth approve', ''],
  ['  /hearth \t approve 1234567\r\n', '1234567'],
  ['/hearth approve all', 'all'],
])('%j is a command, whose commit is judged later', (body, commit) => {
  expect(asked('issue_comment', command(body))).toMatchObject({ kind: 'approval', commit });
});

test.each([
  ['You are totally right!'],
  ['> /hearth approve abc1234'],
  ['Write /hearth approve abc1234'],
  ['/hearth approve abc1234 and more'],
  ['/hearth approve abc1234\nthanks'],
  ['/Hearth approve abc1234'],
  ['/hearth approved abc1234'],
  [`/hearth approve ${'a'.repeat(201)}`],
  [''],
])('%j is no command', (body) => {
  expect(asked('issue_comment', command(body))).toBeNull();
});

test.each([
  ['was edited', { action: 'edited' }],
  ['was deleted', { action: 'deleted' }],
  ['is on an issue', { 'issue.pull_request': null }],
  ['has lost its author', { 'comment.user': null }],
  ['came from somebody else than its author', { 'sender.id': 7 }],
  ['came from a bot', { 'sender.type': 'Bot' }],
  ['came from an organisation', { 'sender.type': 'Organization' }],
  ['came from a login that is none', { 'sender.login': 'a/../b' }],
])('a command asks for nothing when it %s', (_what, changes) => {
  expect(asked('issue_comment', command('/hearth approve abc1234', changes))).toBeNull();
});

test.each(examples('issue_comment').map((payload) => [String(payload['action']), payload]))(
  "GitHub's own example of a comment that was %s is understood and asks for nothing",
  (_action, payload) => {
    expect(asked('issue_comment', payload)).toBeNull();
  },
);

test.each(['comment', 'issue', 'sender', 'issue.number', 'comment.body', 'sender.id'])(
  'a comment without %s is refused by name',
  (field) => {
    const reading = readPayload('issue_comment', command('/hearth approve abc1234', { [field]: undefined }));
    expect(!reading.ok && reading.problem).toContain(field);
  },
);

import { expect, it } from 'vitest';
import { eventContext } from '../../src/core/event.ts';
import { examples } from '../support/examples.ts';

const event = (name: string, wanted: (payload: Readonly<Record<string, unknown>>) => boolean) =>
  eventContext(examples(name).find(wanted)) as Record<string, Record<string, unknown>>;

it('holds what conditions on a push are made of', () => {
  const push = event('push', ({ ref }) => ref === 'refs/heads/master');
  expect(push).toMatchObject({
    ref: 'refs/heads/master',
    forced: false,
    head_commit: { id: '6113728f27ae82c7b1a177c8d03f9e96e0adf246' },
    repository: { full_name: 'Codertocat/Hello-World', default_branch: 'master' },
    sender: { login: 'Codertocat' },
  });
});

it('holds what conditions on a pull request are made of', () => {
  const opened = event('pull_request', ({ action }) => action === 'opened');
  expect(opened['pull_request']).toMatchObject({ number: 2, draft: false, head: { ref: 'changes' }, labels: [] });
});

it('leaves out what nobody asks for, and what has another type', () => {
  const push = event('push', ({ ref }) => ref === 'refs/heads/master');
  expect(push).not.toHaveProperty('commits');
  expect(push['repository']).not.toHaveProperty('keys_url');
  expect(eventContext({ ref: { toString: 'x' }, pull_request: [], repository: null, number: 3, labels: 1 })).toEqual({
    number: 3,
  });
  expect(eventContext(null)).toEqual({});
});

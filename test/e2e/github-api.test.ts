import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StatusState } from '../../src/core/commit-status.ts';
import { Secret } from '../../src/core/secrets/secret.ts';
import { createGithubApi } from '../../src/github/api.ts';
import { createGithubForge } from '../../src/github/client.ts';
import { systemClock } from '../../src/system.ts';
import { makeStatus } from '../support/make-status.ts';
import { startPrism, type PrismApi } from '../support/prism.ts';

let prism: PrismApi;
// The first time it fetches GitHub's description; Prism then takes some seconds to read it.
beforeAll(async () => {
  prism = await startPrism();
}, 180_000);
afterAll(async () => {
  await prism[Symbol.asyncDispose]();
});

const forge = () =>
  createGithubForge(
    createGithubApi({
      apiUrl: prism.url,
      credential: { kind: 'token', token: new Secret('t') },
      clock: systemClock,
      onWarning: () => undefined,
    }),
  );

test.each(['pending', 'success', 'failure', 'error'] as const)(
  "GitHub's description allows a status of %s",
  async (state) => {
    const status = makeStatus({
      state,
      context: 'hearth/ci/build (amd64, a/b)',
      description: 'failed (allowed): exit 3',
    });
    expect(await forge().setStatus(status, 'https://ci.example/logs/1?t=2')).toEqual({ ok: true, value: undefined });
    expect(prism.calls.at(-1)).toMatchObject({
      status: 201,
      asked: { method: 'POST', path: `/repos/octo/hello/statuses/${status.sha}` },
    });
  },
);

test('and a status without a link', async () => {
  expect((await forge().setStatus(makeStatus(), null)).ok).toBe(true);
});

test('a status that GitHub does not know is refused for ever', async () => {
  const sent = await forge().setStatus(makeStatus({ state: 'running' as StatusState }), null);
  expect(!sent.ok && sent.problem.kind).toBe('refused');
  expect(prism.calls.at(-1)?.status).toBe(422);
});

test("the permission of a person is asked for as GitHub describes it, and GitHub's own answer is understood", async () => {
  const repo = { id: 1296269, owner: 'octocat', name: 'Hello-World' };
  expect(await forge().permissionOf(repo, 'octocat')).toEqual({ ok: true, value: { mayWrite: true, personId: 1 } });
  expect(prism.calls.at(-1)).toMatchObject({
    status: 200,
    asked: { method: 'GET', path: '/repos/octocat/Hello-World/collaborators/octocat/permission' },
  });
});

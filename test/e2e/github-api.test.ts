import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StatusState } from '../../src/core/commit-status.ts';
import { Secret } from '../../src/core/secrets/secret.ts';
import { createGithubApi } from '../../src/github/api.ts';
import { createGithubForge } from '../../src/github/client.ts';
import { createWorkflowForge } from '../../src/github/workflows.ts';
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

const api = () =>
  createGithubApi({
    apiUrl: prism.url,
    credential: { kind: 'token', token: new Secret('t') },
    clock: systemClock,
    onWarning: () => undefined,
  });
const forge = () => createGithubForge(api());

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

describe("workflows are begun, followed and ended as GitHub describes it, and GitHub's own answers are understood", () => {
  const repo = { id: 1296269, owner: 'octo-org', name: 'octo-repo' };
  const place = '/repos/octo-org/octo-repo/actions';
  const workflows = () => createWorkflowForge(api(), { apiUrl: prism.url, clock: systemClock });
  const { signal } = new AbortController();
  const asked = (method: string, path: string, status: number) => {
    expect(prism.calls.at(-1)).toMatchObject({ status, asked: { method, path: `${place}${path}` } });
  };

  test('dispatch', async () => {
    const order = { repo, workflow: 'build.yml', ref: 'main', inputs: { push: 'true' } };
    const url = 'https://github.com/octo-org/octo-repo/actions/runs/1';
    expect(await workflows().dispatch(order, signal)).toEqual({ ok: true, value: { runId: 1, url } });
    asked('POST', '/workflows/build.yml/dispatches', 200);
    expect(prism.calls.at(-1)?.asked.body).toEqual({ ref: 'main', inputs: { push: 'true' }, return_run_details: true });
  });

  test('a dispatch that GitHub does not understand has begun nothing', async () => {
    const order = { repo, workflow: 'build.yml', ref: 7 as unknown as string, inputs: {} };
    expect(await workflows().dispatch(order, signal)).toMatchObject({
      problem: { kind: 'refused', mayHaveBegun: false },
    });
  });

  test('the runs that were dispatched', async () => {
    const listed = await workflows().dispatchedRuns({ repo, workflow: 'build.yml' }, signal);
    asked('GET', '/workflows/build.yml/runs?event=workflow_dispatch&per_page=100', 200);
    expect(listed).toMatchObject({ value: { runs: [{ id: 30433642, state: 'queued', headBranch: 'master' }] } });
  });

  test('one run', async () => {
    const run = await workflows().run(repo, 30433642, signal);
    asked('GET', '/runs/30433642', 200);
    expect(run).toMatchObject({
      value: { id: 30433642, attempt: 1, headSha: expect.stringMatching(/^\w{40}$/) as string },
    });
  });

  test('its jobs', async () => {
    const jobs = await workflows().jobs(repo, 29679449, signal);
    asked('GET', '/runs/29679449/jobs?filter=latest&per_page=100&page=1', 200);
    expect(jobs).toMatchObject({ value: [{ id: 399444496, state: 'completed', conclusion: 'success' }] });
  });

  test('its end', async () => {
    expect(await workflows().cancel(repo, 30433642, signal)).toEqual({ ok: true, value: undefined });
    // The description's own example of the answer is not what it describes, so Prism does not say 202.
    asked('POST', '/runs/30433642/cancel', 200);
  });
});

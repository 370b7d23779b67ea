import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { Secret } from '../../src/core/secrets/secret.ts';
import { createGithubApi, type GithubCredential } from '../../src/github/api.ts';
import { createGithubForge } from '../../src/github/client.ts';
import { systemClock } from '../../src/system.ts';
import { sendJson, startFakeApi, type Asked } from '../support/fake-api.ts';
import { makeStatus } from '../support/make-status.ts';

const status = makeStatus({ state: 'success', description: 'passed' });
const token: GithubCredential = { kind: 'token', token: new Secret('canary-token') };
const echo = ({ body }: Asked): object => ({ id: 1, ...(body as object) });

function forge(apiUrl: string, credential: GithubCredential | null = token, timeoutMs = 5000) {
  const onWarning = vi.fn();
  return Object.assign(
    createGithubForge(createGithubApi({ apiUrl, credential, clock: systemClock, onWarning, timeoutMs })),
    {
      onWarning,
    },
  );
}

test('sends a status with its link', async () => {
  await using api = await startFakeApi((asked, response) => {
    sendJson(response, 201, echo(asked));
  });
  expect(await forge(api.url).setStatus(status, 'https://ci.example/logs/1')).toEqual({ ok: true, value: undefined });
  expect(api.asked).toMatchObject([
    {
      method: 'POST',
      path: `/repos/octo/hello/statuses/${status.sha}`,
      headers: { authorization: 'token canary-token' },
      body: {
        state: 'success',
        context: 'hearth/ci/build',
        description: 'passed',
        target_url: 'https://ci.example/logs/1',
      },
    },
  ]);
});

test('sends no link when there is none', async () => {
  await using api = await startFakeApi((asked, response) => {
    sendJson(response, 201, echo(asked));
  });
  await forge(api.url).setStatus(status, null);
  expect(api.asked[0]?.body).not.toHaveProperty('target_url');
});

test('without a credential it calls nobody and says what to set', async () => {
  const sent = await forge('http://127.0.0.1:1', null).setStatus(status, null);
  expect(!sent.ok && sent.problem).toMatchObject({
    kind: 'unconfigured',
    message: expect.stringContaining('GITHUB_TOKEN') as string,
  });
});

test.each([
  ['a page of HTML with status 200', 200, '<html>maintenance</html>', 'text/html'],
  ['HTML that calls itself JSON', 201, '<html>', 'application/json'],
  ['an answer about another context', 201, '{"context":"other","state":"success"}', 'application/json'],
  ['an answer with another state', 201, '{"context":"hearth/ci/build","state":"pending"}', 'application/json'],
  ['nothing', 204, '', 'application/json'],
  ['null', 200, 'null', 'application/json'],
])('takes %s for a failure that may pass', async (_name, code, body, type) => {
  await using api = await startFakeApi((_asked, response) => {
    response.writeHead(code, { 'content-type': type }).end(code === 204 ? undefined : body);
  });
  expect(await forge(api.url).setStatus(status, null)).toMatchObject({ ok: false, problem: { kind: 'retry' } });
});

test.each([
  [500, {}, { kind: 'retry' }],
  [403, { 'retry-after': '120' }, { kind: 'retry', retryAt: expect.any(Date) as Date }],
  [404, {}, { kind: 'refused' }],
  [422, {}, { kind: 'refused' }],
  [401, {}, { kind: 'retry' }],
])('asks once and once only when the answer is %i', async (code, headers, problem) => {
  await using api = await startFakeApi((_asked, response) => {
    sendJson(response, code, { message: 'no' }, headers);
  });
  expect(await forge(api.url).setStatus(status, null)).toMatchObject({ ok: false, problem });
  expect(api.asked).toHaveLength(1);
});

test('a connection that breaks, or that nobody takes, may be there later', async () => {
  await using api = await startFakeApi((_asked, response) => {
    response.socket?.destroy();
  });
  expect(await forge(api.url).setStatus(status, null)).toMatchObject({ ok: false, problem: { kind: 'retry' } });
  expect(await forge('http://127.0.0.1:1').setStatus(status, null)).toMatchObject({
    ok: false,
    problem: { kind: 'retry' },
  });
});

test('does not wait for ever, and not at all for somebody who leaves', async () => {
  await using api = await startFakeApi(() => undefined);
  expect(await forge(api.url, token, 100).setStatus(status, null)).toMatchObject({
    ok: false,
    problem: { kind: 'retry' },
  });
  const leave = new AbortController();
  const sent = forge(api.url, token, 60_000).setStatus(status, null, leave.signal);
  await expect.poll(() => api.asked.length).toBe(2);
  leave.abort();
  expect(await sent).toMatchObject({ ok: false, problem: { kind: 'retry' } });
});

test('shows no token in what it says', async () => {
  await using api = await startFakeApi((_asked, response) => {
    sendJson(
      response,
      400,
      { message: 'bad' },
      { deprecation: 'true', link: '<https://x>; rel="deprecation"', sunset: 'soon' },
    );
  });
  const client = forge(api.url);
  const sent = await client.setStatus(status, null);
  expect(client.onWarning).toHaveBeenCalledWith(expect.stringContaining('deprecated'));
  expect(JSON.stringify([sent, client.onWarning.mock.calls])).not.toContain('canary');
});

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const app: GithubCredential = { kind: 'app', appId: 7, privateKey: new Secret(privateKey) };

/** Knows one installation, hands out numbered tokens, and accepts only the newest. */
function startAppApi({ revokeFirst = false, isInstalled = true } = {}) {
  let tokens = 0;
  return startFakeApi((asked, response) => {
    if (asked.path.endsWith('/installation')) {
      sendJson(response, isInstalled ? 200 : 404, isInstalled ? { id: 42 } : { message: 'Not Found' });
    } else if (asked.path === '/app/installations/42/access_tokens') {
      tokens += 1;
      const expires_at = new Date(Date.now() + 3_600_000).toISOString();
      sendJson(response, 201, {
        token: `ghs_${tokens}`,
        expires_at,
        permissions: { statuses: 'write' },
        repository_selection: 'selected',
        repositories: [{ id: 10 }],
      });
    } else if (revokeFirst && asked.headers.authorization === 'token ghs_1') {
      sendJson(response, 401, { message: 'Bad credentials' });
    } else {
      sendJson(response, 201, echo(asked));
    }
  });
}

test('an App asks for a token of that repository that may write statuses and nothing else, and keeps it', async () => {
  await using api = await startAppApi();
  const client = forge(api.url, app);
  expect((await client.setStatus(status, null)).ok).toBe(true);
  expect((await client.setStatus(status, null)).ok).toBe(true);
  expect(api.asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /repos/octo/hello/installation',
    'POST /app/installations/42/access_tokens',
    `POST /repos/octo/hello/statuses/${status.sha}`,
    `POST /repos/octo/hello/statuses/${status.sha}`,
  ]);
  expect(api.asked[1]?.body).toEqual({ repository_ids: [10], permissions: { contents: 'read', statuses: 'write' } });
});

test('an App whose token was revoked takes a new one, once', async () => {
  await using api = await startAppApi({ revokeFirst: true });
  expect((await forge(api.url, app).setStatus(status, null)).ok).toBe(true);
  expect(
    api.asked.filter(({ path }) => path.includes('/statuses/')).map(({ headers }) => headers.authorization),
  ).toEqual(['token ghs_1', 'token ghs_2']);
});

test('an App that is not installed there says so', async () => {
  await using api = await startAppApi({ isInstalled: false });
  expect(await forge(api.url, app).setStatus(status, null)).toMatchObject({
    ok: false,
    problem: { kind: 'refused', message: expect.stringContaining('install it') as string },
  });
});

test('a key that is no key is a failure that may pass, not a crash', async () => {
  await using api = await startAppApi();
  const broken: GithubCredential = { kind: 'app', appId: 7, privateKey: new Secret('canary-key') };
  const sent = await forge(api.url, broken).setStatus(status, null);
  expect(sent).toMatchObject({ ok: false, problem: { kind: 'retry' } });
  expect(JSON.stringify(sent)).not.toContain('canary');
});

describe('the permission of a person', () => {
  const repo = { id: 10, owner: 'octo', name: 'hello' };
  const user = { id: 583231, login: 'mona', type: 'User' };

  test.each([
    ['admin', user, true],
    ['write', user, true],
    ['read', user, false],
    ['none', user, false],
    ['triage', user, false],
    ['Write', user, false],
    ['write', { ...user, type: 'Bot' }, false],
    ['write', null, false],
  ])('%s for %j may write: %s', async (permission, who, mayWrite) => {
    await using api = await startFakeApi((_asked, response) => {
      sendJson(response, 200, { permission, role_name: 'maintain', user: who });
    });
    expect(await forge(api.url).permissionOf(repo, 'mona')).toEqual({
      ok: true,
      value: { mayWrite, personId: who?.id ?? null },
    });
    expect(api.asked).toMatchObject([
      {
        method: 'GET',
        path: '/repos/octo/hello/collaborators/mona/permission',
        headers: { authorization: 'token canary-token' },
      },
    ]);
  });

  test.each([
    [200, { message: 'hi' }, 'retry'],
    [200, '<html>', 'retry'],
    [200, { permission: 'write', user: { id: 'x', type: 'User' } }, 'retry'],
    [500, {}, 'retry'],
    [404, { message: 'Not Found' }, 'refused'],
  ] as const)('is not told by %s %j: %s', async (status, body, kind) => {
    await using api = await startFakeApi((_asked, response) => {
      sendJson(response, status, body);
    });
    const answer = await forge(api.url).permissionOf(repo, 'mona');
    expect(!answer.ok && answer.problem.kind).toBe(kind);
    expect(api.asked).toHaveLength(1);
  });

  test('cannot be asked without a credential', async () => {
    const answer = await forge('http://127.0.0.1:9', null).permissionOf(repo, 'mona');
    expect(!answer.ok && answer.problem).toMatchObject({
      kind: 'unconfigured',
      message: expect.stringContaining('to ask who may approve') as string,
    });
  });
});

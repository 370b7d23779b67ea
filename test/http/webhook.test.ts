import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { StoreUnavailable } from '../../src/core/store-trouble.ts';
import { examples } from '../support/examples.ts';
import { deliveryHeaders, rawRequest, signature, startHttpRig, statusOf } from '../support/http-rig.ts';

const push = JSON.stringify(examples('push').find(({ ref }) => ref === 'refs/heads/master'));

function post(
  url: string,
  body: string | Uint8Array,
  headers = deliveryHeaders(body),
  path = '/webhook',
): Promise<Response> {
  return fetch(`${url}${path}`, { method: 'POST', body: Buffer.from(body), headers });
}

test.each(['/webhook', '/webhooks/github'])(
  'takes a push at %s, stores it, and only then tells the planner',
  async (path) => {
    await using rig = await startHttpRig();
    const response = await post(rig.url, push, deliveryHeaders(push), path);
    expect([response.status, await response.json()]).toEqual([202, { result: 'accepted', message: 'accepted' }]);
    expect(rig.accepted()).toBe(1);
    const [intake] = await rig.store.unplannedIntakes(new Date(), 10);
    expect(intake).toMatchObject({
      kind: 'head',
      headRef: 'refs/heads/master',
      trust: 'T1',
      repo: { owner: 'Codertocat' },
    });
  },
);

test('answers 200 to a redelivery and asks for nothing twice', async () => {
  await using rig = await startHttpRig();
  const headers = deliveryHeaders(push);
  await post(rig.url, push, headers);
  const again = await post(rig.url, push, headers);
  expect([again.status, ((await again.json()) as { result: string }).result]).toEqual([200, 'duplicate']);
  expect(rig.accepted()).toBe(1);
  expect(await rig.store.unplannedIntakes(new Date(), 10)).toHaveLength(1);
});

test('keeps what a delivery tells of a job on GitHub, and lets the loops look', async () => {
  await using rig = await startHttpRig();
  const [example] = examples('workflow_job');
  const repository = (JSON.parse(push) as { repository: unknown }).repository;
  const body = JSON.stringify({ ...example, repository });
  const response = await post(rig.url, body, deliveryHeaders(body, { 'x-github-event': 'workflow_job' }));
  expect([response.status, rig.accepted()]).toEqual([202, 1]);
  expect(await rig.store.unplannedIntakes(new Date(), 10)).toEqual([]);
  const { jobs } = await rig.store.workflowRun(940463255);
  expect(jobs).toMatchObject([{ id: 2832853555, state: 'in_progress', labels: ['gpu', 'db-app', 'dc-03'] }]);
});

test('a delivery that was rejected is judged anew when it is redelivered', async () => {
  await using rig = await startHttpRig();
  const id = randomUUID();
  const elsewhere = push.replaceAll('Codertocat', 'Someone');
  expect((await post(rig.url, elsewhere, deliveryHeaders(elsewhere, { 'x-github-delivery': id }))).status).toBe(403);
  expect((await post(rig.url, push, deliveryHeaders(push, { 'x-github-delivery': id }))).status).toBe(202);
});

test.each([
  ['no content type', { 'content-type': undefined }, 415],
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
  ['a type that only begins alike', { 'content-type': 'application/jsonp' }, 415],
  ['a compressed body', { 'content-encoding': 'gzip' }, 415],
  ['even an encoding that changes nothing', { 'content-encoding': 'identity' }, 415],
  ['a charset', { 'content-type': 'Application/JSON; charset=utf-8' }, 202],
  ['no event', { 'x-github-event': undefined }, 400],
  ['no delivery id', { 'x-github-delivery': undefined }, 400],
  ['no signature', { 'x-hub-signature-256': undefined }, 401],
  ['a ping', { 'x-github-event': 'ping' }, 200],
])('answers %s as the contract says', async (_name, changes, status) => {
  await using rig = await startHttpRig();
  // Raw, since fetch adds a content type of its own.
  const headers = Object.entries(deliveryHeaders(push, changes))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const response = await rawRequest(
    rig.port,
    `POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}Content-Length: ${Buffer.byteLength(push)}\r\n\r\n${push}`,
  );
  expect(statusOf(response)).toBe(status);
});

test('answers one and the same to every wrong signature', async () => {
  await using rig = await startHttpRig();
  const answers = await Promise.all(
    [undefined, 'sha256=', signature(push, 'other'), signature(push).toUpperCase(), 'sha1=00'].map(async (wrong) => {
      const response = await post(rig.url, push, deliveryHeaders(push, { 'x-hub-signature-256': wrong }));
      return `${response.status} ${await response.text()}`;
    }),
  );
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]).toMatch(/^401 /);
});

test('unknown paths are 404, known ones with another method 405 with the methods they take', async () => {
  await using rig = await startHttpRig();
  for (const path of [
    '/',
    '/Webhook',
    '/webhook/',
    '/webhook/x',
    '/webhooks',
    '/webhook;x=1',
    '/%77ebhooks',
    '//webhook',
  ]) {
    expect(
      statusOf(
        await rawRequest(
          rig.port,
          `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
        ),
      ),
      path,
    ).toBe(404);
  }
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'HEAD']) {
    const response = await rawRequest(rig.port, `${method} /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(statusOf(response), method).toBe(405);
    expect(response).toMatch(/\r\nAllow: POST\r\n/);
  }
});

test('a body that is announced too large is refused before it is read, and the connection closed', async () => {
  await using rig = await startHttpRig();
  const headers = Object.entries(deliveryHeaders('{}'))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const response = await rawRequest(
    rig.port,
    `POST /webhook HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: 26214401\r\n\r\n`,
    { ms: 5000 },
  );
  expect(statusOf(response)).toBe(413);
  expect(response.toLowerCase()).toContain('connection: close');
});

test('a body that grows too large is cut off, and the client still reads why', async () => {
  await using rig = await startHttpRig({ parts: { limits: { maxBodyBytes: 1000, maxInFlightBytes: 1e6 } } });
  const body = 'x'.repeat(200_000);
  const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const headers = Object.entries(deliveryHeaders(body))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const response = await rawRequest(
    rig.port,
    `POST /webhook HTTP/1.1\r\nHost: x\r\n${headers}Transfer-Encoding: chunked\r\n\r\n${chunked}`,
  );
  expect(statusOf(response)).toBe(413);
  expect(response).toContain('"error"');
});

test('when too much is in flight it asks to come again later, and recovers', async () => {
  await using rig = await startHttpRig({ parts: { limits: { maxBodyBytes: 1e6, maxInFlightBytes: 150_000 } } });
  const headers = Object.entries(deliveryHeaders('x'))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const half = `POST /webhook HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: 200000\r\n\r\n${'x'.repeat(100_000)}`;
  const held = rawRequest(rig.port, half, { ms: 800 });
  await expect.poll(async () => statusOf(await rawRequest(rig.port, half, { ms: 200 }))).toBe(503);
  const refused = await rawRequest(rig.port, half, { ms: 200 });
  expect(refused).toMatch(/\r\nRetry-After: \d+\r\n/i);
  await held;
  await expect.poll(async () => (await post(rig.url, push)).status).toBe(202);
});

test('what strangers send in bulk leaves room for small deliveries', async () => {
  await using rig = await startHttpRig({ parts: { limits: { maxBodyBytes: 25e6, maxInFlightBytes: 4e6 } } });
  const head =
    'POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\n\r\n';
  // Almost all of the budget, and then nothing more.
  const flood = rawRequest(rig.port, Buffer.concat([Buffer.from(head), Buffer.alloc(3_998_000, 120)]), {
    ms: 3000,
    headOnly: true,
  });
  expect(statusOf(await flood)).toBe(503);
  const held = rawRequest(rig.port, Buffer.concat([Buffer.from(head), Buffer.alloc(2_900_000, 120)]), { ms: 500 });
  const answers: number[] = [];
  for (let round = 0; round < 20; round++) answers.push((await post(rig.url, push)).status);
  expect(new Set(answers)).toEqual(new Set([202]));
  await held;
});

test('what was answered no longer counts as in flight', async () => {
  await using rig = await startHttpRig({ parts: { limits: { maxBodyBytes: 1e6, maxInFlightBytes: 20_000 } } });
  for (let round = 0; round < 5; round++) expect((await post(rig.url, push)).status).toBe(202);
});

test('a store that cannot write is 503 with Retry-After, and nothing counts as accepted', async () => {
  let isFull = true;
  await using rig = await startHttpRig({
    wrapStore: (store) => ({
      ...store,
      recordDelivery: (delivery, request) =>
        isFull ? Promise.reject(new StoreUnavailable('disk full')) : store.recordDelivery(delivery, request),
    }),
  });
  const headers = deliveryHeaders(push);
  const response = await post(rig.url, push, headers);
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '30']);
  expect(rig.accepted()).toBe(0);
  expect(rig.errors.splice(0)).toHaveLength(1);
  isFull = false;
  expect((await post(rig.url, push, headers)).status).toBe(202);
});

test('headers over the limit are 431', async () => {
  await using rig = await startHttpRig();
  const response = await rawRequest(
    rig.port,
    `POST /webhook HTTP/1.1\r\nHost: x\r\nX-Fill: ${'a'.repeat(20_000)}\r\n\r\n`,
  );
  expect(statusOf(response)).toBe(431);
});

test('slow headers and slow bodies are 408', async () => {
  await using rig = await startHttpRig({ server: { limits: { headersTimeoutMs: 300, requestTimeoutMs: 600 } } });
  const slowHeaders = rawRequest(rig.port, 'POST /webhook HTTP/1.1\r\nHost: x\r\n', { ms: 5000 });
  const headers = Object.entries(deliveryHeaders('x'))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const slowBody = rawRequest(rig.port, `POST /webhook HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: 10\r\n\r\n{`, {
    ms: 5000,
  });
  expect((await Promise.all([slowHeaders, slowBody])).map(statusOf)).toEqual([408, 408]);
});

test('a client that leaves in the middle is no error', async () => {
  await using rig = await startHttpRig();
  const headers = Object.entries(deliveryHeaders('x'))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  await rawRequest(rig.port, `POST /webhook HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: 10\r\n\r\n{`, { ms: 50 });
  expect((await post(rig.url, push)).status).toBe(202);
});

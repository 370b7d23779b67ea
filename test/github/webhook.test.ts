import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Secret } from '../../src/core/secrets/secret.ts';
import { readDelivery } from '../../src/github/webhook.ts';
import { examples } from '../support/examples.ts';

const now = new Date('2026-03-01T12:00:00Z');
const guid = '72d3162e-cc78-11e3-81ab-4c9367dc0958';
const rules = { secrets: [new Secret('current'), new Secret('previous')], repos: ['Codertocat/Hello-World'] };

const sign = (body: Uint8Array | string, secret = 'current'): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

interface Sent {
  readonly body: Uint8Array | string;
  readonly event?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly repos?: readonly string[];
}

function deliver({ body, event = 'push', headers = {}, repos = rules.repos }: Sent) {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const all = { 'x-github-event': event, 'x-github-delivery': guid, 'x-hub-signature-256': sign(bytes), ...headers };
  return readDelivery(all, bytes, { ...rules, repos }, now);
}

const push = examples('push').find(({ ref }) => ref === 'refs/heads/master');
const pushBody = JSON.stringify(push);

test("agrees with GitHub's published signature", async () => {
  const headers = {
    'x-github-event': 'push',
    'x-github-delivery': guid,
    'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
  };
  const secrets = [new Secret("It's a Secret to Everybody")];
  const reading = await readDelivery(headers, Buffer.from('Hello, World!'), { secrets, repos: [] }, now);
  // The signature is right, so it is the JSON that is wrong.
  expect(reading).toMatchObject({ status: 400, message: 'The body is not valid JSON.' });
  const other = await readDelivery(headers, Buffer.from('Hello, World?'), { secrets, repos: [] }, now);
  expect(other.status).toBe(401);
});

test('accepts a push, keeping its bytes and its id', async () => {
  const reading = await deliver({ body: pushBody, headers: { 'x-github-delivery': guid.toUpperCase() } });
  expect(reading).toMatchObject({ verdict: 'accepted', status: 202, request: { kind: 'head', sha: push?.['after'] } });
  expect(reading.delivery).toEqual({
    id: guid,
    event: 'push',
    body: Buffer.from(pushBody),
    receivedAt: now,
    verdict: 'accepted',
    note: null,
  });
});

test('accepts every configured secret, so that one can be replaced', async () => {
  expect(
    (await deliver({ body: pushBody, headers: { 'x-hub-signature-256': sign(pushBody, 'previous') } })).status,
  ).toBe(202);
  expect((await deliver({ body: pushBody, headers: { 'x-hub-signature-256': sign(pushBody, 'older') } })).status).toBe(
    401,
  );
});

test.each([
  ['no event', { 'x-github-event': '' }, 400],
  ['an event that is no word', { 'x-github-event': 'push; drop' }, 400],
  ['a delivery id that is no GUID', { 'x-github-delivery': '42' }, 400],
  ['two delivery ids', { 'x-github-delivery': `${guid}, ${guid}` }, 400],
  ['no signature', { 'x-hub-signature-256': '' }, 401],
  [
    'only the old signature',
    { 'x-hub-signature-256': '', 'x-hub-signature': 'sha1=7d38cdd689735b008b3c702edd92eea23791c5f6' },
    401,
  ],
  ['a signature in capitals', { 'x-hub-signature-256': sign(pushBody).toUpperCase() }, 401],
  ['a signature cut short', { 'x-hub-signature-256': sign(pushBody).slice(0, -1) }, 401],
  ['two signatures', { 'x-hub-signature-256': `${sign(pushBody)}, ${sign(pushBody)}` }, 401],
  ['a signature of digits of another script', { 'x-hub-signature-256': sign(pushBody).replace(/\d/g, '٣') }, 401],
])('refuses %s, and records nothing', async (_name, headers, status) => {
  expect(await deliver({ body: pushBody, headers })).toMatchObject({
    status,
    verdict: 'rejected',
    delivery: null,
    request: null,
  });
});

test('accepts no mutation of a signature or of a body', async () => {
  const right = sign(pushBody);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(right.length - 1),
      fc.string({ minLength: 1, maxLength: 1 }),
      fc.nat(pushBody.length - 1),
      async (at, letter, bodyAt) => {
        fc.pre(right[at] !== letter && pushBody[bodyAt] !== letter);
        const signature = right.slice(0, at) + letter + right.slice(at + 1);
        expect((await deliver({ body: pushBody, headers: { 'x-hub-signature-256': signature } })).status).toBe(401);
        const body = pushBody.slice(0, bodyAt) + letter + pushBody.slice(bodyAt + 1);
        expect((await deliver({ body, headers: { 'x-hub-signature-256': right } })).status).toBe(401);
      },
    ),
    { numRuns: 500 },
  );
});

test.each([
  ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), 'The body is not valid UTF-8.'],
  ['nothing', '', 'The body is not valid JSON.'],
  ['a byte order mark', '\uFEFF{}', 'The body is not valid JSON.'],
  ['half a document', '{"ref":', 'The body is not valid JSON.'],
  ['too many brackets', '['.repeat(100_000), 'The body nests deeper than 64 levels.'],
])('answers 400 to %s, when signed', async (_name, body, message) => {
  expect(await deliver({ body })).toMatchObject({ status: 400, message, delivery: null });
});

test('tells strangers nothing about what is wrong with their body', async () => {
  const headers = { 'x-hub-signature-256': sign('something else') };
  for (const body of [Uint8Array.of(0xff), '', '[[', '{}', pushBody])
    expect(await deliver({ body, headers })).toMatchObject({ status: 401 });
});

test('does not count brackets inside strings', async () => {
  const body = JSON.stringify({ ...push, note: `${'['.repeat(200)}\\"${'{'.repeat(200)}` });
  expect((await deliver({ body })).status).toBe(202);
});

test('is not fooled by a payload that names __proto__', async () => {
  const body = pushBody.replace(
    '{',
    '{"__proto__":{"deleted":true,"ref":"refs/heads/evil"},"constructor":{"prototype":{"x":1}},',
  );
  const reading = await deliver({ body });
  expect(reading).toMatchObject({ status: 202, request: { kind: 'head', headRef: 'refs/heads/master' } });
  expect(({} as Record<string, unknown>)['deleted']).toBeUndefined();
});

test.each([
  ['a sha that is none', { ...push, after: 'main' }],
  ['a sha in capitals', { ...push, after: 'A'.repeat(40) }],
  ['a ref that is none', { ...push, ref: 'master' }],
  ['a ref with a space', { ...push, ref: 'refs/heads/a b' }],
  ['a ref that climbs', { ...push, ref: 'refs/heads/../../x' }],
  ['an owner that is a path', { ...push, repository: { ...(push?.['repository'] as object), owner: { login: '..' } } }],
  ['no repository', { ...push, repository: undefined }],
  ['a list', []],
])('answers 422 to %s and records that it was rejected', async (_name, payload) => {
  const reading = await deliver({ body: JSON.stringify(payload) });
  expect(reading).toMatchObject({
    status: 422,
    verdict: 'rejected',
    request: null,
    delivery: { verdict: 'rejected', id: guid },
  });
  expect(reading.delivery?.note).toBe(reading.message);
});

test('answers 403 to a repository that is not on the allow-list and records that it was rejected', async () => {
  const reading = await deliver({ body: pushBody, repos: ['octo/*', 'Codertocat/Hello'] });
  expect(reading).toMatchObject({ status: 403, verdict: 'rejected', request: null, delivery: { verdict: 'rejected' } });
  expect(reading.message).toContain('HEARTH_REPOS');
});

test('checks the allow-list before it decides that an event is of no interest', async () => {
  const body = JSON.stringify(examples('issues')[0]);
  expect((await deliver({ body, event: 'issues' })).status).toBe(200);
  expect((await deliver({ body, event: 'issues', repos: ['octo/*'] })).status).toBe(403);
});

test.each(['codertocat/hello-world', 'CODERTOCAT/*'])(
  'reads the allow-list without regard to case: %s',
  async (pattern) => {
    expect((await deliver({ body: pushBody, repos: [pattern] })).status).toBe(202);
  },
);

test('answers 200 to pings and events nobody listens to, and records them as ignored', async () => {
  for (const event of ['ping', 'star', 'meta', 'sponsorship', 'organization']) {
    for (const payload of examples(event)) {
      const reading = await deliver({
        body: JSON.stringify(payload),
        event,
        repos: ['*/*', 'Codertocat/*', 'Octocoders/*', 'octokit/*', 'wolfy1339/*', 'gr2m/*', 'oscard0m/*'],
      });
      expect(reading, JSON.stringify(reading)).toMatchObject({
        status: 200,
        verdict: 'ignored',
        request: null,
        delivery: { verdict: 'ignored' },
      });
    }
  }
});

test('never throws, whatever a signed body holds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('push', 'pull_request', 'delete', 'ping', 'x'),
      fc.oneof(fc.json(), fc.uint8Array()),
      async (event, body) => {
        expect([200, 400, 422, 403]).toContain((await deliver({ event, body })).status);
      },
    ),
    { numRuns: 1000 },
  );
});

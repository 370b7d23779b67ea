import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { examples } from '../support/examples.ts';
import { rawRequest, signature, startHttpRig, statusOf, type HttpRig } from '../support/http-rig.ts';

let rig: HttpRig;
beforeAll(async () => {
  rig = await startHttpRig();
});
afterAll(async () => {
  // Disposing throws when the server reported anything.
  await rig[Symbol.asyncDispose]();
});

const REQUESTS = 2000;
const push = JSON.stringify(examples('push').find(({ ref }) => ref === 'refs/heads/master'));

/** Each part of a request, with the status that the contract gives when this is the first part that is wrong. */
const right = null;
type Part = readonly [value: string, status: number | null];

const paths: readonly Part[] = [
  ['/webhook', right],
  ['/webhooks/github', right],
  ['/WEBHOOK', 404],
  ['/webhook/', 404],
  ['/../webhook', 404],
  ['/webhook%00', 404],
  ['/%', 404],
  ['/webhook%2f', 404],
];
const methods: readonly Part[] = [
  ['POST', right],
  ['GET', 405],
  ['PUT', 405],
  ['DELETE', 405],
  ['HEAD', 405],
  ['OPTIONS', 405],
  ['PROPFIND', 405],
];
const types: readonly Part[] = [
  ['application/json', right],
  ['application/json;charset=utf-8', right],
  ['', 415],
  ['text/json', 415],
  ['application/json, text/html', 415],
  ['application/x-www-form-urlencoded', 415],
];
const encodings: readonly Part[] = [
  ['', right],
  ['gzip', 415],
  ['identity', 415],
  ['br, gzip', 415],
];
const lengths: readonly Part[] = [
  ['exact', right],
  ['chunked', right],
  ['26214401', 413],
  ['9007199254740991', 413],
];
const events: readonly Part[] = [
  ['push', right],
  ['', 400],
  ['PUSH', 400],
  ['push\t push', 400],
  ["push'--", 400],
  ['é', 400],
];
const ids: readonly Part[] = [
  ['guid', right],
  ['', 400],
  ['1', 400],
  ['{72d3162e-cc78-11e3-81ab-4c9367dc0958}', 400],
  ["' or 1=1", 400],
  ['../../etc/passwd', 400],
];
const signatures: readonly Part[] = [
  ['right', right],
  ['', 401],
  ['sha256=', 401],
  [`sha256=${'0'.repeat(64)}`, 401],
  ['sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709', 401],
  ['right, right', 401],
];
const bodies: readonly Part[] = [
  [push, 202],
  ['', 400],
  ['{', 400],
  ['\xff\xfe', 400],
  ['['.repeat(70), 400],
  ['null', 422],
  ['[]', 422],
  ['"x"', 422],
  ['{"ref":1}', 422],
  [push.replace('"after":"', '"after":"g'), 422],
  [push.replace('refs/heads/master', 'master'), 422],
  [push.replaceAll('Codertocat', 'Stranger'), 403],
  [push.replace('"id":186853002', '"id":-1'), 422],
  [push.replace('{', '{"__proto__":{"after":"x"},'), 202],
];

/** Mostly right, so that each later check is reached. */
const part = (parts: readonly Part[]) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(parts[0] ?? ['', right]) },
    { weight: 1, arbitrary: fc.constantFrom(...parts) },
  );

const request = fc.record({
  path: part(paths),
  method: part(methods),
  type: part(types),
  encoding: part(encodings),
  length: part(lengths),
  event: part(events),
  id: part(ids),
  signature: part(signatures),
  body: fc.constantFrom(...bodies),
});
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

/** The first wrong part in the order of the contract decides. */
function expected(parts: Request): number {
  const order = [
    parts.path,
    parts.method,
    parts.type,
    parts.encoding,
    parts.length,
    parts.event,
    parts.id,
    parts.signature,
    parts.body,
  ];
  return order.find(([, status]) => status !== right)?.[1] ?? 0;
}

function bytesOf(parts: Request): Buffer {
  const body = Buffer.from(parts.body[0], 'latin1');
  const headers: string[] = ['Host: ci.example', 'Connection: close'];
  const add = (name: string, value: string): void => {
    if (value !== '') headers.push(`${name}: ${value}`);
  };
  add('Content-Type', parts.type[0]);
  add('Content-Encoding', parts.encoding[0]);
  add('X-GitHub-Event', parts.event[0]);
  add('X-GitHub-Delivery', parts.id[0] === 'guid' ? randomUUID() : parts.id[0]);
  add('X-Hub-Signature-256', parts.signature[0].replaceAll('right', signature(body)));
  const isChunked = parts.length[0] === 'chunked';
  add(
    isChunked ? 'Transfer-Encoding' : 'Content-Length',
    isChunked ? 'chunked' : parts.length[0] === 'exact' ? String(body.length) : parts.length[0],
  );
  const framed = isChunked
    ? Buffer.concat([
        ...(body.length > 0 ? [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')] : []),
        Buffer.from('0\r\n\r\n'),
      ])
    : body;
  return Buffer.concat([
    Buffer.from(`${parts.method[0]} ${parts.path[0]} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`, 'latin1'),
    framed,
  ]);
}

test(
  `${REQUESTS} malformed requests get the status of the contract, and never a 5xx`,
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 20, maxLength: 20 }), async (requests) => {
        const statuses = await Promise.all(
          requests.map(async (parts) => statusOf(await rawRequest(rig.port, bytesOf(parts), { headOnly: true }))),
        );
        expect(statuses).toEqual(requests.map(expected));
      }),
      { numRuns: REQUESTS / 20, endOnFailure: true },
    );
    expect(rig.errors).toEqual([]);
  },
);

/** What is not even HTTP, or HTTP that tries to be two requests. */
const garbage = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(`POST /webhook HTTP/1.1\r\n${text}\r\n\r\n`)),
  fc
    .constantFrom(
      'POST /webhook HTTP/1.1\r\n\r\n',
      'POST /webhook HTTP/9.9\r\nHost: x\r\n\r\n',
      'POST /webhook\r\n\r\n',
      'POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
      'POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}',
      'POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
      'POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n',
      'POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
      'POST /webhook HTTP/1.1\r\nHost : x\r\n\r\n',
      'POST /webhook HTTP/1.1\r\nHost: x\r\nX: a\nb: c\r\n\r\n',
      'GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n',
      'CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    )
    .map((text) => Buffer.from(text)),
);

test('what is no HTTP is refused without harm', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(garbage, { minLength: 20, maxLength: 20 }), async (requests) => {
      const answers = await Promise.all(requests.map((bytes) => rawRequest(rig.port, bytes, { end: true })));
      for (const answer of answers) expect([0, 400, 404, 405, 415, 431]).toContain(statusOf(answer));
    }),
    { numRuns: 25, endOnFailure: true },
  );
  expect(rig.errors).toEqual([]);
  expect((await fetch(`${rig.url}/livez`)).status).toBe(200);
});

test('no path below /logs leads anywhere else', { timeout: 60_000 }, async () => {
  const piece = fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '%2e',
    '/',
    '%2f',
    '%5c',
    '\\',
    '%00',
    ';',
    '~',
    'etc',
    'passwd',
    'hearth.db',
    'a'.repeat(40),
    '%252e%252e',
    '%c0%ae',
    '?',
    '#',
    ' ',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(piece, { maxLength: 8 }), { minLength: 50, maxLength: 50 }), async (paths) => {
      const answers = await Promise.all(
        paths.map((pieces) =>
          rawRequest(
            rig.port,
            `GET /logs/${pieces.join('').replaceAll(' ', '')} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
          ),
        ),
      );
      for (const answer of answers) expect([400, 404]).toContain(statusOf(answer));
    }),
    { numRuns: 20, endOnFailure: true },
  );
  expect(rig.errors).toEqual([]);
});

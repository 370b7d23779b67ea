import { expect, test } from 'vitest';
import { error } from '../../src/core/outcome.ts';
import { adminToken, rawRequest, startHttpRig, statusOf } from '../support/http-rig.ts';

const sha = 'abcdef0123'.padEnd(40, '4');
const bearer = { authorization: `Bearer ${adminToken}` };

async function read(url: string, headers: Record<string, string> = {}): Promise<[number, string]> {
  const response = await fetch(url, { headers });
  return [response.status, await response.text()];
}

test('the log of one job is its bytes and nothing else', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build', 'test']);
  await rig.work(run.id, 'build', 'compiling\ndone\n');
  expect(await read(`${rig.url}/logs/${sha}/build`)).toEqual([200, 'compiling\ndone\n']);
});

test('the log of a commit is that of all jobs of the newest run of each pipeline', async () => {
  await using rig = await startHttpRig();
  const { run: docs } = await rig.plan(sha, ['pages'], 'docs');
  const { run } = await rig.plan(sha, ['build', 'test']);
  await rig.work(run.id, 'build', 'compiling\n');
  await rig.work(docs.id, 'pages', 'rendering\n');
  const [status, text] = await read(`${rig.url}/logs/${sha}`);
  expect(status).toBe(200);
  expect(text).toBe(
    '==> ci/build <==\ncompiling\n--- build: success (exit): passed ---\n\n==> ci/test <==\n--- test: waiting ---\n\n' +
      '==> docs/pages <==\nrendering\n--- pages: success (exit): passed ---\n\n',
  );
});

test('a job that wrote nothing says why', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.store.cancel(run.id, null, error('image', 'the image cannot be pulled'), new Date());
  expect(await read(`${rig.url}/logs/${sha}/build`)).toEqual([
    200,
    expect.stringContaining('the image cannot be pulled'),
  ]);
});

test('names with axes and slashes are percent-encoded, and decoded once', async () => {
  await using rig = await startHttpRig();
  const name = 'build (amd64, a/b, 100%25)';
  const { run } = await rig.plan(sha, [name, 'x']);
  await rig.work(run.id, name, 'ok\n');
  expect(await read(`${rig.url}/logs/${sha}/${encodeURIComponent(name)}`)).toEqual([200, 'ok\n']);
  expect((await read(`${rig.url}/logs/${sha}/${encodeURIComponent(encodeURIComponent(name))}`))[0]).toBe(404);
});

test('a prefix of seven digits is enough; an ambiguous one is answered with the candidates', async () => {
  await using rig = await startHttpRig();
  const other = 'abcdef0999'.padEnd(40, '5');
  const { run } = await rig.plan(sha, ['build']);
  await rig.work(run.id, 'build', 'one\n');
  expect(await read(`${rig.url}/logs/${sha.slice(0, 7).toUpperCase()}/build`)).toEqual([200, 'one\n']);
  await rig.plan(other, ['build']);
  expect(await read(`${rig.url}/logs/abcdef0/build`)).toEqual([300, `/logs/${sha}/build\n/logs/${other}/build\n`]);
  expect(await read(`${rig.url}/logs/${sha}/build`)).toEqual([200, 'one\n']);
  expect((await read(`${rig.url}/logs/abcdef`))[0]).toBe(404);
});

test('ranges are served as bytes of the whole', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build', 'test']);
  await rig.work(run.id, 'build', '0123456789');
  await rig.work(run.id, 'test', 'abcdefghij');
  const part = await fetch(`${rig.url}/logs/${sha}/build`, { headers: { range: 'bytes=2-4' } });
  expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 2-4/10', '234']);
  const none = await fetch(`${rig.url}/logs/${sha}/build`, { headers: { range: 'bytes=10-' } });
  expect([none.status, none.headers.get('content-range'), await none.text()]).toEqual([416, 'bytes */10', '']);
  const whole = await (await fetch(`${rig.url}/logs/${sha}`)).text();
  for (let start = 0; start < whole.length; start += 7) {
    const piece = await fetch(`${rig.url}/logs/${sha}`, { headers: { range: `bytes=${start}-${start + 20}` } });
    expect(await piece.text()).toBe(whole.slice(start, start + 21));
  }
});

test('a whole sha is never ambiguous, even where a longer one begins with it', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.plan(sha.padEnd(64, '4'), ['build']);
  await rig.work(run.id, 'build', 'short\n');
  expect(await read(`${rig.url}/logs/${sha}/build`)).toEqual([200, 'short\n']);
  expect((await read(`${rig.url}/logs/${sha.slice(0, 39)}/build`))[0]).toBe(300);
});

test('HEAD does not wait for a job to end', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.work(run.id, 'build', 'first\n', { ends: false });
  const head = (connection: string): string =>
    `HEAD /logs/${sha}/build?follow=1 HTTP/1.1\r\nHost: localhost\r\nConnection: ${connection}\r\n\r\n`;
  // The second is answered once the first is over.
  const answers = await rawRequest(rig.port, head('keep-alive') + head('close'));
  expect(answers.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
});

test('HEAD tells the size and sends nothing', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.work(run.id, 'build', '0123456789');
  const head = await fetch(`${rig.url}/logs/${sha}/build`, { method: 'HEAD' });
  expect([
    head.status,
    head.headers.get('content-length'),
    head.headers.get('accept-ranges'),
    await head.text(),
  ]).toEqual([200, '10', 'bytes', '']);
});

test('follow=1 streams a running job to its end', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.work(run.id, 'build', 'first\n', { ends: false });
  const response = await fetch(`${rig.url}/logs/${sha}/build?follow=1`);
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe('first\n');
  await rig.append(run.id, 'build', 'second\n');
  expect((await reader.read()).value).toBe('second\n');
  await rig.append(run.id, 'build', 'last\n');
  await rig.end(run.id, 'build');
  expect((await reader.read()).value).toBe('last\n');
  expect((await reader.read()).done).toBe(true);
});

test('a reader who leaves stops the stream and is no error', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.work(run.id, 'build', 'first\n', { ends: false });
  const leave = new AbortController();
  const response = await fetch(`${rig.url}/logs/${sha}/build?follow=1`, { signal: leave.signal });
  await response.body?.getReader().read();
  leave.abort();
  await rig.append(run.id, 'build', 'more\n');
  expect(await read(`${rig.url}/logs/${sha}/build`)).toEqual([200, 'first\nmore\n']);
});

test('a large log arrives whole', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  const line = `${'x'.repeat(99)}\n`;
  await rig.work(run.id, 'build', line.repeat(100_000));
  const [, text] = await read(`${rig.url}/logs/${sha}/build`);
  expect(text.length).toBe(10_000_000);
});

test('logs are plain text that no browser may run, keep, or leak the address of', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.work(run.id, 'build', '<script>alert(1)</script>');
  const { headers } = await fetch(`${rig.url}/logs/${sha}/build`);
  expect(Object.fromEntries(headers)).toMatchObject({
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'content-security-policy': expect.stringMatching(/^sandbox; default-src 'none'/) as string,
  });
  expect(headers.has('x-powered-by')).toBe(false);
});

test('what is missing and what may not be read look the same', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.work(run.id, 'build', 'secret\n');
  const stranger = { 'x-forwarded-for': '203.0.113.9' };
  const answers = await Promise.all(
    [
      `/logs/${sha}`,
      `/logs/${sha}/build`,
      `/logs/${'b'.repeat(40)}`,
      '/logs/..%2f..%2fetc%2fpasswd',
      `/logs/${sha}/%2e%2e%2f`,
      '/logs/%ff',
      `/logs/${sha}/%E0%A4%A`,
      `/logs/${sha}?t=1.2.3`,
      '/api/v1/runs/1',
      '/nothing',
    ].map(async (path) => {
      const response = await fetch(rig.url + path, { headers: stranger });
      const headers = [...response.headers].filter(([name]) => name !== 'date');
      return JSON.stringify([response.status, headers, await response.text()]);
    }),
  );
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]).toMatch(/^\[404,/);
});

test('a signed link opens the logs of its run and of no other, from anywhere', async () => {
  await using rig = await startHttpRig();
  const stranger = { 'x-forwarded-for': '203.0.113.9' };
  const { run } = await rig.plan(sha, ['build', 'test']);
  const { run: other } = await rig.plan('c'.repeat(40), ['build']);
  await rig.work(run.id, 'build', 'mine\n');
  const link = new URL(rig.links.jobLog(run, 'build'), rig.url);
  expect(await read(link.href, stranger)).toEqual([200, 'mine\n']);
  expect(await read(new URL(rig.links.runLog(run), rig.url).href, stranger)).toEqual([
    200,
    expect.stringContaining('mine\n'),
  ]);
  expect((await read(`${rig.url}/api/v1/runs/${run.id}${link.search}`, stranger))[0]).toBe(200);
  expect((await read(`${rig.url}/api/v1/runs/${other.id}${link.search}`, stranger))[0]).toBe(404);
  expect((await read(`${rig.url}/logs/${'c'.repeat(40)}/build${link.search}`, stranger))[0]).toBe(404);
});

test('the admin token reads from anywhere', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.work(run.id, 'build', 'mine\n');
  expect((await read(`${rig.url}/logs/${sha}/build`, { via: '1.1 proxy', ...bearer }))[0]).toBe(200);
  expect((await read(`${rig.url}/logs/${sha}/build`, { via: '1.1 proxy', authorization: 'Bearer wrong' }))[0]).toBe(
    404,
  );
});

test.each([
  'Forwarded: for=1.2.3.4',
  'X-Forwarded-For: 1.2.3.4',
  'X-Forwarded-Proto: https',
  'Via: 1.1 x',
  'X-Real-IP: 1.2.3.4',
  'CF-Connecting-IP: 1.2.3.4',
  'True-Client-IP: 1.2.3.4',
])('a request that a proxy on this machine passed on is a stranger: %s', async (header) => {
  await using rig = await startHttpRig();
  await rig.plan(sha, ['build']);
  const ask = (extra: string): Promise<string> =>
    rawRequest(rig.port, `GET /logs/${sha} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${extra}\r\n`);
  expect(statusOf(await ask(''))).toBe(200);
  expect(statusOf(await ask(`${header}\r\n`))).toBe(404);
});

test('so is one that asks for another name, or speaks as a bare proxy does', async () => {
  await using rig = await startHttpRig();
  await rig.plan(sha, ['build']);
  expect(
    statusOf(
      await rawRequest(rig.port, `GET /logs/${sha} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`),
    ),
  ).toBe(404);
  expect(statusOf(await rawRequest(rig.port, `GET /logs/${sha} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n`))).toBe(404);
});

test('reading can be opened to everybody, or closed to all but the admin token', async () => {
  for (const [right, expected] of [
    ['public', 200],
    ['token', 404],
  ] as const) {
    await using rig = await startHttpRig({ parts: { access: { read: right, adminToken: null } } });
    const { run } = await rig.plan(sha, ['build']);
    expect((await read(`${rig.url}/logs/${sha}`, right === 'public' ? { via: '1.1 proxy' } : {}))[0]).toBe(expected);
    expect((await read(new URL(rig.links.runLog(run), rig.url).href))[0]).toBe(expected);
  }
});

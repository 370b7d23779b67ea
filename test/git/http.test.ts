/** Over HTTP, from git's own server program. It speaks the oldest protocol here, in which a server hands out only tips of refs. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openGit } from '../../src/git/open-git.ts';
import { makeUpstreams, type UpstreamRoot } from '../support/git-repo.ts';

const backend = join(execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim(), 'git-http-backend');

let root: UpstreamRoot;
let server: Server;

beforeEach(async () => {
  root = makeUpstreams();
  // Git-Protocol is not handed on, so that the answer is the oldest protocol.
  server = createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const environment = {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root.root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'],
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
    };
    const child = spawn(backend, { env: environment, stdio: ['pipe', 'pipe', 'ignore'] });
    request.pipe(child.stdin);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('close', () => {
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf('\r\n\r\n');
      for (const header of answer.subarray(0, end).toString().split('\r\n')) {
        const [name = '', value = ''] = header.split(/: (.*)/s);
        if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.end(answer.subarray(end + 4));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  root[Symbol.dispose]();
});

it('brings an older commit with its branch where the server does not hand out the commit alone', async () => {
  const upstream = root.upstream();
  const older = upstream.push('main', { a: '1' });
  const head = upstream.push('main', { a: '2' });
  const { port } = server.address() as AddressInfo;
  const git = openGit({
    directory: join(root.root, 'mirrors'),
    cloneUrl: `http://127.0.0.1:${port}/{owner}/{repo}.git`,
    environment: process.env,
  });
  expect(await git.fetch({ repo: upstream.repo, sha: older, ref: 'refs/heads/main' })).toEqual({
    ok: true,
    value: { head },
  });
  expect(await git.read(upstream.repo, older, 'a')).toBe('1');
});

it('says that a commit is missing which such a server does not have', async () => {
  const upstream = root.upstream();
  upstream.push('main', { a: '1' });
  const { port } = server.address() as AddressInfo;
  const git = openGit({
    directory: join(root.root, 'mirrors'),
    cloneUrl: `http://127.0.0.1:${port}/{owner}/{repo}.git`,
    environment: process.env,
  });
  expect(await git.fetch({ repo: upstream.repo, sha: 'd'.repeat(40), ref: 'refs/heads/main' })).toMatchObject({
    ok: false,
    problem: { kind: 'missing' },
  });
});

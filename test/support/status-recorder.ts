/**
 * Stands before a mock of GitHub's API, notes every commit status that the mock took, and repeats it in the answer as
 * GitHub does (the mock answers with a fixed example). A request that the mock refused is kept as a refusal.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RecordedStatus {
  readonly sha: string;
  readonly context: string;
  readonly state: string;
  readonly description: string;
  readonly targetUrl: string | null;
}

export interface StatusRecorder extends AsyncDisposable {
  readonly url: string;
  /** In order of arrival. */
  readonly statuses: readonly RecordedStatus[];
  /** What the mock did not take: method, path and its answer. */
  readonly refusals: readonly string[];
  /** The newest state of every context of a commit. */
  shown(sha: string): Readonly<Record<string, string>>;
  /** What is answered when it is asked what somebody may do, by login; whoever is absent is nobody there. */
  readonly people: Map<string, { readonly id: number; readonly permission: string }>;
  /** From now on requests are taken and not answered, until `release`. */
  hold(): void;
  release(): void;
}

const PERMISSION = /^\/repos\/[^/]+\/[^/]+\/collaborators\/([^/]+)\/permission$/;

/** `upstream` is the mock; without one every well-formed status is taken, for tests that are not about the API. */
export async function startStatusRecorder(upstream: string | null): Promise<StatusRecorder> {
  const statuses: RecordedStatus[] = [];
  const refusals: string[] = [];
  const people: StatusRecorder['people'] = new Map();
  let held: Promise<void> | undefined;
  let letGo: () => void = () => undefined;

  const server = createServer((request, response) => {
    void (async () => {
      const body = await read(request);
      await held;
      const path = request.url ?? '/';
      const login = upstream === null ? PERMISSION.exec(path)?.[1] : undefined;
      if (login !== undefined) {
        const { id, permission } = people.get(login) ?? { id: 404, permission: 'none' };
        const said = { permission, role_name: permission, user: { id, login, type: 'User' } };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said));
        return;
      }
      const answer = upstream === null ? { status: 201, text: '{}' } : await forward(upstream, request, path, body);
      const sha = /^\/repos\/[^/]+\/[^/]+\/statuses\/([0-9a-f]+)$/.exec(path)?.[1];
      if (answer.status >= 300 || sha === undefined) {
        refusals.push(`${request.method ?? ''} ${path} → ${answer.status} ${answer.text}`);
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.text);
        return;
      }
      const sent = JSON.parse(body) as { state: string; context: string; description: string; target_url?: string };
      statuses.push({
        sha,
        state: sent.state,
        context: sent.context,
        description: sent.description,
        targetUrl: sent.target_url ?? null,
      });
      const echo = { ...(JSON.parse(answer.text) as object), ...sent };
      response.writeHead(201, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(echo));
    })().catch((error: unknown) => {
      refusals.push(String(error));
      response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    statuses,
    refusals,
    people,
    shown: (sha) =>
      Object.fromEntries(statuses.filter((status) => status.sha === sha).map(({ context, state }) => [context, state])),
    hold() {
      held = new Promise((resolve) => (letGo = resolve));
    },
    release() {
      held = undefined;
      letGo();
    },
    async [Symbol.asyncDispose]() {
      letGo();
      server.closeAllConnections();
      await new Promise<void>((resolve) =>
        server.close(() => {
          resolve();
        }),
      );
    },
  };
}

async function read(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

async function forward(
  upstream: string,
  request: IncomingMessage,
  path: string,
  body: string,
): Promise<{ status: number; text: string }> {
  const headers: Record<string, string> = {};
  for (const name of ['content-type', 'accept', 'authorization']) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const answer = await fetch(`${upstream}${path}`, {
    method: request.method ?? 'GET',
    headers,
    ...(body === '' ? {} : { body }),
  });
  return { status: answer.status, text: await answer.text() };
}

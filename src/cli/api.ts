/**
 * How verbs reach runs: always through the HTTP API. With `HEARTH_URL` that of a daemon; otherwise the same API is served
 * over the store of this machine, on loopback and for this process only, so that there is one way to read and to change.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadClientConfig, loadConfig, type Config } from '../config.ts';
import { isAllowed } from '../core/allow-list.ts';
import { formatProblem } from '../core/problem.ts';
import { failed, success, type Result } from '../core/result.ts';
import { Secret } from '../core/secrets/secret.ts';
import { openConfiguredStore } from '../daemon.ts';
import { createApp } from '../http/app.ts';
import type { RunJson } from '../http/api-shapes.ts';
import { startServer } from '../http/server.ts';
import { nudge } from '../nudge.ts';
import { openArtifactFiles } from '../store/artifact-files.ts';
import { openJobLogs } from '../store/job-logs.ts';
import { systemClock, systemRandom } from '../system.ts';
import { openLinks } from '../web-side.ts';
import { Complaint, exits, type VerbContext } from './exit.ts';

export interface Api extends AsyncDisposable {
  /** `path` begins with a slash. Rejects with Complaint when nobody answers. */
  get(path: string, signal?: AbortSignal): Promise<Response>;
  /** `body` is sent as JSON, with an Idempotency-Key of its own. */
  post(path: string, body?: unknown): Promise<Response>;
}

/** Rejects with Complaint when the settings are wrong. */
export async function openApi({ environment }: VerbContext): Promise<Api> {
  const client = loadClientConfig(environment);
  if (client.url !== null) {
    if (!/^https?:\/\/[^/]/.test(client.url))
      throw new Complaint(exits.usage, `HEARTH_URL is ${client.url}; write it with http:// or https:// in front.`);
    return apiAt(client.url, client.adminToken);
  }
  const config = loadConfig(environment);
  if (!config.ok) throw new Complaint(exits.usage, config.problem.map(formatProblem).join('\n'));
  return localApi(config.value);
}

/** A run as the API shows it, or undefined. */
export async function getRun(api: Api, id: number): Promise<RunJson | undefined> {
  const response = await api.get(`/api/v1/runs/${id}`);
  return response.status === 404 ? undefined : ((await (await expectOk(response)).json()) as RunJson);
}

/** Turns an answer that is no success into what the verb says. */
export async function expectOk(response: Response): Promise<Response> {
  if (response.ok) return response;
  const said = parseError(await response.text());
  throw new Complaint(response.status === 404 ? exits.nothing : exits.usage, said);
}

function parseError(text: string): string {
  const parsed = tryJson(text);
  return parsed.ok && typeof parsed.value.error === 'string' ? parsed.value.error : text.trim();
}

function tryJson(text: string): Result<{ readonly error?: unknown }, undefined> {
  try {
    return success(JSON.parse(text) as { readonly error?: unknown });
  } catch {
    return failed(undefined); // not JSON: the text itself is the message
  }
}

function apiAt(url: string, token: Secret | null): Api {
  const call = async (path: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (token !== null) headers.set('authorization', `Bearer ${token.reveal()}`);
    try {
      const response = await fetch(`${url}${path}`, { ...init, headers });
      if (response.status !== 401) return response;
    } catch (cause) {
      if (init.signal?.aborted === true) throw cause;
      const why = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
      throw new Complaint(
        exits.nothing,
        `No Hearth answers at ${url} (${why}). Is it running, and is HEARTH_URL right?`,
        { cause },
      );
    }
    throw new Complaint(
      exits.usage,
      token === null
        ? `The Hearth at ${url} wants its admin token. Set HEARTH_ADMIN_TOKEN.`
        : `HEARTH_ADMIN_TOKEN is not the admin token of the Hearth at ${url}. Correct it.`,
    );
  };
  return {
    get: (path, signal) => call(path, signal === undefined ? {} : { signal }),
    post: (path, body) => {
      if (body === undefined) return call(path, { method: 'POST' });
      const headers = { 'content-type': 'application/json', 'idempotency-key': systemRandom.hex(16) };
      return call(path, { method: 'POST', headers, body: JSON.stringify(body) });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function localApi(config: Config): Promise<Api> {
  await using opened = new AsyncDisposableStack();
  const store = await openConfiguredStore(config);
  opened.defer(() => store.close());
  const token = new Secret(systemRandom.hex(32));
  const wake = (): void => {
    nudge(join(config.dataDirectory, 'worker.sock'));
  };
  const app = createApp({
    store,
    logs: openJobLogs(config.dataDirectory),
    artifacts: openArtifactFiles(config.dataDirectory),
    clock: systemClock,
    links: await openLinks(config, systemClock),
    access: { read: 'signed', adminToken: token },
    readDelivery: () => Promise.reject(new Error('deliveries go to the daemon')),
    isAllowed: (repo) => isAllowed(repo, config.repos),
    onAccepted: wake,
    onCancelled: wake,
    onApproved: wake,
    probes: [],
    readyNeeds: [],
    sleep: async (ms, signal) => {
      await sleep(ms, undefined, { signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    },
    onError: (error) => {
      throw error;
    },
  });
  const server = opened.use(await startServer(app, { host: '127.0.0.1', port: 0 }));
  const owned = opened.move();
  return { ...apiAt(server.url, token), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

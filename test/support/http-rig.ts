/** The HTTP side as it runs: real server on a free port, real store, real log files. */
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IntakeRequest } from '../../src/core/intake.ts';
import type { JobLogs, PlannedRun, RunWithJobs, Store } from '../../src/core/ports.ts';
import { Secret } from '../../src/core/secrets/secret.ts';
import { readDelivery } from '../../src/github/webhook.ts';
import { createApp, type AppParts } from '../../src/http/app.ts';
import { createLinks, type Links } from '../../src/http/links.ts';
import { startServer, type HttpServer, type ServerOptions } from '../../src/http/server.ts';
import { openArtifactFiles } from '../../src/store/artifact-files.ts';
import { openJobLogs } from '../../src/store/job-logs.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { systemClock } from '../../src/system.ts';
import { makeContext, makeSpec } from './make.ts';
import { evidence, passed } from './scripted-executor.ts';

export const adminToken = 'admin-token-of-the-tests';
export const webhookSecret = 'webhook-secret-of-the-tests';
const repo = { id: 10, owner: 'octo', name: 'hello' };

export interface HttpRig extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly store: Store;
  readonly logs: JobLogs;
  readonly links: Links;
  /** What could not be answered. Tests that expect something here empty it. */
  readonly errors: unknown[];
  readonly accepted: () => number;
  readonly cancelled: () => number;
  /** Plans a run with these jobs; none of them waits for another. */
  plan(sha: string, jobs: readonly string[], pipeline?: string, changes?: Partial<PlannedRun>): Promise<RunWithJobs>;
  /** Claims the job, writes its log and, unless told to go on, ends it well. */
  work(run: number, job: string, output: string, options?: { readonly ends: boolean }): Promise<void>;
  append(run: number, job: string, output: string): Promise<void>;
  end(run: number, job: string): Promise<void>;
}

export interface HttpRigOptions {
  readonly parts?: Partial<AppParts>;
  readonly server?: Partial<ServerOptions>;
  readonly publicUrl?: string | null;
  readonly wrapStore?: (store: Store) => AppParts['store'];
}

export async function startHttpRig({
  parts = {},
  server = {},
  publicUrl = null,
  wrapStore = (store) => store,
}: HttpRigOptions = {}): Promise<HttpRig> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-http-'));
  const store = await openSqliteStore(':memory:');
  const logs = openJobLogs(folder);
  const links = createLinks({ publicUrl, key: Buffer.alloc(32, 7), clock: systemClock });
  const errors: unknown[] = [];
  let accepted = 0;
  let cancelled = 0;
  const rules = { secrets: [new Secret(webhookSecret)], repos: ['octo/*', 'Codertocat/*'] };
  const app = createApp({
    store: wrapStore(store),
    logs,
    artifacts: openArtifactFiles(folder),
    links,
    clock: systemClock,
    access: { read: 'signed', adminToken: new Secret(adminToken) },
    readDelivery: (headers, body, now) => readDelivery(headers, body, rules, now),
    probes: [{ name: 'store', check: () => Promise.resolve({ status: 'ok', reason: 'writes', at: new Date() }) }],
    readyNeeds: ['store'],
    sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
    isAllowed: ({ owner }) => owner.toLowerCase() === 'octo',
    onAccepted: () => {
      accepted += 1;
    },
    onCancelled: () => {
      cancelled += 1;
    },
    onApproved: () => undefined,
    onError: (error) => {
      errors.push(error);
    },
    ...parts,
  });
  const http: HttpServer = await startServer(app, { host: '127.0.0.1', port: 0, graceMs: 100, ...server });
  const worker = { id: 'worker-1', slots: 1000, details: {} };
  const leaseUntil = new Date(Date.now() + 3_600_000);
  await store.renewWorker(worker, leaseUntil, new Date());

  async function jobOf(run: number, name: string) {
    const job = (await store.findRun(run))?.jobs.find((candidate) => candidate.name === name);
    if (job === undefined) throw new Error(`no job ${name} in run ${run}`);
    return job;
  }

  const rig: HttpRig = {
    url: http.url,
    port: http.port,
    store,
    logs,
    links,
    errors,
    accepted: () => accepted,
    cancelled: () => cancelled,
    async plan(sha, jobs, pipeline = 'ci', changes = {}) {
      const id = randomUUID();
      const request: IntakeRequest = {
        kind: 'head',
        eventName: 'push',
        sha,
        trust: 'T1',
        event: {},
        repo,
        headRef: 'refs/heads/main',
        headRepoId: 10,
        prNumber: null,
        baseRef: null,
        defaultBranch: 'main',
        actor: 'mona',
      };
      await store.recordDelivery(
        { id, event: 'push', body: new Uint8Array(), receivedAt: new Date(), verdict: 'accepted', note: null },
        request,
      );
      const intake = (await store.unplannedIntakes(new Date(), 100)).find(({ deliveryId }) => deliveryId === id);
      if (intake === undefined) throw new Error('the intake is missing');
      const run = {
        pipeline,
        title: pipeline,
        concurrency: null,
        repo,
        sha,
        ref: 'refs/heads/main',
        line: '10:refs/heads/main',
        prNumber: null,
        eventName: 'push' as const,
        trust: 'T1' as const,
        context: makeContext(),
        jobs: jobs.map((name) => ({ spec: makeSpec(name), waitsFor: [] })),
        outcome: null,
        leftOut: null,
        reported: true,
        ...changes,
      };
      const [runId] = await store.applyPlan(intake, { runs: [run], ends: [], note: null }, new Date());
      const found = runId === undefined ? undefined : await store.findRun(runId);
      if (found === undefined) throw new Error('no run was made');
      return found;
    },
    async work(run, name, output, { ends } = { ends: true }) {
      const { id } = await jobOf(run, name);
      await store.apply([{ job: id, attempt: 0, action: 'queue' }], new Date());
      await store.apply([{ job: id, attempt: 0, action: 'claim', worker: worker.id, leaseUntil }], new Date());
      await rig.append(run, name, output);
      if (ends) await rig.end(run, name);
    },
    async append(run, name, output) {
      const { id, attempt } = await jobOf(run, name);
      const writer = await logs.open(run, id, attempt);
      await writer.append(Buffer.from(output));
      await writer.close();
    },
    async end(run, name) {
      const { id, attempt } = await jobOf(run, name);
      if (!(await store.finishJob(id, attempt, { outcome: passed, evidence, outputs: {} }, new Date())))
        throw new Error(`${name} could not be ended`);
    },
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      await store.close();
      await rm(folder, { recursive: true });
      if (errors.length > 0) throw new AggregateError(errors, 'the server reported errors');
    },
  };
  return rig;
}

export function signature(body: string | Uint8Array, secret = webhookSecret): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** Headers of a delivery that GitHub would send, with some of them changed; undefined removes one. */
export function deliveryHeaders(
  body: string | Uint8Array,
  changes: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  const all: Record<string, string | undefined> = {
    'content-type': 'application/json',
    'x-github-event': 'push',
    'x-github-delivery': randomUUID(),
    'x-hub-signature-256': signature(body),
    ...changes,
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/**
 * Sends these bytes and nothing else, and returns all that comes back until the server closes, `ms` are over, or — with
 * `headOnly` — the headers are there. `end` closes the sending side.
 */
export function rawRequest(
  port: number,
  bytes: string | Uint8Array,
  { ms = 3000, end = false, headOnly = false } = {},
): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString('latin1'));
    };
    const timer = setTimeout(finish, ms);
    socket
      .on('close', finish)
      .on('error', finish)
      .on('data', (chunk) => {
        chunks.push(chunk);
        if (headOnly && Buffer.concat(chunks).includes('\r\n\r\n')) finish();
      });
    socket.write(bytes);
    if (end) socket.end();
  });
}

export function statusOf(response: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(response)?.[1] ?? 0);
}

/** The part of the daemon that listens: webhook, health, logs and API over the store. Needs neither Docker nor git. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from './config.ts';
import { isAllowed } from './core/allow-list.ts';
import { isErrno } from './core/errno.ts';
import type { ArtifactFiles, Clock, JobLogs, Store } from './core/ports.ts';
import { readDelivery } from './github/webhook.ts';
import { createApp } from './http/app.ts';
import { createLinks, type Links } from './http/links.ts';
import { startServer, type HttpServer } from './http/server.ts';
import type { Log } from './log.ts';
import { createProbes } from './ops/probes.ts';

export interface WebSideParts {
  readonly config: Config;
  readonly store: Store;
  readonly logs: JobLogs;
  readonly artifacts: ArtifactFiles;
  readonly clock: Clock;
  readonly log: Log;
  readonly links: Links;
  /** The worker should look at the store. */
  readonly nudge: () => void;
}

/** Resolves when it listens. */
export async function startWebSide({
  config,
  store,
  logs,
  artifacts,
  clock,
  log,
  links,
  nudge,
}: WebSideParts): Promise<HttpServer> {
  const app = createApp({
    store,
    logs,
    artifacts,
    clock,
    links,
    access: { read: config.read, adminToken: config.secrets.adminToken },
    readDelivery: (headers, body, now) =>
      readDelivery(headers, body, { secrets: config.secrets.webhook, repos: config.repos }, now),
    isAllowed: (repo) => isAllowed(repo, config.repos),
    onAccepted: nudge,
    onDelivery: ({ id, event, status, message }) => {
      log.info(
        { delivery: id, event, status, reason: message },
        status < 400 ? 'a delivery came' : 'a delivery was refused',
      );
    },
    onCancelled: nudge,
    onApproved: (approved) => {
      log.info(approved, 'a commit of a fork was approved');
      nudge();
    },
    probes: createProbes({
      store,
      clock,
      dataDirectory: config.dataDirectory,
      hasCredential: config.github.credential !== null,
      staleAfterMs: config.staleAfterMs,
    }),
    readyNeeds: ['store'],
    sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(ignoreAbort),
    onError: (error) => {
      log.error({ err: error }, 'a request failed');
    },
  });
  return startServer(app, config.listen);
}

/** The links that both sides make and check; their key is made once and kept in the data folder. */
export async function openLinks(config: Config, clock: Clock): Promise<Links> {
  const folder = join(config.dataDirectory, 'keys');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return createLinks({ publicUrl: config.publicUrl, key: await linkKey(join(folder, 'links')), clock });
}

async function linkKey(path: string): Promise<Uint8Array> {
  const key = randomBytes(32);
  try {
    await writeFile(path, key, { mode: 0o600, flag: 'wx' });
    return key;
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    return readFile(path);
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
}

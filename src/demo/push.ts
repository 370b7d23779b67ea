/** A push as GitHub tells of it: signed, to the daemon's own door, and watched until its runs have ended. */
import { createHmac, randomUUID } from 'node:crypto';
import { watchRuns } from '../cli/watch.ts';
import type { RunWithJobs, Store } from '../core/ports.ts';
import type { RepoRef } from '../core/run.ts';
import { openJobLogs } from '../store/job-logs.ts';
import type { DemoDaemon } from './daemon.ts';

export interface SignedPush {
  readonly daemon: Pick<DemoDaemon, 'url' | 'secret' | 'store' | 'dataDirectory'>;
  readonly repository: RepoRef;
  /** The new head of `main`. */
  readonly sha: string;
  readonly say: (text: string | Uint8Array) => void;
  /** As of `hearth run --record`. */
  readonly recordFile?: string | undefined;
}

/** Resolves with the runs when they have ended. Throws when the push was not answered with 202 or became no run. */
export async function pushAndWatch(push: SignedPush): Promise<readonly RunWithJobs[]> {
  const { daemon, sha, say, recordFile } = push;
  const { url, secret, store, dataDirectory } = daemon;
  const pushedAt = performance.now();
  const body = JSON.stringify(payloadOf(push.repository, sha));
  const response = await fetch(`${url}/webhook`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
  });
  if (response.status !== 202)
    throw new Error(`the push was answered with ${response.status}: ${await response.text()}`);
  say(`  answered 202 after ${(performance.now() - pushedAt).toFixed(0)} ms: the push is on disk\n`);
  const ids = await runsOf(store, sha);
  const context = { json: false, write: say };
  const runs = await watchRuns({ store, logs: openJobLogs(dataDirectory), ids, context, recordFile });
  say(`  push → verdict: ${((performance.now() - pushedAt) / 1000).toFixed(2)} s\n`);
  return runs;
}

function payloadOf({ id, owner, name }: RepoRef, sha: string): unknown {
  return {
    ref: 'refs/heads/main',
    after: sha,
    deleted: false,
    repository: { id, name, owner: { login: owner }, default_branch: 'main' },
    sender: { login: 'you' },
  };
}

/** The planner makes them within milliseconds; none at all would be a bug that must not look like success. */
async function runsOf(store: Store, sha: string): Promise<readonly number[]> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const found = await store.runsOfSha(sha);
    if (found.length > 0) return found.map(({ run }) => run.id);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('no run was made of the push within 30 s');
}

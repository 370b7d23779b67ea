/** A whole daemon on loopback for one repository, which leaves nothing behind. */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, type Config } from '../config.ts';
import type { Store } from '../core/ports.ts';
import { formatProblem } from '../core/problem.ts';
import type { RepoRef } from '../core/run.ts';
import { openConfiguredStore, startDaemon } from '../daemon.ts';
import { removeSlotsOf } from '../docker/open-executor.ts';
import { createLog } from '../log.ts';

export interface DemoDaemonParts {
  /** Its data go to a folder below. */
  readonly folder: string;
  /** The only repository that it listens to. */
  readonly repository: RepoRef;
  readonly cloneUrl: string;
  readonly slots: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface DemoDaemon extends AsyncDisposable {
  readonly url: string;
  /** Of its webhook. */
  readonly secret: string;
  readonly store: Store;
  readonly dataDirectory: string;
}

/** Disposing of it ends its jobs and removes its slots; the folder is the caller's. */
export async function startDemoDaemon(parts: DemoDaemonParts): Promise<DemoDaemon> {
  await using opened = new AsyncDisposableStack();
  const secret = randomBytes(32).toString('hex');
  const config = configOf(parts, secret);
  opened.defer(() => removeSlotsOf(config.dataDirectory));
  const daemon = opened.use(
    await startDaemon({ config, role: 'serve', log: createLog('error'), environment: parts.environment }),
  );
  if (daemon.url === null) throw new Error('Internal error: a daemon that serves has no address');
  const store = await openConfiguredStore(config);
  opened.defer(() => store.close());
  const kept = opened.move();
  return {
    ...{ url: daemon.url, secret, store, dataDirectory: config.dataDirectory },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function configOf({ folder, repository, cloneUrl, slots }: DemoDaemonParts, secret: string): Config {
  const environment = {
    HEARTH_DATA: join(folder, 'data'),
    HEARTH_LISTEN: '127.0.0.1:0',
    HEARTH_WEBHOOK_SECRET: secret,
    HEARTH_REPOS: `${repository.owner}/${repository.name}`,
    HEARTH_CLONE_URL: cloneUrl,
    HEARTH_SLOTS: String(slots),
  };
  const config = parseConfig(environment, null, { cores: slots, home: tmpdir(), from: tmpdir() });
  if (!config.ok) throw new Error(config.problem.map(formatProblem).join('\n'));
  return config.value;
}

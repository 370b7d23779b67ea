/**
 * Tries to get at another tenant with this agent's own token, and tells what came of it. The proof that tenants are
 * apart is a refusal that happened, not the absence of a leak.
 */
import type { KeyObject } from 'node:crypto';
import { randomUUID } from 'node:crypto';
import { connectHub, Refused, type HubConnection } from './connection.ts';
import { digestOf } from '../protocol/episode.ts';
import type { Attempt } from '../protocol/messages.ts';
import type { Identity } from '../protocol/names.ts';

export interface Trespass {
  readonly url: string;
  readonly identity: Identity;
  readonly key: KeyObject;
  /** Whose tenant and name it tries. */
  readonly target: Identity;
  readonly timeoutMs: number;
}

/** One pull, one push and one hello beyond the border. Rejects with Lost when the hub is gone. */
export async function trespass(connection: HubConnection, options: Trespass): Promise<readonly Attempt[]> {
  const { target } = options;
  const { tenant } = target;
  const content = {
    sequence: 1,
    task: 'trespass',
    input: '',
    output: '',
    critique: '',
    reward: 0,
    success: false,
    at: new Date().toISOString(),
  };
  const episodes = [{ ...content, digest: digestOf(target, content) }];
  return [
    await attempt('pull', tenant, (id) => connection.ask({ type: 'pull', id, tenant, clock: {} })),
    await attempt('push', tenant, (id) => connection.ask({ type: 'push', id, tenant, episodes })),
    await attempt('hello', tenant, (id) => greetAsTarget(options, id)),
  ];
}

async function greetAsTarget({ url, identity, key, target, timeoutMs }: Trespass, helloId: string): Promise<void> {
  const connection = await connectHub({
    ...{ url, identity, key, helloId, timeoutMs, heartbeatMs: timeoutMs },
    claimed: target,
    onNews: () => undefined,
  });
  await connection.close();
}

async function attempt(
  what: Attempt['what'],
  tenant: string,
  work: (id: string) => Promise<unknown>,
): Promise<Attempt> {
  const request = `trespass-${randomUUID()}`;
  try {
    await work(request);
    return { request, what, tenant, code: null };
  } catch (error) {
    if (error instanceof Refused) return { request, what, tenant, code: error.code };
    throw error;
  }
}
